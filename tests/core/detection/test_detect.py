"""Detectors alone: what is found, how it is shown, and how well it agrees with annotators."""

import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from sklearn.metrics import precision_recall_fscore_support

from neurosieve import ConfigError, DataError, Detector, Document, Run, Span, detect, load
from neurosieve.cli import main
from neurosieve.detection.agreement.agreement_warnings import not_known_warnings
from neurosieve.detection.agreement.annotated_sentences import (
    agreement_table,
    annotations_of,
    confusion_table,
    mark_sentences,
    rate_sentences,
)
from neurosieve.terminal.finished_run import show_run
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.sources.traces import Traces

SHARED = Path(__file__).parents[4] / "shared" / "data" / "thought_anchors" / "labelled_spans.jsonl"
needs_shared = pytest.mark.skipif(not SHARED.is_file(), reason=f"there are no annotated traces beside it, in {SHARED}")

WAIT = Phrases(("wait",))


def document(name, text, *sentences, group=None, start=0):
    """A document with some of its sentences annotated, each given with its label."""
    spans = tuple(Span(text.index(one), text.index(one) + len(one), label) for one, label in sentences)
    return Document(name, text, group or name, start, spans)


ANNOTATED = [
    document("a", "Wait, no. It is 7. Wait.", ("Wait, no.", "doubt"), ("It is 7.", "work"), ("Wait.", "work")),
    document("b", "Hmm, no. So it is 8.", ("Hmm, no.", "doubt"), ("So it is 8.", "work")),
    document("c", "It is so.", ("It is so.", "plan")),
]


@pytest.fixture
def go(tmp_path):
    def go(source=ANNOTATED, detectors=None, **settings) -> Run:
        return detect(source, detectors or {"wait": WAIT}, folder=tmp_path / "run", **{"reports": ()} | settings)

    return go


def printed(run: Run, width=200, **options) -> str:
    out = Console(file=io.StringIO(), width=width, **options)
    show_run(run, out)
    return out.file.getvalue()


@needs_shared
@pytest.mark.parametrize(
    ("detector", "precision", "recall"),
    [("backtracking", 0.83, 0.05), ("wait", 0.56, 0.48), ("hesitation", 0.49, 0.60)],
)
def test_the_published_agreement_with_annotators_comes_out_again(tmp_path, detector, precision, recall):
    run = detect(
        Traces(str(SHARED), "text", group_field=None, id_field="trace_id", spans_field="spans"),
        {"wait": WAIT} if detector == "wait" else [detector],
        labels=("uncertainty_management",),
        folder=tmp_path,
    )
    [line] = run.table("agreement").to_dict("records")
    assert (round(line["precision"], 2), round(line["recall"], 2)) == (precision, recall)
    assert (line["true_positive"] + line["false_negative"], line["sentences"]) == (672, 5814)
    assert line["recall_low"] < recall < line["recall_high"]
    assert not run.run["warnings"]


def test_spans_are_a_table_with_their_context(go):
    run = go(around=4)
    columns = ["behaviour", "document", "group", "start", "end", "label", "text", "before", "after"]
    expected = [
        ("wait", "a", "a", 0, 4, "wait", "Wait", "", ", no"),
        ("wait", "a", "a", 19, 23, "wait", "Wait", " 7. ", "."),
    ]
    pd.testing.assert_frame_equal(run.table("spans"), pd.DataFrame(expected, columns=columns), check_dtype=False)


def test_phrases_are_counted_with_their_documents_the_most_frequent_first(go):
    run = go(detectors={"words": Phrases(("it", "no", "so"), words=True), "wait": WAIT})
    found = [tuple(line) for line in run.table("phrases").itertuples(index=False)]
    assert found == [("words", "it", 3, 3), ("words", "no", 2, 2), ("words", "so", 2, 2), ("wait", "wait", 2, 1)]


def test_documents_with_and_without_are_counted(go):
    counts = go().run["counts"]["behaviours"]["wait"]
    assert counts == {"spans": 2, "documents_with": 1, "documents_without": 2}


def test_spans_before_the_completion_are_left_out_and_counted(go):
    source = [document("a", "Wait! <think> wait", ("Wait!", "said"), (" wait", "thought"), start=13)]
    run = go(source, {"all": Annotations()})
    assert run.table("spans").start.tolist() == [13]
    assert run.table("agreement").label.tolist() == ["thought"]
    assert run.run["counts"]["spans_out_of_scope"] == 1


