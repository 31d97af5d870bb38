"""Detectors beside each other, and beside annotators: kappa, alpha, and sentences on which they differ."""

import io
import re
from pathlib import Path

import krippendorff
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from sklearn.metrics import cohen_kappa_score

from neurosieve import Detector, Document, Run, Span, detect
from neurosieve.detection.agreement.raters import Raters, sentences_of, texts_of
from neurosieve.detection.agreement.reliability import pairs_table, reliability_table
from neurosieve.evidence.intervals import percentile_interval, resample_weights
from neurosieve.terminal.finished_run import show_run
from neurosieve_plugins.detectors.metadata import Metadata
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.sources.traces import Traces

SHARED = Path(__file__).parents[5] / "shared" / "data" / "thought_anchors" / "labelled_spans.jsonl"
NAMES = ("a", "b", "c")
DRAWS = 25


@st.composite
def rated(draw):
    """Raters of some sentences, each of which a rater marks, does not mark, or does not know of."""
    size = draw(st.integers(1, 40))
    says = draw(
        st.lists(st.lists(st.sampled_from((0, 1, 1, None)), min_size=size, max_size=size), min_size=3, max_size=3)
    )
    weights = draw(st.lists(st.integers(1, 4), min_size=size, max_size=size))
    groups = draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    sentences = pd.DataFrame({"document": "d", "group": [f"g{each}" for each in groups], "start": 0, "end": 1})
    marks = {name: np.array([each == 1 for each in says[place]]) for place, name in enumerate(NAMES)}
    known = {name: np.array([each is not None for each in says[place]]) for place, name in enumerate(NAMES)}
    return Raters(sentences.assign(weight=np.array(weights, dtype=float)), marks, known, (), "sentences")


def repeats(raters):
    """How often each sentence counts as it is, and in each resample of the groups."""
    codes, groups = pd.factorize(raters.sentences["group"])
    once = raters.sentences["weight"].to_numpy().astype(int)
    return once, [once * draw[codes] for draw in resample_weights(len(groups), DRAWS, 0)]


def kappa_elsewhere(raters, first, second, times):
    known = raters.known[first] & raters.known[second]
    marks = [np.repeat(raters.marks[name][known], times[known]) for name in (first, second)]
    if len({*marks[0], *marks[1]}) < 2:
        return np.nan
    return cohen_kappa_score(*marks)


def alpha_elsewhere(raters, times):
    values = np.array([np.where(raters.known[name], raters.marks[name], np.nan) for name in NAMES])
    values = np.repeat(values, times, axis=1)
    pairable = values[:, np.isfinite(values).sum(axis=0) >= 2]
    if len(np.unique(pairable[np.isfinite(pairable)])) < 2:
        return np.nan
    return krippendorff.alpha(values, value_domain=[0.0, 1.0], level_of_measurement="nominal")


@given(rated())
@settings(deadline=None, max_examples=30)
def test_kappa_and_its_interval_are_those_of_scikit_learn(raters):
    once, resampled = repeats(raters)
    for row in pairs_table(raters, DRAWS, 0, 1).to_dict("records"):
        pair = row["first"], row["second"]
        expected = [kappa_elsewhere(raters, *pair, times) for times in (once, *resampled)]
        assert row["kappa"] == pytest.approx(expected[0], abs=1e-6, nan_ok=True)
        ends = percentile_interval(np.array(expected[1:]))
        np.testing.assert_allclose([row["kappa_low"], row["kappa_high"]], ends, atol=1e-6)


@given(rated())
@settings(deadline=None, max_examples=30)
def test_alpha_and_its_interval_are_those_of_the_package_krippendorff(raters):
    once, resampled = repeats(raters)
    [row] = reliability_table(raters, DRAWS, 0, 1).to_dict("records")
    expected = [alpha_elsewhere(raters, times) for times in (once, *resampled)]
    assert row["alpha"] == pytest.approx(expected[0], abs=1e-6, nan_ok=True)
    np.testing.assert_allclose(
        [row["alpha_low"], row["alpha_high"]], percentile_interval(np.array(expected[1:])), atol=1e-6
    )
    assert (row["raters"], row["number"]) == ("a, b, c", 3)


@given(rated(), st.floats(0.1, 9))
def test_kappa_does_not_depend_on_the_scale_of_the_weights(raters, scale):
    scaled = raters.sentences.assign(weight=raters.sentences.weight * scale)
    tables = [
        pairs_table(Raters(each, raters.marks, raters.known, (), "sentences"), DRAWS, 0, 1)
        for each in (raters.sentences, scaled)
    ]
    pd.testing.assert_frame_equal(*(table.drop(columns="stands_for") for table in tables))
    np.testing.assert_allclose(tables[0].stands_for * scale, tables[1].stands_for)


