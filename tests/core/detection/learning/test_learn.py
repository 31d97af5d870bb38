"""A detector that learns: how good it is on documents that had no part in it, and what is left in its file."""

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from sklearn.metrics import precision_recall_curve

import neurosieve
from neurosieve import (
    ConfigError,
    DataError,
    Detector,
    Document,
    Fitted,
    Learner,
    Span,
    StoreError,
    learn,
    open_trained,
)
from neurosieve.cli import main
from neurosieve.detection.agreement.annotated_sentences import annotations_of
from neurosieve.detection.learning.cross_validation import Learn, choose_threshold, cross_validate, threshold_curve
from neurosieve.terminal.finished_run import show_run
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.learned import Learned
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.learners.words import Words
from neurosieve_plugins.sources.traces import Traces

SHARED = Path(__file__).parents[5] / "shared" / "data" / "thought_anchors" / "labelled_spans.jsonl"
needs_shared = pytest.mark.skipif(not SHARED.is_file(), reason=f"there are no annotated traces beside it, in {SHARED}")

DOUBT = ("Wait, is that right?", "Hmm, that looks off.", "Wait, I should look again.", "Hmm, is it 12?")
WORK = ("So it is 7 + 5 = 12.", "Then I add 3 to it.", "That gives 15 apples.", "The sum is 12, so 15.")


def written(name, group, sentences, start=0):
    """A document of sentences, each annotated with the label that it is given with."""
    text, spans = "", []
    for sentence, label in sentences:
        spans.append(Span(len(text), len(text) + len(sentence), label))
        text += f"{sentence} "
    return Document(name, text, group, start, tuple(spans))


def documents(count=24, seed=0, sentences=10, groups=12):
    """Documents of work, with a doubt now and then."""
    rng = np.random.default_rng(seed)
    return [
        written(
            f"d{number:02}",
            f"g{number % groups:02}",
            [
                (str(rng.choice(DOUBT if doubt else WORK)), "doubt" if doubt else "work")
                for doubt in rng.random(sentences) < 0.3
            ],
        )
        for number in range(count)
    ]


@pytest.fixture
def go(tmp_path):
    def go(source=None, label="doubt", folder="run", **settings):
        detectors = settings.pop("detectors", {"wait": Phrases(("wait",))})
        source = documents() if source is None else source
        return learn(source, label, detectors, folder=tmp_path / folder, **{"folds": 3, "reports": ()} | settings)

    return go


@pytest.mark.slow
@needs_shared
def test_what_annotators_saw_is_found_far_better_than_by_any_list(tmp_path):
    """5 folds by problem: the founding list has an F1 of 0.10, `wait | alternatively | hold on | hmm` one of 0.54."""
    source = Traces(str(SHARED), "text", group_field=None, id_field="trace_id", spans_field="spans")
    run = learn(source, "uncertainty_management", folder=tmp_path / "run", precision=0.6)
    table = run.table("agreement").set_index("detector")
    assert table.f1[["backtracking", "hesitation"]].round(2).tolist() == [0.10, 0.54]
    assert table.f1["learned"] > 0.66
    assert table.f1_low["learned"] > table.f1_high["hesitation"]
    assert table.precision["learned"] > 0.55
    assert table.recall["learned"] > 0.7
    assert run.table("folds").groups.tolist() == [2] * 5
    assert not run.run["warnings"]


def test_a_behaviour_that_can_be_told_apart_is_learned(go):
    run = go()
    line = run.table("agreement").set_index("detector").loc["learned"]
    assert line.f1 == 1
    spans = Learned(run.run["output"]).detect(Document("a", "So it is 7. Wait, is it off? That gives 7.", "a"))
    assert [span.label for span in spans] == ["doubt"]


class Memoriser(Fitted):
    """Knows the sentences that it was trained on, and rates any other by chance."""

    def __init__(self, documents, labels):
        self.known = {one.id: [span for span in one.annotations if span.label in labels] for one in documents}

    def rate(self, document, scope="completion"):
        rng = np.random.default_rng(len(document.text))
        for span in document.annotations:
            seen = self.known.get(document.id)
            yield span, float(rng.random() / 2 if seen is None else span in seen)

    def save(self, path, threshold, about):
        path.write_text("memory")


class Remembering(Learner):
    def fit(self, documents, labels):
        return Memoriser(documents, labels)

    @classmethod
    def load(cls, path):
        raise DataError("never saved")


def measured(source, learner=None, **settings):
    truth = annotations_of(source)
    learner = Remembering() if learner is None else learner
    return cross_validate(learner, source, truth, Learn("doubt", **settings), lambda *_, **__: None)