def test_precision_and_recall_are_over_annotated_sentences(go):
    lines = go().table("agreement").set_index("label")
    cells = ["true_positive", "false_positive", "false_negative", "sentences"]
    assert lines.loc["doubt", cells].tolist() == [1, 1, 1, 6]
    assert lines.loc["work", cells].tolist() == [1, 1, 2, 6]
    assert lines.loc["doubt", ["precision", "recall", "f1"]].tolist() == [0.5, 0.5, 0.5]
    assert lines.loc["plan", "recall"] == 0


def test_the_confusion_is_against_every_label(go):
    run = go(labels=("doubt",))
    assert run.table("agreement").label.tolist() == ["doubt"]
    found = run.table("confusion").set_index("label")[["sentences", "detected", "share"]].T.to_dict("list")
    assert found == {"work": [3, 1, 1 / 3], "doubt": [2, 1, 0.5], "plan": [1, 0, 0]}


def test_a_detector_that_marks_nothing_has_no_precision(go):
    run = go(detectors={"zebra": Phrases(("zebra",))})
    line = run.table("agreement").set_index("label").loc["doubt"]
    assert np.isnan(line.precision)
    assert line.recall == line.f1 == 0
    assert "`zebra` shows nowhere in 3 documents" in run.run["warnings"]


def test_where_every_annotated_sentence_has_the_label_only_recall_is_measured(go):
    run = go([document("a", "Wait. So it is. Wait!", ("Wait.", "doubt"), ("Wait!", "doubt"))])
    line = run.table("agreement").iloc[0]
    assert (line.recall, np.isnan(line.precision), np.isnan(line.f1)) == (1.0, True, True)
    assert any("only recall can be measured" in warning for warning in run.run["warnings"])


def test_spans_outside_all_annotated_sentences_are_counted_and_warned_of(go):
    run = go([document("a", "Wait. Wait! It is.", ("Wait.", "doubt"), ("It is.", "work"))])
    assert run.table("agreement").precision[0] == 1
    assert any(warning.startswith("1 span of `wait` overlap no annotated sentence") for warning in run.run["warnings"])


def test_documents_without_annotations_have_no_part_in_agreement_and_that_is_said(go):
    run = go([*ANNOTATED, document("d", "Wait.")])
    assert run.table("agreement").sentences[0] == 6
    assert any(warning.startswith("1 of 4 documents are not annotated") for warning in run.run["warnings"])


def test_a_sentence_with_two_labels_counts_for_both(go):
    text = "Wait, no. It is."
    both = (Span(0, 9, "doubt"), Span(0, 9, "plan"), Span(10, 16, "work"))
    run = go([Document("a", text, "a", annotations=both)])
    lines = run.table("agreement").set_index("label")
    assert lines.sentences.unique().tolist() == [2]
    assert lines.loc[["doubt", "plan"], "recall"].tolist() == [1.0, 1.0]


bounds = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)).map(lambda one: Span(one[0], sum(one))), max_size=8)


@given(bounds, bounds)
def test_a_sentence_is_marked_when_any_span_overlaps_it(sentences, spans):
    table = pd.DataFrame([("a", *one[:2]) for one in sentences], columns=["document", "start", "end"])
    expected = [any(one.start < span.end and span.start < one.end for span in spans) for one in sentences]
    assert mark_sentences(table, {"a": spans}).tolist() == expected
    chances = [(span, (7 * number % 5) / 5) for number, span in enumerate(spans)]
    highest = [
        max((chance for span, chance in chances if one.start < span.end and span.start < one.end), default=-np.inf)
        for one in sentences
    ]
    assert rate_sentences(table, {"a": chances}).tolist() == highest


def labelled(rows):
    """Documents of ten sentences with the labels given, and the sentences that bear them."""
    spans = [tuple(Span(2 * i, 2 * i + 2, label) for i, label in enumerate(row)) for row in rows]
    documents = [Document(f"d{n}", "x" * 2 * len(row), f"g{n // 2}", 0, row) for n, row in enumerate(spans)]
    return annotations_of(documents)


rows_of_labels = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=10), min_size=1, max_size=8)


