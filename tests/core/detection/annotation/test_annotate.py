"""From texts to sentences for people, and from their labels to how good detectors are."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from messages import message_of
from rich.console import Console

from neurosieve import ConfigError, DataError, Document, Span, annotate, detect, learn
from neurosieve.cli import main
from neurosieve.detection.annotation.settings import Annotate
from neurosieve.terminal.finished_run import show_run
from neurosieve.testing.awkward import AWKWARD, MARKUP
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.metadata import Metadata
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.sources.traces import Traces

DOUBT = ("Wait, is that right?", "Hmm, that looks off.", "No, I should look again.", "Hmm, is it twelve?")
WORK = ("So it is 7 + 5 = 12.", "Then I wait for the train.", "That gives 15 apples.", "The sum is 12, so 15.")


def documents(count=30, sentences=20, seed=0):
    rng = np.random.default_rng(seed)
    chosen = [
        [str(rng.choice(DOUBT if doubt else WORK)) for doubt in rng.random(sentences) < 0.2] for _ in range(count)
    ]
    return [
        Document(f"d{number}", "Go on: " + " ".join(texts), f"g{number % 15}", 7) for number, texts in enumerate(chosen)
    ]


DETECTORS = {"doubt": Phrases(("hmm",)), "broad": Phrases(("wait", "hmm", "no, i"))}


@pytest.fixture
def drawn(tmp_path):
    def drawn(source=None, folder="drawn", **settings):
        settings = {"sentences": 60, "labels": ("doubt",), "reports": (), "detectors": DETECTORS} | settings
        source = documents() if source is None else source
        return annotate(source, settings.pop("detectors"), folder=tmp_path / folder, **settings)

    return drawn


@pytest.fixture
def read(tmp_path):
    def read(sample, *files, folder="read", **settings):
        return annotate(read=files, sample=sample.folder, folder=tmp_path / folder, **{"reports": ()} | settings)

    return read


def truth(text):
    return "doubt" if text in DOUBT else "none"


def to_label(run):
    return [json.loads(line) for line in (run.folder / "to_label.jsonl").read_text().splitlines()]


def written(path, records, **more):
    path.write_text("".join(json.dumps(record | more) + "\n" for record in records))
    return path


def labelled(run, path, label=lambda item: truth(item["text"]), **more):
    """Write what a person says of every sentence in the file for other tools."""
    return written(path, [item | {"labels": [label(item)]} for item in to_label(run)], **more)


def lines(run, capsys=None):
    out = io.StringIO()
    show_run(run, Console(file=out, width=200))
    return out.getvalue()


def test_labels_of_a_sample_tell_how_good_detectors_are_over_all_the_texts(drawn, read, tmp_path):
    run = drawn(sentences=150)
    result = read(run, labelled(run, tmp_path / "labels.jsonl"))
    table = result.table("agreement").set_index("detector")
    sentence = "|".join(map(re.escape, DOUBT + WORK))
    everything = [
        Document(
            each.id,
            each.text,
            each.group,
            7,
            tuple(Span(*match.span(), truth(match.group())) for match in re.finditer(sentence, each.text)),
        )
        for each in documents()
    ]
    whole = detect(everything, DETECTORS, labels=("doubt",), folder=tmp_path / "whole", reports=())
    expected = whole.table("agreement").set_index("detector")
    for measure in ("precision", "recall"):
        assert np.allclose(table[measure], expected[measure], atol=0.12), (table[measure], expected[measure])
        assert (table[f"{measure}_low"] <= expected[measure] + 1e-9).all()
        assert (table[f"{measure}_high"] >= expected[measure] - 1e-9).all()
    assert table.loc["doubt", "precision"] == 1
    assert result.run["config"]["detectors"] == run.run["config"]["detectors"], "what was measured is known"
    assert result.run["counts"]["annotated_sentences"] == 150
    assert table.loc["broad", "precision"] < 0.8


def test_no_mistake_among_few_labels_is_no_proof_that_there_is_none(drawn, read, tmp_path):
    run = drawn(sentences=40)
    table = read(run, labelled(run, tmp_path / "labels.jsonl")).table("agreement").set_index("detector")
    perfect = table.loc["doubt"]
    found = perfect.true_positive + perfect.false_positive
    assert (perfect.precision, perfect.precision_high) == (1, 1)
    # Clopper and Pearson's end of as many independent sentences would be higher: some are of one group.
    assert 0.3 < perfect.precision_low <= 0.025 ** (1 / found)
    assert perfect.markedness_low <= min(perfect.precision_low, 1 - perfect.false_omission_high)


def test_two_runs_with_a_seed_draw_the_same(drawn):
    first, again, other = drawn(), drawn(folder="again"), drawn(folder="other", seed=1)
    pd.testing.assert_frame_equal(first.table("sample"), again.table("sample"))
    for file in ("label.html", "to_label.csv", "to_label.jsonl"):
        assert (first.folder / file).read_bytes() == (again.folder / file).read_bytes()
    assert set(first.table("sample").sentence) != set(other.table("sample").sentence)


def test_what_a_person_gets_does_not_tell_what_detectors_say(drawn):
    """The same sentences are handed out in the same way whatever the detectors find, but for which they are."""
    source = documents()
    run = drawn(source, sentences=10_000, detectors={"secret": Phrases(("hmm",))}, labels=("doubt",))
    other = drawn(source, "other", sentences=10_000, detectors={"secret": Phrases(("train",))}, labels=("doubt",))
    for file in ("label.html", "to_label.csv", "to_label.jsonl"):
        assert (run.folder / file).read_bytes() == (other.folder / file).read_bytes()
        assert "secret" not in (run.folder / file).read_text()
    assert list(run.table("sample")["mark: secret"]) != list(other.table("sample")["mark: secret"])


def test_a_sentence_is_shown_in_its_text(drawn):
    run = drawn(context=25)
    texts = {each.id: each.text for each in documents()}
    for item in to_label(run):
        text = texts[item["document"]]
        assert text[item["start"] : item["end"]] == item["text"]
        assert item["before"] == text[max(0, item["start"] - 25) : item["start"]]
        assert item["after"] == text[item["end"] : item["end"] + 25]
        assert item["start"] >= 7, "the prompt is no sentence of the scope"


def test_no_cell_of_the_table_is_a_formula(drawn):
    texts = [
        "=1+1 is what it says. ",
        "+1 is added to that. ",
        "-2 is taken from it. ",
        "@sum of all of them. ",
        " =2 follows a blank. ",
    ]
    source = [Document("a", "".join(texts), "a"), Document("b", AWKWARD[1] + AWKWARD[3] + " And so on.", "b")]
    run = drawn(source, sentences=100)
    rows = list(csv.reader(io.StringIO((run.folder / "to_label.csv").read_bytes().decode("utf-8-sig"))))
    assert len(rows) > 5
    for row in rows:
        for cell in row:
            assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r")), cell
    assert any(cell == "'=1+1 is what it says." for row in rows for cell in row)


def test_a_spreadsheet_is_read_back_with_the_delimiter_of_any_country(drawn, read, tmp_path):
    run = drawn()
    rows = list(csv.DictReader(io.StringIO((run.folder / "to_label.csv").read_bytes().decode("utf-8-sig"))))
    results = []
    for number, delimiter in enumerate(",;\t"):
        out = io.StringIO()
        table = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
        table.writeheader()
        table.writerows([row | {"labels": f" {truth(row['text'])} "} for row in rows])
        path = tmp_path / f"labels{number}.csv"
        path.write_bytes(("\ufeff" if number else "").encode() + out.getvalue().encode())
        results.append(read(run, path, folder=f"read{number}").table("agreement"))
    expected = read(run, labelled(run, tmp_path / "all.jsonl"), folder="all").table("agreement")
    for result in results:
        pd.testing.assert_frame_equal(result, expected)


def test_unsure_and_unlabelled_sentences_are_counted_and_stood_for(drawn, read, tmp_path):
    run = drawn()
    items = to_label(run)
    records = [
        item | {"labels": "unsure" if number < 5 else truth(item["text"])} for number, item in enumerate(items[:50])
    ]
    result = read(run, written(tmp_path / "labels.jsonl", records))
    assert (
        result.run["counts"] | {"sentences_labelled": 45, "sentences_unsure": 5, "sentences_drawn": 60}
        == result.run["counts"]
    )
    assert "5 sentences of 60 are labelled `unsure` and left out" in " ".join(result.run["warnings"])
    assert "10 sentences of 60 have no label" in " ".join(result.run["warnings"])
    assert np.allclose(result.table("agreement").stands_for, 600), "they stand for all sentences of the texts"


def test_a_stratum_without_a_label_is_told(drawn, read, tmp_path):
    run = drawn()
    sample = run.table("sample").set_index("sentence")
    records = [
        item | {"labels": [truth(item["text"])]}
        for item in to_label(run)
        if sample.loc[item["sentence"], "stratum"] != "nothing found"
    ]
    result = read(run, written(tmp_path / "labels.jsonl", records))
    assert "no sentence of the stratum “nothing found” is labelled" in " ".join(result.run["warnings"])


def test_two_persons_are_each_compared_with_detectors_and_with_each_other(drawn, read, tmp_path):
    run = drawn()
    ada = labelled(run, tmp_path / "ada.jsonl")
    ben = labelled(
        run, tmp_path / "second.jsonl", lambda item: "doubt" if "Hmm" in item["text"] else "none", annotator="Ben"
    )
    result = read(run, ada, ben)
    agreement = result.table("agreement").set_index(["annotator", "detector"])
    assert list(dict.fromkeys(agreement.index.get_level_values(0))) == ["ada", "Ben"]
    assert agreement.loc[("Ben", "doubt"), ["precision", "recall"]].tolist() == [1, 1]
    assert agreement.loc[("ada", "doubt"), "recall"] < 1
    [pair] = result.table("annotator_pairs").to_dict("records")
    items = to_label(run)
    weight = run.table("sample").set_index("sentence").weight
    first = [truth(item["text"]) == "doubt" for item in items]
    second = ["Hmm" in item["text"] for item in items]
    from sklearn.metrics import cohen_kappa_score

    weights = [weight[item["sentence"]] for item in items]
    assert pair["kappa"] == pytest.approx(cohen_kappa_score(first, second, sample_weight=weights))
    assert (pair["both"], pair["only_first"]) == (sum(second), sum(first) - sum(second))
    assert {"alpha", "raters"} <= set(result.table("annotators"))
    assert "sentences on which the annotators differ" in " ".join(result.run["notes"])
    assert "annotators beside each other" in lines(result)


def test_one_person_may_label_in_two_files(drawn, read, tmp_path):
    run = drawn()
    items = [item | {"labels": [truth(item["text"])]} for item in to_label(run)]
    parts = [written(tmp_path / f"{n}.jsonl", items[n * 25 : n * 25 + 35], annotator="Ada") for n in (0, 1)]
    result = read(run, *parts)
    assert result.run["annotation"]["annotators"] == ["Ada"]
    assert "annotator" not in result.table("agreement")
    assert result.run["counts"]["sentences_labelled"] == 60


def test_several_labels_may_hold_where_the_sample_says_so(drawn, read, tmp_path):
    run = drawn(labels=("doubt", "question"), several=True)
    holds = {"doubt": lambda text: text in DOUBT, "question": lambda text: "?" in text}
    records = [
        item | {"labels": [name for name in ("doubt", "question") if holds[name](item["text"])] or ["none"]}
        for item in to_label(run)
    ]
    result = read(run, written(tmp_path / "labels.jsonl", records))
    assert set(result.table("agreement").query("detector == 'broad'").label) == {"doubt", "question"}
    assert set(result.table("agreement").query("detector == 'doubt'").label) == {"doubt"}
    assert "doubt,question" in set(result.table("sentences")["labels"])
    with pytest.raises(DataError, match=r"none.* and doubt: `none` and `unsure` stand alone"):
        read(run, written(tmp_path / "x.jsonl", [records[0] | {"labels": ["none", "doubt"]}]), folder="x")


def test_labels_go_on_as_a_detector_that_knows_nothing_of_the_rest(drawn, read, tmp_path):
    run = drawn()
    result = read(run, labelled(run, tmp_path / "labels.jsonl"))
    detector = Annotations(("doubt",), path=str(result.folder / "labels.jsonl"))
    sample = run.table("sample")
    for document in documents():
        spans = list(detector.detect(document))
        own = sample[sample.document == document.id]
        assert sorted(document.text[span.start : span.end] for span in spans) == sorted(
            text for text in own.text if text in DOUBT
        )
        known = [False] * len(document.text)
        for row in own.itertuples():
            known[row.start : row.end] = [True] * (row.end - row.start)
        nearly = [False] * len(document.text)
        for span in detector.near_misses(document):
            nearly[span.start : span.end] = [True] * (span.end - span.start)
        assert not any(map(lambda one, other: one and other, known, nearly))
        in_sentences = [char.strip() and place >= 7 for place, char in enumerate(document.text)]
        assert all(k or n or not s for k, n, s in zip(known, nearly, in_sentences, strict=True))


def as_source(result):
    fields = {"group_field": "group", "id_field": "trace_id", "spans_field": "spans"}
    return Traces(str(result.folder / "labels.jsonl"), "text", **fields)


MEASURES = ["precision", "recall", "f1", "false_omission", "markedness", "stands_for", "sentences"]


def test_labels_go_on_as_a_source_with_what_each_stands_for(drawn, read, tmp_path):
    run = drawn(documents(80), sentences=120)
    unsure = {item["sentence"] for item in to_label(run)[::7]}
    file = labelled(
        run, tmp_path / "x.jsonl", lambda item: "unsure" if item["sentence"] in unsure else truth(item["text"])
    )
    result = read(run, file)
    detected = detect(as_source(result), DETECTORS, labels=("doubt",), folder=tmp_path / "detect", reports=())
    learned = learn(as_source(result), "doubt", DETECTORS, folder=tmp_path / "learn", reports=(), folds=3)
    expected = result.table("agreement").set_index("detector")[MEASURES]
    assert expected.recall["doubt"] < 0.6
    assert (expected.stands_for > 5 * expected.sentences).all()
    for other in (detected, learned):
        table = other.table("agreement").set_index("detector").loc[list(DETECTORS), MEASURES]
        pd.testing.assert_frame_equal(table, expected, check_names=False)
        assert any("are a sample, and stand for" in note for note in other.run["notes"])
        assert not any("are of the sample, and not of the texts" in warning for warning in other.run["warnings"])
    folds = learned.table("folds")
    own = learned.table("agreement").set_index("detector").loc["learned"]
    sentences = learned.table("sentences")
    shown = sentences.weight.where(sentences.present, 0).groupby(sentences.fold).sum()
    assert np.average(folds.recall, weights=shown) == pytest.approx(own.recall)


def test_where_two_differ_the_others_of_a_stratum_stand_for_the_sentence(drawn, read, tmp_path):
    run = drawn()
    wrong = to_label(run)[0]["sentence"]
    first = labelled(run, tmp_path / "ada.jsonl")
    turned = {"doubt": "none", "none": "doubt"}
    other = labelled(
        run,
        tmp_path / "ben.jsonl",
        lambda item: turned[truth(item["text"])] if item["sentence"] == wrong else truth(item["text"]),
    )
    result = read(run, first, other)
    weights = {
        (document.id, span.start): weight
        for document in as_source(result)
        for span, weight in zip(document.annotations, document.annotation_weights, strict=True)
    }
    assert len(weights) == 59
    assert sum(weights.values()) == pytest.approx(run.table("sample").weight.sum())


def test_labels_of_a_sample_without_weights_are_warned_of(drawn, read, tmp_path):
    run = drawn()
    result = read(run, labelled(run, tmp_path / "x.jsonl"))
    records = [json.loads(line) for line in (result.folder / "labels.jsonl").read_text().splitlines()]
    for record in records:
        for span in record["spans"]:
            del span["weight"]
    written(result.folder / "labels.jsonl", records)
    detected = detect(as_source(result), DETECTORS, folder=tmp_path / "detect", reports=())
    learned = learn(as_source(result), "doubt", folder=tmp_path / "learn", reports=(), folds=3)
    for other in (detected, learned):
        [warning] = [each for each in other.run["warnings"] if "only some sentences were labelled" in each]
        assert "are of the sample, and not of the texts; the run of `neurosieve annotate read=...`" in warning


def test_the_commands_that_are_named_next_work_as_they_are_printed(tmp_path, monkeypatch, capsys):
    import shlex

    monkeypatch.chdir(tmp_path)
    source = written(
        tmp_path / "my traces.jsonl",
        [
            {"problem_id": d.id, "generated_cot": d.text, "problem_text": d.group, "completion_start": 7}
            for d in documents(60)
        ],
    )
    main(
        [
            "annotate",
            "source=traces",
            f"source.path='{source}'",
            "detectors=[phrases]",
            "detectors.phrases.phrases=[wait]",
            "labels=[doubt]",
            "sentences=200",
            "hydra.run.dir=drawn",
            "reports=[]",
        ]
    )
    [command] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("next: ")]
    written(
        tmp_path / "labels.jsonl",
        [
            json.loads(line) | {"labels": [truth(json.loads(line)["text"])]}
            for line in (tmp_path / "drawn" / "to_label.jsonl").read_text().splitlines()
        ],
    )
    main([*shlex.split(command.replace("<the labelled file>", "labels.jsonl"))[2:], "hydra.run.dir=read", "reports=[]"])
    printed = capsys.readouterr().out
    commands = [line.partition(": ")[2] for line in printed.splitlines() if ": neurosieve " in line]
    assert len(commands) == 2
    for command in commands:
        main([*shlex.split(command)[1:], "reports=[]"])
        assert "run folder" in capsys.readouterr().out


BAD_SETTINGS = {
    "no detectors": ({"detectors": {}}, "no detector is given: choose at least one"),
    "whole texts": ({"detectors": {"bad": Metadata("label", ("x",))}}, "`bad` labels whole texts, and people label"),
    "a label twice": ({"labels": ("a", "a")}, "`labels` holds `a` twice"),
    "a label that is always there": ({"labels": ("unsure",)}, "`unsure` is given in `labels`, and is always there"),
    "a label with a comma": ({"labels": ("a,b",)}, "`a,b` cannot be a label"),
    "a blank label": ({"labels": (" ",)}, "cannot be a label: it is blank"),
    "a definition of nothing": ({"definitions": {"dubt": "x"}}, "`definitions` defines `dubt`, .*did you mean `doubt`"),
    "no sentences": ({"sentences": 0}, "sentences is 0: give a whole number, at least 1"),
    "a sample without labels": ({"sample": "drawn"}, "`sample` is given, and no labels to read"),
}


@pytest.mark.parametrize(("settings", "said"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_settings_that_make_no_sense_are_refused_and_leave_nothing(drawn, tmp_path, settings, said):
    with pytest.raises(ConfigError, match=said):
        drawn(**settings)
    assert not (tmp_path / "drawn").exists()


def test_texts_without_a_sentence_are_refused(drawn):
    with pytest.raises(DataError, match="no text has a sentence where the detectors look"):
        drawn([Document("a", "only a prompt", "a", 13)])


def test_more_sentences_than_there_are_is_told_and_takes_all(drawn):
    run = drawn(sentences=10_000)
    assert len(run.table("sample")) == 600
    assert set(run.table("sample").weight) == {1.0}
    assert "10,000 sentences are wanted, and the texts have 600: all of them are taken" in run.run["warnings"]


def other_text(items):
    """As the page writes labels of these places in texts that have changed."""
    item = items[0]
    span = {"start": item["start"], "end": item["end"], "label": "doubt", "sentence": "0" * 12}
    return [{"trace_id": item["document"], "spans": [span]}]


BAD_LABELS = {
    "empty": (lambda items: [], "is empty: label at least one sentence"),
    "nothing labelled": (lambda items: items, "holds no label: label at least one sentence"),
    "another label": (
        lambda items: [items[0] | {"labels": ["dubt"]}],
        "`dubt`, which the sample does not have: did you mean",
    ),
    "two labels": (lambda items: [items[0] | {"labels": ["doubt", "unsure"]}], "the sample allows one label"),
    "two opinions": (
        lambda items: [items[0] | {"labels": "doubt"}, items[0] | {"labels": "none"}],
        r"line 2 of .* labels the sentence `\w+` none, and line 1 of .* labels it doubt: keep one",
    ),
    "another sample": (lambda items: [{"sentence": "0", "labels": "doubt"}], "labels no sentence of the sample"),
    "another text": (other_text, "where the sample has another text: the texts have changed"),
    "no name of a sentence": (lambda items: [{"labels": "doubt"}], "names no sentence in `sentence`"),
    "no list": (lambda items: [items[0] | {"labels": 3}], "holds no label, nor a list of labels"),
    "no spans": (lambda items: [{"trace_id": "d1", "spans": 3}], "holds no list of spans"),
    "all unsure": (
        lambda items: [item | {"labels": "unsure"} for item in items],
        "every sentence is labelled `unsure`",
    ),
}


@pytest.mark.parametrize(("made", "said"), BAD_LABELS.values(), ids=BAD_LABELS)
def test_labels_that_make_no_sense_are_refused_and_leave_nothing(drawn, read, tmp_path, made, said):
    run = drawn()
    with pytest.raises(DataError, match=said):
        read(run, written(tmp_path / "labels.jsonl", made(to_label(run))))
    assert not (tmp_path / "read").exists()


def test_labels_of_other_sentences_are_counted(drawn, read, tmp_path):
    run = drawn()
    records = [item | {"labels": [truth(item["text"])]} for item in to_label(run)]
    result = read(run, written(tmp_path / "labels.jsonl", [*records, {"sentence": "0" * 12, "labels": "doubt"}]))
    assert result.run["counts"]["labels_of_other_sentences"] == 1
    assert "the files label 1 sentence that the sample does not have" in " ".join(result.run["warnings"])


def test_a_file_of_another_sample_is_refused_though_it_shares_a_few_sentences(drawn, read, tmp_path):
    run = drawn()
    records = [item | {"labels": [truth(item["text"])]} for item in to_label(run)]
    others = [{"sentence": f"{number:012d}", "labels": "doubt"} for number in range(20)]
    with pytest.raises(DataError, match="labels 21 sentences, and only 1 of them is in the sample"):
        read(run, written(tmp_path / "labels.jsonl", [records[0], *others]))
    assert not (tmp_path / "read").exists()


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_label_of_a_text_that_was_changed_is_refused_with_its_line(drawn, read, tmp_path, suffix):
    run = drawn()
    records = [item | {"labels": truth(item["text"])} for item in to_label(run)]
    records[1]["text"] = records[1]["text"].replace(" i", " never i") + " Or so."
    file = written(tmp_path / "labels.jsonl", records)
    if suffix == "csv":
        file = tmp_path / "labels.csv"
        pd.DataFrame(records).to_csv(file, index=False)
    line = "line 2" if suffix == "jsonl" else "line 3"
    with pytest.raises(DataError, match=f"{line} of .* holds another text of the sentence"):
        read(run, file)


def test_control_characters_are_signs_in_the_table_and_its_labels_are_read_back(drawn, read, tmp_path):
    source = [
        Document(f"d{number}", f"Hmm, \x1b[2J\x07it is {number}.\tIs it\u202e {number}?", f"g{number}")
        for number in range(12)
    ]
    run = drawn(source)
    content = (run.folder / "to_label.csv").read_bytes()
    assert not set(content) & (set(range(32)) - set(b"\t\r\n")), "no control character"
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    file = tmp_path / "labels.csv"
    pd.DataFrame(rows).assign(labels="doubt").to_csv(file, index=False)
    assert read(run, file).run["counts"]["sentences_labelled"] == len(rows)


def test_kappa_of_few_sentences_has_no_interval_and_says_why(drawn, read, tmp_path):
    run = drawn(sentences=20)
    ada = labelled(run, tmp_path / "ada.jsonl")
    ben = labelled(run, tmp_path / "ben.jsonl", lambda item: "doubt" if "Hmm" in item["text"] else "none")
    result = read(run, ada, ben)
    assert np.isfinite(result.table("annotator_pairs")["kappa"]).all()
    assert np.isnan(result.table("annotator_pairs")["kappa_low"]).all()
    assert np.isnan(result.table("annotators")["alpha_high"]).all()
    assert "with fewer than 50, kappa and alpha have no interval" in " ".join(result.run["warnings"])
    lines(result)


def test_few_labels_of_a_stratum_that_holds_most_sentences_are_told(drawn, read, tmp_path):
    run = drawn(sentences=20)
    result = read(run, labelled(run, tmp_path / "labels.jsonl"))
    assert "of all sentences: recall is hardly known" in " ".join(result.run["warnings"])
    run = drawn(sentences=150, folder="more")
    result = read(run, labelled(run, tmp_path / "more.jsonl"), folder="more read")
    assert "hardly known" not in " ".join(result.run["warnings"])


def test_files_that_are_not_of_labels_are_refused_with_what_they_are(drawn, read, tmp_path):
    run = drawn()
    for name, content, said in (
        ("a.jsonl", b"{", "line 1 of .* is not a record in JSON"),
        ("b.jsonl", b"[1]", "line 1 of .* is not a record in JSON"),
        ("c.csv", "sentence,labels\nä,doubt".encode("cp1252"), "is not text in UTF-8"),
        ("d.csv", b"name,labels\na,doubt", "has no column `sentence`"),
        ("e.csv", b'sentence,labels\na,"doubt', "is not a row of a table"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=said):
            read(run, tmp_path / name)
    with pytest.raises(DataError, match="there is no such file: did you mean"):
        read(run, tmp_path / "aa.jsonl")
    with pytest.raises(DataError, match="is a folder"):
        read(run, tmp_path)
    with pytest.raises(DataError, match=r"`read` names .* twice"):
        read(run, tmp_path / "a.jsonl", tmp_path / "a.jsonl")


def test_a_folder_without_a_sample_is_refused(drawn, read, tmp_path):
    path = written(tmp_path / "labels.jsonl", [{"sentence": "a", "labels": "doubt"}])
    run = drawn()
    result = read(run, labelled(run, tmp_path / "all.jsonl"))
    with pytest.raises(DataError, match="holds no sample"):
        read(result, path, folder="x")
    with pytest.raises(ConfigError, match="no sample is given"):
        annotate(read=str(path))
    with pytest.raises(ConfigError, match="`detectors` is given with `read`"):
        annotate(detectors=["backtracking"], read=str(path), sample=str(run.folder))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sentences=0"], "sentences is 0: give a whole number, at least 1"),
        (["detectors=[]"], "no detector is given"),
        (["definitions=x"], "definitions"),  # Where types are checked at every call, their checker says it.
        (["read=[]", "sample=x"], "`read` is empty: give the file"),
        (["sample=x"], "`sample` is given, and no labels to read"),
        (["read=a.jsonl"], "no sample is given: name the run folder"),
        (["read=a.jsonl", "sample=nowhere"], "`nowhere` is not a folder"),
        (["read=a.jsonl", "sample=x", "sentences=3"], "`sentences` is given with `read`"),
        (["read=a.jsonl", "sample=x", "source.path=3"], "`source` is given with `read`"),
    ],
)
def test_mistakes_on_the_command_line_end_in_one_message_and_leave_nothing(
    tmp_path, monkeypatch, capsys, arguments, said
):
    monkeypatch.chdir(tmp_path)
    assert said in message_of(capsys, "annotate", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_awkward_texts_are_drawn_handed_out_and_shown_as_they_are(drawn, read, tmp_path):
    source = [
        Document(f"{number} {MARKUP}", f"{text} So it is. Wait, that is it.", f"g{number}")
        for number, text in enumerate(AWKWARD)
    ]
    run = drawn(
        source,
        sentences=100,
        detectors={MARKUP.replace(",", ""): Phrases(("wait",))},
        labels=(MARKUP,),
        definitions={MARKUP: MARKUP},
    )
    page = (run.folder / "label.html").read_text()
    assert "<script id=planted>" not in page
    assert "<img src=planted" not in page
    assert "\u202e" not in page
    result = read(
        run, labelled(run, tmp_path / "labels.jsonl", lambda item: MARKUP if "Wait" in item["text"] else "none")
    )
    assert result.table("agreement").precision.tolist() == [1]
    assert "doubt" not in lines(result)


def test_settings_take_their_labels_from_the_detectors():
    assert Annotate().label_set(["a", "b"]).labels == ("a", "b")
    assert Annotate(labels=("x",), definitions={"x": "y"}).label_set(["a"]) == (("x",), {"x": "y"}, False)


SHARED = Path(__file__).parents[5] / "shared" / "data" / "thought_anchors" / "labelled_spans.jsonl"


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_file(), reason=f"there are no annotated traces beside it, in {SHARED}")
def test_two_hundred_labels_tell_what_six_thousand_do(tmp_path):
    """`detect` on all of them: precision 0.83 and recall 0.05 of the founding list, 0.49 and 0.60 of `hesitation`."""
    texts = list(Traces(str(SHARED), "text", group_field=None, id_field="trace_id", spans_field="spans"))
    annotated = {each.id: each.annotations for each in texts}
    estimates = []
    for seed in range(20):
        folder = tmp_path / str(seed)
        run = annotate(
            texts,
            ["backtracking", "hesitation"],
            labels=("uncertainty",),
            seed=seed,
            reports=(),
            folder=folder / "drawn",
        )
        records = [
            {"sentence": row.sentence, "labels": "uncertainty" if uncertain(annotated[row.document], row) else "none"}
            for row in run.table("sample").itertuples()
        ]
        file = written(tmp_path / "labels.jsonl", records)
        result = annotate(read=str(file), sample=run.folder, reports=(), folder=folder / "read")
        estimates.append(result.table("agreement")[["precision", "recall"]].to_numpy())
    assert np.allclose(np.mean(estimates, axis=0), [[0.83, 0.05], [0.49, 0.60]], atol=0.02)
    spread = np.std(estimates, axis=0)
    assert spread[0].max() < 0.02, "all 42 sentences that the founding list finds are in every sample"
    assert spread[1].max() < 0.13


def uncertain(spans, sentence):
    """Whether most of a sentence was labelled as uncertain; annotators cut a few sentences in another way."""
    shared = {
        span.label: min(span.end, sentence.end) - max(span.start, sentence.start)
        for span in spans
        if span.start < sentence.end and sentence.start < span.end
    }
    return shared.get("uncertainty_management", 0) > (sentence.end - sentence.start) / 2