def test_what_is_measured_is_nothing_that_was_learned_by_heart():
    sentences = measured(documents(48), precision=None).sentences
    marked = sentences[sentences.detected]
    assert marked.present.mean() < 0.45, "3 in 10 of all sentences are doubts"
    assert sentences.chance.max() < 0.5, "a sentence was rated by a detector that was trained on it"


def test_sentences_of_one_group_are_held_out_together():
    sentences = measured(documents()).sentences
    assert sentences.groupby("group").fold.nunique().max() == 1
    assert sorted(sentences.groupby("fold").group.nunique()) == [2, 2, 2, 3, 3]


def test_every_training_has_the_behaviour_to_learn_from():
    plain = [written(f"p{n}", f"p{n}", [(WORK[0], "work"), (WORK[1], "work")]) for n in range(20)]
    with_it = [written(f"q{n}", f"q{n}", [(DOUBT[0], "doubt"), (WORK[1], "work")]) for n in range(3)]
    for seed in range(5):
        sentences = measured(plain + with_it, Words(), seed=seed).sentences
        assert sentences.fold.nunique() == 3
        assert sentences[sentences.present].fold.nunique() == 3


def test_the_labels_of_a_fold_have_no_part_in_its_own_threshold():
    source = noisy()
    before = measured(source, Words()).sentences
    for fold in range(2):
        held_out = set(before[before.fold == fold].document)
        turned = [turned_over(one) if one.id in held_out else one for one in source]
        after = measured(turned, Words()).sentences
        pd.testing.assert_series_equal(before.fold, after.fold)
        mine = before.fold == fold
        assert (before.present != after.present)[mine].any()
        assert after.threshold[mine].unique() == before.threshold[mine].unique()
        np.testing.assert_array_equal(after.chance[mine], before.chance[mine])
        assert (after.chance[~mine] != before.chance[~mine]).any(), "they are trained on those that were turned over"


def noisy(seed=0):
    """Documents in which a third of the labels are wrong."""
    rng = np.random.default_rng(seed)
    return [
        Document(
            one.id,
            one.text,
            one.group,
            0,
            tuple(turned(span) if rng.random() < 0.33 else span for span in one.annotations),
        )
        for one in documents(24, seed)
    ]


def turned(span):
    return span._replace(label={"doubt": "work", "work": "doubt"}[span.label])


def turned_over(document):
    return Document(document.id, document.text, document.group, 0, tuple(map(turned, document.annotations)))


def test_more_precision_is_bought_with_recall(go):
    lines = [go(noisy(), precision=one, folder=str(one)).table("agreement").iloc[0] for one in (0.35, 0.6)]
    assert lines[0].recall > lines[1].recall
    assert lines[0].precision < lines[1].precision


def test_a_precision_that_cannot_be_reached_is_said_with_the_best_there_is(go):
    run = go(noisy(), precision=0.99)
    [warning] = [one for one in run.run["warnings"] if "no threshold has the precision that is wanted, 0.99" in one]
    assert "the one with the highest, 0." in warning
    assert 0 <= run.run["training"]["threshold"] <= 1


chances = st.lists(st.tuples(st.integers(0, 12).map(lambda n: n / 12), st.booleans()), min_size=1, max_size=60)


@given(chances.filter(lambda rows: any(present for _, present in rows)))
def test_the_curve_is_that_of_scikit_learn(rows):
    chance, present = (np.array(column) for column in zip(*rows, strict=True))
    points = threshold_curve(chance, present)
    precision, recall, _ = precision_recall_curve(present, chance, drop_intermediate=False)
    np.testing.assert_allclose(points.precision, precision[:-1][::-1])
    np.testing.assert_allclose(points.recall, recall[:-1][::-1])
    for point in points.itertuples():
        assert (chance >= point.threshold).sum() == point.marked


