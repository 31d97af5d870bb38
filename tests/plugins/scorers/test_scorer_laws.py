"""What holds of every bundled scorer, beyond the contract (tests/plugins/test_every_plugin_keeps_its_contract.py)."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosieve_plugins import register_scorers
from neurosieve_plugins.scorers import auc_binned, logistic_probe, mutual_information, ordering
from neurosieve_plugins.scorers.k_sparse import KSparse
from neurosieve_plugins.scorers.sparse_probe import SparseProbe

SMALL = {"k_sparse": KSparse(ks=(1, 2, 4), folds=2), "sparse_probe": SparseProbe(Cs=(0.3, 1.0), folds=2, bootstraps=3)}
EVERY = {name: SMALL.get(name) or cls() for name, cls in register_scorers().items()}
QUICK = [scorer for name, scorer in EVERY.items() if name not in SMALL]

every_scorer = pytest.mark.parametrize("scorer", EVERY.values(), ids=EVERY)
quick_scorer = pytest.mark.parametrize("scorer", QUICK, ids=lambda scorer: type(scorer).__name__)


def columns(scores):
    return {"value": scores.value, **scores.details}


def assert_same(left, right, rtol=1e-7, atol=1e-9):
    assert columns(left).keys() == columns(right).keys()
    for name, column in columns(left).items():
        torch.testing.assert_close(column, columns(right)[name], rtol=rtol, atol=atol, equal_nan=True)


def test_only_probes_of_several_neurons_are_joint():
    assert {name for name, scorer in EVERY.items() if scorer.joint} == SMALL.keys()


@every_scorer
def test_scores_are_float64_for_each_behaviour_and_neuron(scorer, score, data):
    activations, labels = data()
    scores = score(scorer, activations, torch.stack([labels, 1 - labels.abs()], dim=1))
    for column in columns(scores).values():
        assert column.shape == (2, 8)
        assert column.dtype == torch.float64
        assert column.isfinite().all()


@every_scorer
def test_noise_scores_near_neutral(scorer, score):
    activations = torch.randn(400, 30, generator=torch.Generator().manual_seed(4))
    scores = score(scorer, activations, torch.arange(400) % 2)
    z = scores.value.mean() - scores.neutral
    assert z.abs().item() < 0.1


@every_scorer
@pytest.mark.parametrize(("present", "control"), [(1, 1), (1, 2), (2, 1), (2, 2), (1, 9)])
def test_no_sample_is_so_small_that_a_score_is_infinite(scorer, score, present, control):
    rng = torch.Generator().manual_seed(present)
    activations = torch.randn(present + control, 6, generator=rng)
    activations[:, 0] = 0.1
    activations[:present, 1], activations[present:, 1] = 0.3, 0.0
    labels = torch.tensor([1] * present + [0] * control)
    for column in columns(score(scorer, activations, labels)).values():
        assert not column.isinf().any()


@every_scorer
def test_perfectly_told_apart_is_not_infinite(scorer, score):
    labels = (torch.arange(40) % 4 == 0).long()
    activations = torch.stack([labels * 1.0, -100.0 * labels, labels * 1e-20, labels + torch.arange(40) * 1e-3], dim=1)
    for column in columns(score(scorer, activations, labels)).values():
        assert not column.isinf().any()


@every_scorer
def test_positions_that_are_out_do_not_matter(scorer, score, data):
    activations, labels = data()
    groups = torch.arange(60) // 3
    kept = labels >= 0
    expected = score(scorer, activations[kept], labels[kept], groups[kept])
    activations[~kept] = torch.nan
    assert_same(score(scorer, activations, labels, groups), expected)


@every_scorer
def test_a_nan_stays_in_its_neuron(scorer, score, data):
    activations, labels = data()
    activations[labels.argmax(), 6] = torch.nan
    scores = score(scorer, activations, labels)
    assert scores.value[0, 6].isnan()
    assert scores.value[0, [0, 1, 2, 3, 4, 5, 7]].isfinite().all()


@quick_scorer
def test_how_many_neurons_are_worked_on_at_once_does_not_matter(scorer, score, data, monkeypatch):
    activations, labels = data()
    whole = score(scorer, activations, labels)
    monkeypatch.setattr(ordering, "_ELEMENTS_AT_ONCE", 200)
    monkeypatch.setattr(ordering, "_FEWEST_AT_ONCE", 1)
    monkeypatch.setattr(ordering, "_RANKED_AT_ONCE", 100)
    monkeypatch.setattr(mutual_information, "_ELEMENTS_AT_ONCE", 200)
    monkeypatch.setattr(auc_binned, "_NEURONS_AT_ONCE", 3)
    monkeypatch.setattr(logistic_probe, "_ELEMENTS_AT_ONCE", 200)
    monkeypatch.setattr(logistic_probe, "_FEWEST_AT_ONCE", 1)
    assert_same(score(scorer, activations, labels), whole)


@quick_scorer
def test_swapping_the_classes_mirrors_the_score(scorer, score, data):
    if type(scorer).__name__ in ("AveragePrecision", "MeanPresent"):
        pytest.skip("it is about the present class alone")
    if type(scorer).__name__ == "MutualInformation":
        pytest.skip("information has no sign")
    activations, labels = data(out=0)
    scores, swapped = score(scorer, activations, labels), score(scorer, activations, 1 - labels)
    mirrored = 2 * scores.neutral - swapped.value
    torch.testing.assert_close(scores.value, mirrored, rtol=1e-6, atol=1e-9)


@every_scorer
def test_the_order_of_positions_does_not_matter(scorer, score, data):
    activations, labels = data()
    groups = torch.arange(60) // 3
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    expected = score(scorer, activations, labels, groups)
    # Regressions are fitted in float32, where sums depend on their order.
    loose = {"rtol": 1e-5, "atol": 1e-6} if isinstance(scorer, logistic_probe.LogisticProbe) else {}
    assert_same(score(scorer, activations[order], labels[order], groups[order]), expected, **loose)


@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(0, 12), min_size=5, max_size=5), seed=st.integers(0, 1000))
@quick_scorer
def test_parts_do_not_matter(scorer, score, data, sizes, seed):
    activations, labels = data(seed=seed)
    parts = [*sizes, 60 - sum(sizes)]
    assert_same(score(scorer, activations, labels, parts=parts), score(scorer, activations, labels))


@quick_scorer
def test_other_neurons_do_not_matter_to_a_score_that_is_not_joint(scorer, score, data):
    activations, labels = data()
    assert not scorer.joint
    whole = score(scorer, activations, labels)
    alone = score(scorer, activations[:, [5, 2]], labels)
    torch.testing.assert_close(alone.value, whole.value[:, [5, 2]], rtol=1e-10, atol=1e-12)


@every_scorer
def test_computing_leaves_the_state_alone(scorer, data):
    activations, labels = data()
    from neurosieve import Batch, Site

    number = torch.arange(60) // 3
    batch = Batch(Site(0), activations, labels.unsqueeze(1), number, number, number)
    state = scorer.statistic.update(scorer.statistic.empty(1, 8), batch)
    before = [part.clone() for part in state]
    first, second = scorer.compute(state), scorer.compute(state)
    assert all(map(torch.equal, before, state))
    assert_same(first, second, rtol=0, atol=0)