def test_the_counts_of_a_pair_are_of_sentences_as_they_are():
    sentences = pd.DataFrame({"document": "d", "group": "g", "start": 0, "end": 1, "weight": [5.0] * 6}, index=range(6))
    marks = {"a": np.array([1, 1, 1, 0, 0, 0], bool), "b": np.array([1, 0, 0, 1, 0, 1], bool)}
    known = {"a": np.ones(6, bool), "b": np.array([1, 1, 1, 1, 0, 1], bool)}
    [row] = pairs_table(Raters(sentences, marks, known, (), "sentences"), 10, 0, 2).to_dict("records")
    counts = ("both", "only_first", "only_second", "neither", "sentences", "not_known", "stands_for")
    assert [row[name] for name in counts] == [1, 2, 2, 0, 5, 1, 25]
    assert np.isnan([row["kappa_low"], row["kappa_high"]]).all()  # One group.


def test_groups_without_a_sentence_that_both_know_give_no_interval():
    sentences = pd.DataFrame({"document": "d", "group": list("aabbccdd"), "start": 0, "end": 1})
    marks = {"a": np.tile([True, False], 4), "b": np.tile([True, True, False, False], 2)}
    known = {"a": np.ones(8, bool), "b": np.arange(8) < 6}
    for needed, none in ((3, False), (4, True)):
        raters = Raters(sentences, marks, known, (), "sentences")
        assert pairs_table(raters, DRAWS, 0, needed).kappa_low.isna().tolist() == [none]
        assert reliability_table(raters, DRAWS, 0, needed).alpha_low.isna().tolist() == [none]


TEXTS = [
    Document("a", "Wait, that is wrong. Hmm, so it is seven. All is well here.", "a"),
    Document("b", "Hmm, wait a little. We add two numbers now.", "b"),
]
WAIT, HMM = Phrases(("wait",)), Phrases(("hmm",))


def annotated():
    """The texts, with each sentence annotated: the first of each as doubt."""
    for text in TEXTS:
        bounds = sentences_of([text], "completion")[["start", "end"]].to_numpy().tolist()
        spans = [Span(*ends, "work" if place else "doubt") for place, ends in enumerate(bounds)]
        yield Document(text.id, text.text, text.group, annotations=tuple(spans))


@pytest.fixture
def go(tmp_path):
    def go(source=TEXTS, detectors=None, **chosen) -> Run:
        detectors = detectors or {"wait": WAIT, "hmm": HMM}
        return detect(source, detectors, folder=tmp_path / "run", reports=(), **chosen)

    return go


def printed(run: Run) -> str:
    out = Console(file=io.StringIO(), width=200)
    show_run(run, out)
    return out.file.getvalue()


def test_detectors_are_compared_over_the_sentences_of_texts_that_nobody_annotated(go):
    run = go()
    [row] = run.table("rater_pairs").to_dict("records")
    assert [row[name] for name in ("first", "second", "over")] == ["wait", "hmm", "sentences"]
    assert [row[name] for name in ("both", "only_first", "only_second", "neither")] == [1, 1, 1, 2]
    assert "`wait`, `hmm` are compared with each other over 5 sentences of 2 documents" in run.run["notes"]
    assert any("no interval of how far detectors agree" in warning for warning in run.run["warnings"])


def test_annotators_are_raters_by_the_labels_that_are_asked_for(go):
    table = go(list(annotated()), labels=("doubt",)).table("rater_pairs")
    pairs = [tuple(pair) for pair in table[["first", "second"]].to_numpy()]
    assert pairs == [("wait", "hmm"), ("wait", "annotators: doubt"), ("hmm", "annotators: doubt")]
    cells = table[["both", "only_first", "only_second", "neither"]].to_numpy().tolist()
    assert cells == [[1, 1, 1, 2], [2, 0, 0, 3], [1, 1, 1, 2]]
    assert table.over.unique().tolist() == ["annotated sentences"]
    assert table.kappa.tolist()[1] == 1


def test_with_several_labels_and_none_asked_for_annotators_are_no_raters_and_that_is_said(go):
    run = go(list(annotated()))
    assert len(run.table("rater_pairs")) == len(run.table("reliability")) == 1
    assert any("name the label that they look for, as in `labels=[work]`" in note for note in run.run["notes"])


def test_one_detector_is_compared_with_annotators(go):
    run = go(list(annotated()), {"wait": WAIT}, labels=("doubt",))
    assert run.table("reliability").raters.tolist() == ["wait, annotators: doubt"]
    assert "rater_pairs" not in go_again(run, {"wait": WAIT}).tables


def go_again(run, detectors):
    return detect(TEXTS, detectors, folder=run.folder.parent / "again", reports=())


def test_alpha_is_of_all_detectors_and_with_each_label(go):
    table = go(list(annotated()), labels=("doubt", "work")).table("reliability")
    expected = ["wait, hmm", "wait, hmm, annotators: doubt", "wait, hmm, annotators: work"]
    assert (table.raters.tolist(), table.number.tolist()) == (expected, [2, 3, 3])


class Unsure(Detector):
    """Finds `hmm`, and does not know of sentences with `wrong`."""

    def detect(self, document):
        return HMM.detect(document)

    def near_misses(self, document):
        return [Span(*match.span(), "wrong") for match in re.finditer("wrong", document.text)]