@given(chances.filter(lambda rows: sum(present for _, present in rows) > 2), st.sampled_from([0.3, 0.6, 0.9, None]))
def test_no_threshold_with_the_wanted_precision_has_more_recall(rows, wanted):
    chance, present = (np.array(column) for column in zip(*rows, strict=True))
    chosen = choose_threshold(chance, present, wanted)
    marks = chance >= chosen.value
    assert chosen.precision == pytest.approx(present[marks].mean())
    assert chosen.recall == pytest.approx((marks & present).sum() / present.sum())
    others = [chance >= one for one in np.unique(chance)]
    others = [marks for marks in others if marks.sum() >= min(10, len(chance))]
    assert marks.sum() >= min(10, len(chance)), "next to nothing marked is right by luck"
    if wanted is None:
        f1 = [2 * (one & present).sum() / (one.sum() + present.sum()) for one in others]
        assert 2 * (marks & present).sum() / (marks.sum() + present.sum()) == pytest.approx(max(f1))
    elif chosen.reached:
        right = [(one & present).sum() / present.sum() for one in others if present[one].mean() >= wanted]
        assert chosen.recall == pytest.approx(max(right))
    else:
        assert max(present[one].mean() for one in others) == pytest.approx(chosen.precision)
        assert chosen.precision < wanted


@given(chances.filter(lambda rows: any(present for _, present in rows)), st.integers(0, 9))
def test_the_curve_by_weight_is_that_of_scikit_learn(rows, seed):
    chance, present = (np.array(column) for column in zip(*rows, strict=True))
    weights = np.random.default_rng(seed).choice([0.5, 1, 3.25], len(chance))
    points = threshold_curve(chance, present, weights)
    precision, recall, _ = precision_recall_curve(present, chance, sample_weight=weights, drop_intermediate=False)
    np.testing.assert_allclose(points.precision, precision[:-1][::-1])
    np.testing.assert_allclose(points.recall, recall[:-1][::-1])
    assert points.marked.iloc[-1] == len(chance)


@dataclass(frozen=True)
class Unsure(Detector):
    """Finds `wait`, and does not know of sentences with `hmm`, some of which are doubts, and with `add`."""

    near_misses_are_unknown = True

    def detect(self, document):
        return Phrases(("wait",)).detect(document)

    def near_misses(self, document):
        return [Span(*match.span(), "unclear") for match in re.finditer("Hmm|add", document.text)]


def test_learn_and_detect_give_the_same_numbers_for_a_detector_that_does_not_know_of_some(go, tmp_path):
    run = go(detectors={"unsure": Unsure()})
    detected = neurosieve.detect(
        documents(), {"unsure": Unsure()}, labels=("doubt",), folder=tmp_path / "detect", reports=()
    )
    [here] = run.table("agreement").query("detector == 'unsure'").to_dict("records")
    [there] = detected.table("agreement").to_dict("records")
    assert here == there
    assert here["not_known"] > 0
    [warning] = [each for each in run.run["warnings"] if "are left out of precision and recall" in each]
    assert warning in detected.run["warnings"]


class HalfBlind(Fitted):
    """Rates by the word `Wait`, and cannot rate sentences with `Hmm`."""

    def rate(self, document, scope="completion"):
        for span in document.annotations:
            word = document.text[span.start :][:4]
            if word != "Hmm,":
                yield span, 0.9 if word == "Wait" else 0.1

    def unknown(self, document, scope="completion"):
        return [span for span in document.annotations if document.text[span.start :].startswith("Hmm")]

    def save(self, path, threshold, about):
        path.write_text("half")


class Blinded(Learner):
    def fit(self, documents, labels):
        return HalfBlind()

    @classmethod
    def load(cls, path):
        raise DataError("never saved")


def test_what_a_trained_detector_cannot_rate_is_left_out_of_what_is_measured(go):
    unknown = sum(document.text.count("Hmm") for document in documents())
    run = go(learner=Blinded(), precision=0.9)
    [row] = run.table("agreement").query("detector == 'learned'").to_dict("records")
    assert (row["precision"], row["recall"], row["not_known"], row["sentences"]) == (1, 1, unknown, 240 - unknown)
    assert run.table("folds").recall.tolist() == [1, 1, 1]
    assert run.table("thresholds").recall.max() == 1
    assert run.run["training"]["recall"] == 1
    warnings = " ".join(run.run["warnings"])
    assert f"`learned` does not know of {unknown} annotated sentences" in warnings
    assert "hold no text that the detector rates" not in warnings
    assert measured(documents(), Blinded()).threshold.recall == 1


def test_what_the_run_leaves(go):
    run = go()
    assert run.command == "learn"
    assert run.tables == ["agreement", "folds", "sentences", "thresholds"]
    sentences = run.table("sentences")
    assert (sentences.detected == (sentences.chance >= sentences.threshold)).all()
    assert sentences.present.tolist() == (sentences.label == "doubt").tolist()
    assert run.table("folds").sentences.sum() == len(sentences) == 240
    line = run.table("agreement").set_index("detector").loc["learned"]
    assert line.true_positive == (sentences.present & sentences.detected).sum()
    learned = run.run["training"]
    assert (learned["documents"], learned["groups"], learned["folds"]) == (24, 12, 3)
    assert learned["f1"] == line.f1
    loaded = open_trained(Path(run.run["output"]))
    texts = loaded.about["texts"]
    assert loaded.about == {**learned, "texts": texts}
    assert len(texts) == len(set(texts)) == learned["documents"]
    assert loaded.threshold == learned["threshold"]


