"""The null beside a whole run: what it says, and what is said where there is none."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from planted import cued_texts, plant, texts

from neurosieve import ConfigError, Control, DataError, Document, Scorer, Scores, find
from neurosieve.models.tiny import tiny_model
from neurosieve.scoring.moments import Moments
from neurosieve.texts.selection import Selection
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.mean_difference import MeanDifference

PLANTED = {(0, 3), (1, 17)}
ALL = Selection(held_out_fraction=0.0)


@dataclass(frozen=True)
class Elsewhere(Control):
    """Positions of documents without the behaviour alone."""

    def choose(self, document, present, count, rng):
        return [] if present.here else np.flatnonzero(document.usable)[:count].tolist()


@dataclass(frozen=True)
class SomeAlone(Scorer):
    """The difference of means of the neurons that `known` says, and of no other."""

    known: int = 5

    @property
    def statistic(self):
        return Moments()

    def compute(self, state):
        value = MeanDifference().compute(state).value
        return Scores(value.where(torch.arange(value.shape[1]) < self.known, torch.nan))


@pytest.fixture
def run(tmp_path):
    def go(name="run", **changed):
        model, tokenizer = tiny_model()
        plant(model, tokenizer, PLANTED)
        settings = {"source": texts(), "detectors": {"slip": Annotations()}, "scorers": {"auc": Auc()}} | changed
        places = {"folder": tmp_path / name, "store": str(tmp_path / "store")}
        few = {"permutations": 99, "interval_bootstraps": 50, "stability_bootstraps": 0}
        return find(model, tokenizer=tokenizer, **places, **few | settings)

    return go


def test_planted_neurons_pass_the_null_of_the_whole_model_and_few_others_do(run):
    result = run()
    assert len(PLANTED) <= (result.neurons.p_fwer <= 0.05).sum() < 20
    assert (result.top(len(PLANTED)).p_fwer == 0.01).all()
    null = result.run["null"]["slip"]
    assert null["permutations"] == 99
    assert 0 < null["null_max_median"] < null["null_max_q95"] < 0.5
    assert null["p_fwer_05"] == (result.neurons.p_fwer <= 0.05).sum()


@pytest.mark.parametrize(
    "changed",
    [
        {"control": Elsewhere()},
        {"source": texts(4), "selection": Selection(held_out_fraction=0.0, controls_per_position=2.0)},
    ],
    ids=["the behaviour nowhere beside a control", "two documents with a behaviour beside two controls each"],
)
def test_too_few_documents_to_permute_have_no_p_and_it_is_said(run, changed):
    result = run(**changed)
    assert result.neurons[["p", "p_fwer", "q_fdr"]].isna().all(axis=None)
    assert result.run["null"] == {}
    assert any("too few documents to permute" in one and "p is nan" in one for one in result.run["warnings"])


@pytest.mark.parametrize(
    "selection", [Selection(at="context"), Selection(at="window", offsets=(0, 1))], ids=["context", "window"]
)
def test_neighbouring_tokens_are_not_permuted_and_it_is_said(run, selection):
    result = run(selection=selection)
    assert result.neurons[["p", "p_fwer", "q_fdr"]].isna().all(axis=None)
    [said] = [one for one in result.run["warnings"] if "neighbouring tokens" in one]
    assert "read `selection=onset` for p" in said


def test_whole_problems_are_flipped_whatever_is_read_of_them(run):
    result = run(
        selection=Selection(at="context"), scorers=["auc_within_token"], source=cued_texts(), within_token_scorer=None
    )
    assert result.neurons.p.notna().any()
    assert not any("neighbouring" in one for one in result.run["warnings"])


def test_too_few_problems_to_flip_have_no_p_and_it_is_said(run):
    result = run(source=cued_texts(5), scorers=["auc_within_token"], selection=ALL)
    assert result.neurons[["p", "p_fwer", "q_fdr"]].isna().all(axis=None)
    assert any("too few groups to flip" in one for one in result.run["warnings"])


def test_one_document_is_permuted_within_itself(run):
    shown = [one for one in texts(20) if one.annotations]
    starts = np.cumsum([0, *(len(one.text) for one in shown[:-1])])
    spans = [
        span._replace(start=span.start + int(start), end=span.end + int(start))
        for start, one in zip(starts, shown, strict=True)
        for span in one.annotations
    ]
    whole = Document("whole", "".join(one.text for one in shown), "problem", 0, tuple(spans))
    result = run(source=[whole], selection=ALL)
    assert set(zip(result.top(2).layer, result.top(2).neuron, strict=True)) == PLANTED
    assert (result.top(2).p_fwer == 0.01).all()
    assert result.neurons[["replicates", "verdict"]].isna().all(axis=None)
    with pytest.raises(DataError, match="shows in 1 group, too few to hold out"):
        run("split", source=[whole])


def test_neurons_without_a_score_have_no_p_and_that_most_have_none_is_said(run):
    result = run(scorers={"some": SomeAlone()}, test_top=384)
    known = result.neurons[result.neurons.neuron < 5]
    assert known[["some", "p", "p_fwer", "q_fdr"]].notna().all(axis=None)
    others = result.neurons[result.neurons.neuron >= 5]
    assert others[["some", "p", "p_fwer", "q_fdr", "replicates"]].isna().all(axis=None)
    assert others["rank"].min() > known["rank"].max()
    assert "`some` is undefined for 369 of 384 neurons of `slip`" in " ".join(result.run["warnings"])


def test_where_no_neuron_has_a_score_there_is_no_null(run):
    result = run(scorers={"none": SomeAlone(0)})
    assert result.neurons[["p", "p_fwer", "q_fdr"]].isna().all(axis=None)
    assert result.run["null"] == {}
    assert "no neuron of `slip` has a score" in " ".join(result.run["warnings"])


def test_no_permutations_are_no_null_and_it_is_said(run):
    result = run(permutations=0)
    assert not {"p", "p_fwer", "q_fdr"} & set(result.neurons)
    assert result.run["null"] == {}
    assert any("no null was requested" in one for one in result.run["warnings"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"permutations": -1}, "permutations is -1: give a whole number, at least 0"),
        ({"permutations": 18}, "permutations is 18: no p could be as small as 0.05; give at least 19, or 0"),
        ({"confidence": 1.2}, "confidence is 1.2: give a number, above 0 and below 1"),
        ({"confidence": 0.0}, "confidence is 0.0: give a number, above 0 and below 1"),
    ],
)
def test_what_cannot_be_is_refused(run, asked, said):
    with pytest.raises(ConfigError, match=said):
        run(**asked)


def test_a_greater_confidence_gives_wider_intervals(run):
    low, high = (run(str(asked), confidence=asked).neurons for asked in (0.8, 0.99))
    tested = low.replicates.notna() & (low.auc_heldout < 1) & (low.auc_heldout > 0)
    widths = [
        one.auc_minus_neutral_heldout_high[tested] - one.auc_minus_neutral_heldout_low[tested] for one in (low, high)
    ]
    assert tested.sum() > 10
    assert (widths[1] > widths[0]).all()