def test_what_a_detector_does_not_know_is_a_missing_value(go):
    run = go(detectors={"wait": WAIT, "unsure": Unsure()})
    [row] = run.table("rater_pairs").to_dict("records")
    assert (row["only_first"], row["sentences"], row["not_known"]) == (0, 4, 1)
    assert run.table("reliability").sentences.tolist() == [4]


def test_detectors_of_whole_texts_are_compared_over_texts(go):
    grades = [{"x": 1, "y": 1}, {"x": 1, "y": 0}, {"x": 0, "y": 0}, {"y": 1}]
    texts = [Document(f"d{n}", "One. And two.", f"g{n}", metadata=grade) for n, grade in enumerate(grades)]
    detectors = {name: Metadata(field=name, values=(1,)) for name in "xy"}
    [row] = go(texts, {**detectors, "wait": WAIT}).table("rater_pairs").to_dict("records")
    assert (row["first"], row["second"], row["over"]) == ("x", "y", "whole texts")
    assert [row[name] for name in ("both", "only_first", "only_second", "neither", "not_known")] == [1, 1, 0, 1, 1]


def test_detectors_that_look_in_different_places_are_not_compared(go):
    assert "rater_pairs" not in go(detectors={"wait": WAIT, "asked": Phrases(("hmm",), scope="prompt")}).tables


def test_a_text_without_words_in_the_scope_is_none_to_compare():
    texts = [Document("a", "  ", "a"), Document("b", "So. <think>", "b", 5)]
    assert texts_of(texts, "completion").document.tolist() == ["b"]
    assert sentences_of([texts[0]], "completion").empty


def test_disagreements_are_the_sentences_that_one_of_a_pair_marks(go):
    run = go(around=4)
    table = run.table("disagreements")
    assert table.text.tolist() == ["Wait, that is wrong.", "Hmm, so it is seven."]
    assert table.marked_by.tolist() == ["wait", "hmm"]
    assert table.not_marked_by.tolist() == ["hmm", "wait"]
    assert (table.before[1], table.after[0]) == ("ng. ", " Hmm")
    shown = printed(run)
    assert "wait and hmm differ: all 2 sentences" in shown
    assert "Cohen's kappa of any two, over sentences" in shown
    assert "differ" not in printed(go_without_contexts(run))


def go_without_contexts(run):
    return detect(TEXTS, {"wait": WAIT, "hmm": HMM}, folder=run.folder.parent / "none", reports=(), contexts=0)


def test_of_very_many_disagreements_some_of_each_side_are_kept(go):
    texts = [
        Document(f"{word}{n:03}", f"{word}, this is {n}.", f"g{n % 20}") for word in ("Wait", "Hmm") for n in range(150)
    ]
    run = go(texts, contexts=7)
    table = run.table("disagreements")
    assert table.marked_by.value_counts().to_dict() == {"wait": 100, "hmm": 100}
    assert table.document.is_unique
    assert "wait and hmm differ: 7 of 300 sentences" in printed(run)
    assert not run.run["warnings"]


def test_of_very_many_pairs_the_disagreements_of_some_are_printed(go):
    words = ("wait", "hmm", "well", "so", "now")
    texts = [Document(f"d{n}", f"{words[n % 5]}, this is it.", f"g{n}") for n in range(20)]
    shown = printed(go(texts, {word: Phrases((word,)) for word in words}))
    assert shown.count(" differ: ") == 6
    assert "disagreements of 4 further pairs of raters are in the table `disagreements`" in shown


def test_of_very_many_texts_some_are_drawn_to_compare_detectors_and_that_is_said(go, monkeypatch):
    monkeypatch.setattr("neurosieve.detection.agreement.raters._MOST", 30)
    run = go([Document(f"d{n:02}", "Wait, this is it.", f"g{n}") for n in range(50)])
    [note] = run.run["notes"]
    assert note.endswith("over 30 sentences of 30 of 50 documents, drawn at random")
    assert run.table("rater_pairs").only_first.tolist() == [30]
    first, last = run.table("disagreements").document.iloc[[0, -1]]
    assert (first < "d20", last > "d30") == (True, True)


def test_text_of_disagreements_is_no_markup_and_no_command_to_the_terminal(go):
    text = "[bold]Wait[/] \x1b[31m\u202e [/nothing] so it is."
    shown = printed(go([Document("[red]", text, "g")]))
    assert "[bold]Wait[/] ␛[31m" in shown
    assert not {"\x1b", "\u202e"} & set(shown)


@pytest.mark.skipif(not SHARED.is_file(), reason="there are no annotated traces beside it")
def test_founding_phrases_and_annotators_differ_as_published_recall_says(go):
    source = Traces(str(SHARED), "text", group_field=None, id_field="trace_id", spans_field="spans")
    run = go(source, ["backtracking", "hesitation"], labels=("uncertainty_management",))
    table = run.table("rater_pairs").set_index(["first", "second"])
    row = table.loc[("backtracking", "annotators: uncertainty_management")]
    assert row.both + row.only_second == 672
    assert row.kappa_low < row.kappa < row.kappa_high < 0.2


def test_texts_without_a_word_are_not_compared(go):
    assert "rater_pairs" not in go([Document("a", "  ", "a"), Document("b", "", "b")]).tables