@given(rows_of_labels, st.integers(0, 9))
def test_precision_recall_and_f1_are_those_of_scikit_learn(rows, seed):
    truth = labelled(rows)
    marks = np.random.default_rng(seed).random(len(truth.sentences)) < 0.4
    table = agreement_table(truth, {label: (label,) for label in truth.labels}, {"d": marks}, 20, 0, 2)
    for line in table.to_dict("records"):
        shows = truth.any_of([line["label"]])
        expected = precision_recall_fscore_support(shows, marks, average="binary", zero_division=np.nan)[:3]
        if not shows.all():
            np.testing.assert_allclose([line["precision"], line["recall"], line["f1"]], expected)


@given(rows_of_labels, st.integers(0, 9))
def test_weighted_precision_and_recall_without_unknown_sentences_are_those_of_scikit_learn(rows, seed):
    truth, rng = labelled(rows), np.random.default_rng(seed)
    size = len(truth.sentences)
    weight, marks, not_known = rng.choice([0.5, 1, 3.25], size), rng.random(size) < 0.4, rng.random(size) < 0.3
    truth = dataclasses.replace(truth, sentences=truth.sentences.assign(weight=weight))
    labels = {label: (label,) for label in truth.labels}
    table = agreement_table(truth, labels, {"d": marks, "sure": marks}, 20, 0, 2, {"d": not_known})
    for line in table.to_dict("records"):
        kept = marks | ~not_known if line["detector"] == "d" else np.ones(size, dtype=bool)
        shows = truth.any_of([line["label"]])[kept]
        assert (line["sentences"], line["not_known"]) == (kept.sum(), size - kept.sum())
        assert line["stands_for"] == pytest.approx(weight[kept].sum())
        assert line["true_positive"] == (shows & marks[kept]).sum()
        given_weights = {"sample_weight": weight[kept], "average": "binary", "zero_division": np.nan}
        if shows.any() and not shows.all():
            expected = precision_recall_fscore_support(shows, marks[kept], **given_weights)[:3]
            np.testing.assert_allclose([line["precision"], line["recall"], line["f1"]], expected)


def test_a_sentence_that_stands_for_three_counts_as_three():
    rows, marked, weight = [["a", "b", "a"]] * 2, [True, True, False], [3.0, 1.0, 1.0]
    truth = labelled(rows)
    weighted = dataclasses.replace(truth, sentences=truth.sentences.assign(weight=weight * 2))
    copied = labelled([["a", "a", "a", "b", "a"]] * 2)
    [line], [expected] = (
        agreement_table(each, {"a": ("a",)}, {"d": np.array(marks * 2)}, 100, 0, 1).to_dict("records")
        for each, marks in ((weighted, marked), (copied, [True, True, True, True, False]))
    )
    shares = [name for name in line if name.startswith(("precision", "recall", "f1", "false_omission", "markedness"))]
    assert len(shares) == 15
    assert [line[name] for name in shares] == pytest.approx([expected[name] for name in shares])
    assert (line["true_positive"], line["sentences"], line["stands_for"]) == (2, 6, 10)
    [of_a, of_b] = confusion_table(weighted, {"d": np.array(marked * 2)}).to_dict("records")
    assert (of_a["sentences"], of_a["detected"], of_a["share"], of_b["share"]) == (4, 2, 0.75, 1.0)


class Unsure(Detector):
    """Says `wait`, and does not know of sentences with `no`."""

    def detect(self, document):
        return WAIT.detect(document)

    def near_misses(self, document):
        return [Span(*match.span(), "no") for match in re.finditer("no", document.text)]


def test_sentences_that_a_detector_does_not_know_are_left_out_and_counted(go):
    run = go(detectors={"unsure": Unsure(), "wait": WAIT})
    table = run.table("agreement").query("label == 'doubt'").set_index("detector")
    assert table.loc["wait", ["recall", "sentences", "not_known"]].tolist() == [0.5, 6, 0]
    # Of the two sentences with `no`, `Wait, no.` is marked, and so it is known; `Hmm, no.` is not.
    assert table.loc["unsure", ["recall", "sentences", "not_known"]].tolist() == [1, 5, 1]
    [warning] = [each for each in run.run["warnings"] if "are left out of precision and recall" in each]
    assert warning.startswith("`unsure` does not know of 1 annotated sentence whether")


def some_agreement(copies=1, groups=12, draws=400, enough=2):
    rng = np.random.default_rng(0)
    rows = [["a" if rng.random() < 0.4 else "b" for _ in range(10)] * copies for _ in range(2 * groups)]
    truth = labelled(rows)
    each = [rng.random(10) < np.where(np.array(row[:10]) == "a", 0.7, 0.2) for row in rows]
    marks = np.concatenate([np.tile(one, copies) for one in each])
    return agreement_table(truth, {"a": ("a",)}, {"d": marks}, draws, 0, enough).iloc[0]