def test_the_same_seed_gives_the_same_detector_and_another_deals_other_folds(go, tmp_path):
    first, second, other = go(folder="a"), go(folder="b"), go(folder="c", seed=1)
    assert (first.folder / "detector.safetensors").read_bytes() == (second.folder / "detector.safetensors").read_bytes()
    pd.testing.assert_frame_equal(first.table("sentences"), second.table("sentences"))
    assert (first.table("sentences").fold != other.table("sentences").fold).any()


def test_several_labels_are_learned_as_one_behaviour(go):
    source = [
        Document(
            one.id,
            one.text,
            one.group,
            0,
            tuple(span._replace(label="hm") if one.text[span.start] == "H" else span for span in one.annotations),
        )
        for one in documents()
    ]
    run = go(source, ("doubt", "hm"))
    assert run.run["behaviours"] == ["doubt or hm"]
    assert run.run["training"]["with_the_behaviour"] == go(folder="one").run["training"]["with_the_behaviour"]


def test_what_was_learned_is_found_by_detect_and_by_find_as_by_any_detector(go, tmp_path):
    output = tmp_path / "mine" / "doubt.safetensors"
    run = go(output=str(output))
    assert run.run["output"] == str(output)
    learned = {"learned": Learned(str(output))}
    detected = neurosieve.detect(documents(seed=5), learned, folder=tmp_path / "detect", reports=())
    assert detected.table("agreement").set_index("label").f1["doubt"] == 1
    source = documents(60, seed=6, groups=60)
    settings = {"interval_bootstraps": 20, "permutations": 0, "stability_bootstraps": 0}
    settings["store"] = str(tmp_path / "store")
    found = neurosieve.find(
        "tiny",
        source,
        {"doubt": Learned(str(output)), "truth": Annotations(("doubt",))},
        folder=tmp_path / "find",
        **settings,
    )
    spans = found.table("spans").drop(columns="behaviour").groupby(found.table("spans").behaviour)
    assert len(spans.get_group("doubt")) > 100
    pd.testing.assert_frame_equal(
        spans.get_group("doubt").reset_index(drop=True), spans.get_group("truth").reset_index(drop=True)
    )


def test_a_detector_of_ours_is_replaced_and_nothing_else_is(go, tmp_path):
    output = tmp_path / "doubt.safetensors"
    go(output=str(output))
    before = output.read_bytes()
    go(documents(seed=1), folder="again", output=str(output))
    assert output.read_bytes() != before
    foreign = tmp_path / "thesis.txt"
    foreign.write_text("years of work")
    with pytest.raises(ConfigError, match=r"thesis\.txt`, which exists and is not a trained detector"):
        go(folder="third", output=str(foreign))
    with pytest.raises(ConfigError, match="a folder: name a file"):
        go(folder="third", output=str(tmp_path))
    assert foreign.read_text() == "years of work"
    assert not (tmp_path / "third").exists()


def test_a_detector_is_written_whole_or_not_at_all(go, tmp_path, monkeypatch):
    output = tmp_path / "out" / "doubt.safetensors"
    go(output=str(output))
    before = output.read_bytes()

    def full(path, content):
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"cannot write the detector to .*No space left on device"):
        go(documents(seed=1), folder="again", output=str(output))
    assert output.read_bytes() == before
    assert [one.name for one in output.parent.iterdir()] == [output.name]
    assert not (tmp_path / "again").exists()


def test_documents_without_annotations_teach_nothing_and_that_is_said(go):
    run = go([*documents(), Document("bare", "Wait, is that right?", "bare")])
    assert run.run["training"]["documents"] == 24
    assert any(warning.startswith("1 of 25 documents are not annotated") for warning in run.run["warnings"])


def test_fewer_groups_than_folds_are_dealt_to_fewer_folds_and_that_is_said(go):
    run = go(documents(12, groups=4), folds=5)
    assert run.run["training"]["folds"] == 4
    assert any("4 folds were held out in turn, and not 5" in warning for warning in run.run["warnings"])


