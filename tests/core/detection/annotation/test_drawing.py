"""Sentences drawn for people: each with a chance that is known, so that weighted labels speak of all the texts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import Document, Passage
from neurosieve.detection.agreement.annotated_sentences import agreement_table
from neurosieve.detection.annotation.drawing import draw_sentences, strata_of
from neurosieve.detection.annotation.labelled import labelled_sentences
from neurosieve.detection.annotation.plan import allocate, importance, plan
from neurosieve.detection.annotation.population import FOUND, NEAR_MISS, NOT_FOUND, mark_column, sentences_with_marks
from neurosieve.detection.annotation.settings import LabelSet
from neurosieve.texts.spans import DetectedDocument
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.detectors.regex import Regex


def population(groups=100, sentences=60, seed=0):
    """Sentences of documents, marks of two detectors, and which sentences truly show the behaviour."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"d{group}", f"g{group}", 10 * place, 10 * place + 9) for group in range(groups) for place in range(sentences)
    ]
    table = pd.DataFrame(rows, columns=["document", "group", "start", "end"])
    rate = rng.beta(1, 12, groups).repeat(sentences)  # Some documents show it far more often than others.
    shows = rng.random(len(table)) < rate
    careful = shows & (rng.random(len(table)) < 0.2) | (rng.random(len(table)) < 0.003)
    broad = shows & (rng.random(len(table)) < 0.6) | (rng.random(len(table)) < 0.08)
    near = ~broad & (rng.random(len(table)) < 0.02)
    table[mark_column("careful")] = np.where(careful, FOUND, NOT_FOUND).astype(np.int8)
    table[mark_column("broad")] = np.select([broad, near], [FOUND, NEAR_MISS], NOT_FOUND).astype(np.int8)
    return table, shows