def test_intervals_hold_the_value_and_do_not_shrink_when_sentences_of_a_group_are_copied():
    once, copied = some_agreement(), some_agreement(copies=5)
    for measure in ("precision", "recall", "f1"):
        assert once[f"{measure}_low"] < once[measure] < once[f"{measure}_high"]
        assert once[f"{measure}_low"] == pytest.approx(copied[f"{measure}_low"])
        assert once[f"{measure}_high"] == pytest.approx(copied[f"{measure}_high"])


def test_intervals_shrink_with_groups():
    few, many = some_agreement(groups=12), some_agreement(groups=192)
    assert many.recall_high - many.recall_low < 0.5 * (few.recall_high - few.recall_low)


def test_few_groups_give_no_interval_and_that_is_said(go):
    assert np.isnan(some_agreement(groups=9, enough=10).recall_low)
    run = go()
    assert np.isnan(run.table("agreement").recall_low).all()
    assert any("with fewer than 10 there is no interval" in warning for warning in run.run["warnings"])


def test_groups_that_a_detector_does_not_know_give_no_interval():
    truth = labelled([["a", "b"]] * 24)
    groups = truth.sentences["group"]
    marks, few = np.asarray(groups.index % 3 == 0), np.asarray(groups > "g2")
    table = agreement_table(truth, {"a": ("a",)}, {"d": marks & ~few, "sure": marks}, 20, 0, 10, {"d": few})
    known = groups[~few].nunique()
    assert known < 10 <= groups.nunique()
    assert table.set_index("detector").recall_low.isna().to_dict() == {"d": True, "sure": False}
    [warning] = not_known_warnings(truth, {"d": few, "sure": ~marks & False}, 10)
    assert f"sentences of {known} groups are left, and with fewer than 10 there is no interval" in warning


def test_weights_of_annotations_are_one_for_each_and_one_for_a_sentence():
    spans = (Span(0, 5, "a"), Span(0, 5, "b"), Span(6, 9, "a"))
    ours = Document("d", "Wait. No.", "g", 0, spans, annotation_weights=(3.0, 3.0, 2.0))
    assert annotations_of([ours]).sentences.weight.tolist() == [3, 2]
    for weights, message in (
        ((3.0, 3.0), "2 weights for 3 annotations"),
        ((3.0, 2.0, 2.0), "annotated twice, with the weights"),
    ):
        with pytest.raises(DataError, match=message):
            annotations_of([dataclasses.replace(ours, annotation_weights=weights)])


def test_without_annotations_there_is_no_agreement(go):
    run = go([document("a", "Wait.")])
    assert run.tables == ["phrases", "spans"]


def test_spans_stand_highlighted_in_their_context(go):
    shown = printed(go(), force_terminal=True, color_system="standard", highlight=False)
    assert re.search(r"\x1b\[[0-9;]*7mWait\x1b\[0m", shown)
    assert "wait: 2 spans; in 1 document, and not in 2" in shown


def test_at_most_the_asked_number_of_contexts_is_printed_spread_over_all(go):
    many = [document(f"d{n:02}", f"It is {n}. Wait.") for n in range(30)]
    shown = printed(go(many, contexts=3))
    assert "wait: 3 of 30 spans, spread evenly" in shown
    assert [f"d{n:02}" for n in range(30) if f"d{n:02}" in shown] == ["d00", "d14", "d29"]


def test_no_context_is_printed_where_none_is_asked(go):
    assert "in context" not in printed(go(contexts=0))


def test_text_of_documents_is_neither_markup_nor_a_command_to_the_terminal(go):
    evil = "[bold red]so[/] \x1b[31mred\x1b]0;title\x07 wait \x9b2J\u202e [/nothing]\r\n"
    names = {"labels": Annotations(), "wait": WAIT}
    label = "[link=x]\x1b[2J"
    run = go([Document(f"[red]{evil}", evil, "g", 0, (Span(0, 10, label), Span(12, 16, "b")))], names, around=100)
    shown = printed(run)
    assert "[bold red]so[/] ␛[31mred␛]0;title␇ wait" in shown
    assert "[link=x]␛[2J" in shown
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(shown)