PLAIN = [Document(str(n), "Wait, is that right? It is 7.", str(n)) for n in range(12)]
ALL = [written(str(n), str(n), [(DOUBT[0], "doubt"), (DOUBT[1], "doubt")]) for n in range(12)]
FEW = documents(2)
ONE_GROUP = [Document(one.id, one.text, "same", 0, one.annotations) for one in documents()]


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"source": []}, DataError, "the source gave no document"),
        ({"source": PLAIN}, DataError, "no document is annotated, and there is nothing to learn from"),
        ({"source": ALL}, DataError, "every annotated sentence has a label that is to be learned"),
        ({"source": FEW[:1]}, DataError, "annotated in 1 group of documents, and at least 3 are needed"),
        ({"source": FEW}, DataError, "annotated in 2 groups of documents, and at least 3 are needed"),
        ({"source": ONE_GROUP}, DataError, "annotated in 1 group of documents"),
        ({"source": documents()[:1] * 2}, DataError, "two documents have the id `d00`"),
        ({"label": "doubts"}, ConfigError, "no annotated span has the label `doubts`: did you mean `doubt`"),
        ({"label": ()}, ConfigError, "no label is given: .* as in `label=work`; there are work, doubt"),
        ({"precision": 1.2}, ConfigError, "precision is 1.2: give a number, above 0 and at most 1"),
        ({"precision": 0.0}, ConfigError, "precision is 0.0: give a number, above 0 and at most 1"),
        ({"precision": -0.5}, ConfigError, "precision is -0.5"),
        ({"folds": 2}, ConfigError, "folds is 2: give a whole number, at least 3"),
        ({"learner": "wrods"}, ConfigError, "there is no `wrods` to choose for `learner`: did you mean `words`"),
        ({"detectors": {"learned": Phrases(("a",))}}, ConfigError, "a detector to compare with is called `learned`"),
        ({"labels": ("doubt",)}, ConfigError, "did you mean `label`"),
    ],
    ids=str,
)
def test_mistakes_are_said_and_leave_nothing(go, tmp_path, asked, error, message):
    with pytest.raises(error, match=message):
        go(**asked)
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_not_written_over(go):
    go()
    with pytest.raises(ConfigError, match="holds a finished run already"):
        go()


def printed(run):
    out = Console(width=200, file=io.StringIO())
    show_run(run, out)
    return out.file.getvalue()


def test_what_is_printed_says_how_it_was_measured_and_how_to_go_on(go):
    run = go(precision=0.8)
    shown = printed(run)
    assert "learned" in shown
    assert "wait" in shown
    assert "`learned` is cross-validated: trained 3 times without a part of the groups" in shown
    assert "the learner is `words`" in shown
    assert f"its threshold for a precision of 0.8: {run.run['training']['threshold']:.3f}" in shown
    assert f"neurosieve find detectors=[learned] detectors.learned.path={run.run['output']}" in shown.replace("\n", "")


def lines(source):
    return "\n".join(
        json.dumps(
            {"id": one.id, "group": one.group, "text": one.text, "spans": [span._asdict() for span in one.annotations]}
        )
        for one in source
    )


def test_the_command_line_learns_and_find_goes_on_from_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.jsonl").write_text(lines(documents(60, groups=30)))
    source = ["source=traces", "source.path=mine.jsonl", "source.text_field=text", "source.id_field=id"]
    source += ["source.group_field=group", "source.spans_field=spans"]
    main(["learn", *source, "label=doubt", "output=doubt.safetensors", "folds=3"])
    assert "detector: doubt.safetensors" in capsys.readouterr().out
    learned = ["detectors=[learned]", "detectors.learned.path=doubt.safetensors"]
    main(
        ["find", *source, *learned, "model=tiny", "interval_bootstraps=20", "reports=[]", f"store={tmp_path / 'store'}"]
    )
    assert "learned: the best 10 of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["label=doubts"], "no annotated span has the label `doubts`: did you mean `doubt`?"),
        ([], "no label is given"),
        (["label=doubt", "precision=1.2"], "precision is 1.2"),
        (["label=doubt", "output=mine.jsonl"], "is not a trained detector: it is not overwritten"),
        (["label=doubt", "source.spans_field=null"], "no document is annotated"),
    ],
)
def test_the_command_line_ends_a_mistake_with_one_message_and_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.jsonl").write_text(lines(documents()))
    source = ["source=thought_anchors", "source.path=mine.jsonl", "source.id_field=id", "source.group_field=group"]
    with pytest.raises(SystemExit) as ended:
        main(["learn", *source, *arguments])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in said
    assert len(said.splitlines()) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["mine.jsonl"]