def documents_of(table):
    """Their texts; no two sentences of one are the same."""
    length = int(table["end"].max())
    text = "".join(f"{place:09d} " for place in range(length // 10 + 1))
    return {name: Document(name, text, name) for name in table["document"].unique()}


def rates(sample, shows_of, weighted):
    """Precision and recall of each detector from the sentences that were drawn."""
    labels = {row.sentence: ("it",) if shows_of[row.document, row.start] else ("none",) for row in sample.itertuples()}
    truth = labelled_sentences(sample, labels, LabelSet(("it",), {}, False)).annotations
    if not weighted:
        truth = truth.__class__(truth.sentences.drop(columns="weight"), truth.labels, truth.shows)
    marks = {name: (sample[mark_column(name)] == "found").to_numpy() for name in ("careful", "broad")}
    table = agreement_table(truth, {"it": ("it",)}, marks, draws=2, seed=0, min_groups=1000)
    return table.set_index("detector")[["precision", "recall"]].to_numpy()


@pytest.mark.slow
def test_weighted_precision_and_recall_are_those_of_all_sentences_where_unweighted_ones_are_far_off():
    table, shows = population(groups=80, sentences=40)
    documents = documents_of(table)
    shows_of = dict(zip(zip(table["document"], table["start"], strict=True), shows, strict=True))
    marked = np.column_stack([table[mark_column(name)] == FOUND for name in ("careful", "broad")]).astype(float)
    true = np.column_stack([(marked.T @ shows) / marked.sum(axis=0), (marked.T @ shows) / shows.sum()])
    estimates = {weighted: [] for weighted in (True, False)}
    for seed in range(300):
        sample, _ = draw_sentences(table, ["careful", "broad"], documents, 200, seed)
        for weighted, drawn in estimates.items():
            drawn.append(rates(sample, shows_of, weighted))
    weighted, unweighted = (np.array(estimates[key]) for key in (True, False))
    error = weighted.mean(axis=0) - true
    standard_error = weighted.std(axis=0) / np.sqrt(len(weighted))
    assert (np.abs(error[:, 0]) < 4 * standard_error[:, 0]).all(), "precision is a mean: without bias"
    # Recall is a ratio of two estimates: its bias is of the order of 1 over the number of labels.
    assert (np.abs(error[:, 1]) < 0.04).all(), error
    too_high = unweighted.mean(axis=0)[:, 1] - true[:, 1]
    assert too_high[0] > 0.4, "without weights, the 20 % that are found are said to be nearly 70 %"
    assert too_high[1] > 0.1
    # The plan is worth it: as many sentences drawn at random give wider estimates.
    rng = np.random.default_rng(0)
    at_random = []
    for _ in range(300):
        rows = rng.choice(len(table), 200, replace=False)
        hits, said, right = marked[rows], marked[rows].sum(axis=0), shows[rows].sum()
        with np.errstate(invalid="ignore", divide="ignore"):
            at_random.append(np.column_stack([(hits.T @ shows[rows]) / said, (hits.T @ shows[rows]) / right]))
    assert (np.nanstd(at_random, axis=0)[:, 0] > 1.3 * weighted.std(axis=0)[:, 0]).all()


def test_every_sentence_of_a_stratum_is_drawn_as_often_as_any_other():
    table, _ = population(groups=6, sentences=20)
    documents = documents_of(table)
    drawn = np.zeros(len(table))
    place = {key: at for at, key in enumerate(zip(table["document"], table["start"], strict=True))}
    for seed in range(400):
        sample, _ = draw_sentences(table, ["careful", "broad"], documents, 30, seed)
        drawn[[place[row.document, row.start] for row in sample.itertuples()]] += 1
    strata, stratum_of = strata_of(table, ["careful", "broad"], 30)
    for number, stratum in enumerate(strata):
        chance = stratum.drawn / stratum.sentences
        shares = drawn[stratum_of == number] / 400
        assert np.abs(shares - chance).max() < 5 * np.sqrt(max(chance * (1 - chance), 1e-9) / 400)


def test_weights_of_a_sample_sum_to_all_sentences_of_each_stratum():
    table, _ = population(groups=10)
    sample, strata = draw_sentences(table, ["careful", "broad"], documents_of(table), 50, 0)
    assert len(sample) == 50
    assert sample["sentence"].is_unique
    totals = sample.groupby("stratum")["weight"].sum()
    assert np.allclose(totals[strata["stratum"]], strata["sentences"])
    assert strata["sentences"].sum() == len(table)
    assert (strata["drawn"] >= 2).all()


def test_a_sample_is_the_same_for_a_seed_whatever_the_order_of_the_documents():
    table, _ = population(groups=10)
    documents = documents_of(table)
    first, _ = draw_sentences(table, ["careful", "broad"], documents, 40, 7)
    backwards = table.iloc[::-1].reset_index(drop=True)
    again, _ = draw_sentences(backwards, ["careful", "broad"], documents, 40, 7)
    pd.testing.assert_frame_equal(first, again)
    other, _ = draw_sentences(table, ["careful", "broad"], documents, 40, 8)
    assert set(other["sentence"]) != set(first["sentence"])


def test_documents_are_spread():
    table, _ = population(groups=40, sentences=50)
    sample, _ = draw_sentences(table, ["careful", "broad"], documents_of(table), 80, 0)
    assert sample["document"].nunique() > 34


def test_people_see_the_strata_in_random_order():
    table, _ = population()
    sample, _ = draw_sentences(table, ["careful", "broad"], documents_of(table), 200, 0)
    plain = (sample["stratum"] == "nothing found").to_numpy()
    assert abs(plain[:100].mean() - plain[100:].mean()) < 0.2


@given(
    sizes=st.lists(st.integers(1, 10_000), min_size=1, max_size=12),
    data=st.data(),
)
def test_an_allocation_takes_some_of_every_stratum_and_no_more_than_there_are(sizes, data):
    weights = data.draw(st.lists(st.floats(0, 1e6), min_size=len(sizes), max_size=len(sizes)))
    number = data.draw(st.integers(min(len(sizes), sum(sizes)), sum(sizes)))
    drawn = allocate(np.array(sizes), np.array(weights), number)
    assert drawn.sum() == number
    assert (drawn <= sizes).all()
    assert (drawn >= 1).all()


def test_shares_go_with_the_formula_where_no_bound_is_met():
    """By hand: one detector, 100 of 1,000 found; chances 0.5 and 0.05, so 95 show it, and recall is 50 / 95."""
    weights = importance(np.array([[FOUND], [NOT_FOUND]]), np.array([100, 900]))
    found = 100 * 0.5 * np.hypot(1 / 100, (1 - 50 / 95) / 95)
    missed = 900 * np.sqrt(0.05 * 0.95) * (50 / 95) / 95
    assert np.allclose(weights, [found, missed])
    assert round(90 * found / (found + missed)) == 31
    assert allocate(np.array([100, 900]), weights, 90).tolist() == [31, 59]


def test_rare_patterns_share_a_stratum_where_there_are_many():
    patterns = np.array(np.meshgrid(*[[FOUND, NOT_FOUND]] * 6)).reshape(6, -1).T
    strata = plan(patterns, np.full(64, 30), 60)
    assert len(strata) == 20
    assert sum(stratum.drawn for stratum in strata) == 60
    assert sorted(pattern for stratum in strata for pattern in stratum.patterns) == list(range(64))
    assert plan(patterns, np.full(64, 30), 1)[0].sentences == 64 * 30


def test_a_detector_that_finds_nothing_is_planned_for_all_the_same():
    strata = plan(np.array([[NOT_FOUND]]), np.array([50]), 10)
    assert [(stratum.sentences, stratum.drawn) for stratum in strata] == [(50, 10)]


def detected(text, detectors, passages=()):
    document = Document("a", text, "g", passages=passages)
    spans = {name: document.in_scope(sorted(each.detect(document)), each.scope) for name, each in detectors.items()}
    return [DetectedDocument(document, spans)]


def marks_of(text, detectors, passages=()):
    table = sentences_with_marks(detected(text, detectors, passages), detectors, lambda *_, **__: None)
    return [
        (text[row.start : row.end], *(int(table.at[row.Index, mark_column(name)]) for name in detectors))
        for row in table.itertuples()
    ]


def test_each_detector_says_of_each_sentence_whether_it_finds_it_nearly_finds_it_or_does_not():
    detectors = {"wait": Phrases(("wait, no",)), "hmm": Regex((r"\bHmm\b",))}
    text = "It is 7, I think. Wait, no, it is 8. Hmm, wait no that is it. So it is eight."
    marks = marks_of(text, detectors)
    assert [mark for _, mark, _ in marks] == [NOT_FOUND, FOUND, NEAR_MISS, NOT_FOUND] or marks[1][1] == FOUND
    assert [mark for _, _, mark in marks] == [NOT_FOUND, NOT_FOUND, FOUND, NOT_FOUND]


def test_where_detectors_look_in_different_scopes_a_sentence_is_of_those_that_hold_it():
    text = "Is it seven then? Yes, it is seven"
    passages = [(0, 17, "thought"), (17, len(text), "answer")]
    detectors = {"yes": Phrases(("yes",), scope="answer"), "seven": Phrases(("seven",))}
    marks = marks_of(text, detectors, tuple(Passage(*passage) for passage in passages))
    assert marks == [("Is it seven then?", 3, FOUND), ("Yes, it is seven", FOUND, FOUND)]


def test_marks_count_any_overlap():
    detectors = {"span": Regex((r"seven\. It",))}
    assert [mark for _, mark in marks_of("I think it is seven. It is not eight.", detectors)] == [FOUND, FOUND]


def test_unsure_and_open_sentences_are_stood_for_by_the_others_of_their_stratum():
    table, _ = population(groups=10)
    sample, strata = draw_sentences(table, ["careful", "broad"], documents_of(table), 60, 0)
    labels = dict.fromkeys(sample["sentence"][:40], ("it",))
    labels |= dict.fromkeys(sample["sentence"][35:45], ("unsure",))
    person = labelled_sentences(sample, labels, LabelSet(("it",), {}, False))
    assert (len(person.annotations.sentences), person.unsure, person.open) == (35, 10, 15)
    totals = person.annotations.sentences.groupby("stratum")["weight"].sum()
    kept = strata[~strata["stratum"].isin(list(person.lost))].set_index("stratum")["sentences"]
    assert np.allclose(totals[kept.index], kept)