def test_a_long_span_is_printed_in_short(go):
    text = "a" * 5000
    shown = printed(go([Document("a", text, "a", 0, (Span(0, 5000, "x"),))], {"all": Annotations()}))
    assert len(shown) < 4000


def test_it_fits_a_narrow_terminal(go):
    shown = printed(go(), width=80)
    # A path is never cut.
    assert max(len(line) for line in shown.splitlines() if not line.startswith(("run folder: ", "report: "))) <= 80


def test_the_config_of_the_run_is_enough_to_run_it_again(go, tmp_path):
    source = tmp_path / "traces.jsonl"
    source.write_text(json.dumps({"id": "a", "text": "Hmm. Wait."}))
    first = go(Traces(str(source), "text", id_field="id", group_field=None), contexts=5)
    config = json.loads(json.dumps(first.run["config"]))
    assert config["source"]["path"] == str(source)
    defaults = {"words": False, "language": "any", "scope": "completion"}
    assert config["detectors"]["wait"] == {"_target_": "detector/phrases", "phrases": ["wait"], **defaults}
    assert config["contexts"] == 5


class Broken(Detector):
    def detect(self, document):
        return [Span(3, 99)]


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"source": []}, DataError, "the source gave no document"),
        ({"source": [ANNOTATED[0]] * 2}, DataError, "two documents have the id `a`"),
        ({"source": [document("a", "Wait.")], "labels": ("doubt",)}, DataError, "`labels` is given, and no document"),
        ({"labels": ("doubts",)}, ConfigError, "no annotated span has the label `doubts`: did you mean `doubt`"),
        ({"detectors": {"broken": Broken()}}, DataError, "the detector of `broken` found .3, 99, ''. in document `a`"),
        ({"detectors": ["backtrackin"]}, ConfigError, "did you mean `backtracking`"),
        ({"contexts": -1}, ConfigError, "contexts is -1: give a whole number, at least 0"),
        ({"interval_bootstraps": 0}, ConfigError, "interval_bootstraps is 0"),
        ({"lables": ("doubt",)}, ConfigError, "did you mean `labels`"),
    ],
)
def test_mistakes_are_said_and_leave_nothing(go, tmp_path, asked, error, message):
    with pytest.raises(error, match=message):
        go(**asked)
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_not_written_over(go):
    go()
    with pytest.raises(ConfigError, match="holds a finished run already"):
        go()


def test_presets_are_taken_by_name(tmp_path):
    run = detect(detectors=["backtracking", "hesitation"], folder=tmp_path)
    assert run.command == "detect"
    assert run.run["behaviours"] == ["backtracking", "hesitation"]
    assert run.run["counts"]["behaviours"]["backtracking"]["spans"] > 0


def test_the_command_line_detects_and_leaves_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["detect", "detectors=[phrases]", "detectors.phrases.phrases=[wait, so]", "labels=[backtracking]"])
    [record] = tmp_path.rglob("run.json")
    assert "phrases: what was found" in capsys.readouterr().out
    assert load(record.parent).table("agreement").label.tolist() == ["backtracking"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["labels=[backtrackin]"], "no annotated span has the label `backtrackin`: did you mean `backtracking`?"),
        (["detectors=[]"], "no detector is given: choose at least one"),
        (["source=text", "source.path=nowhere", "labels=[a]"], "nowhere"),
        (["contexts=many"], "contexts"),
    ],
)
def test_the_command_line_ends_a_mistake_with_one_message_and_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["detect", *arguments])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in said
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_help_teaches(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["detect", "--help"])
    assert not ended.value.code
    assert "neurosieve detect detectors=[backtracking,hesitation]" in capsys.readouterr().out


def test_copies_of_a_text_are_counted_in_one_sentence(tmp_path):
    once = [Document(f"d{number}", f"Wait. It is {number}.", f"g{number}") for number in range(4)]
    copies = [Document("e0", "Wait. It is 0.", "g0"), Document("e1", " wait.  It is 0.\n", "g9")]
    run = detect([*once, *copies], {"wait": WAIT}, folder=tmp_path / "run").run
    [warning] = [warning for warning in run["warnings"] if "cop" in warning]
    assert warning.startswith("2 of 6 texts are copies of an earlier one")
    assert run["counts"]["texts_copied"] == 2
    run = detect(once, {"wait": WAIT}, folder=tmp_path / "other").run
    assert not any("cop" in warning for warning in run["warnings"])
