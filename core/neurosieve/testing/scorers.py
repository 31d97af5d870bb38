"""What a scorer promises."""

import copy
import dataclasses
from typing import Any

import torch
from torch import Tensor

from neurosieve.contracts import Scorer
from neurosieve.data import Batch, Scores
from neurosieve.testing.declarations import DECLARATION_CHECKS
from neurosieve.testing.inference import INFERENCE_CHECKS
from neurosieve.testing.observations import (
    PLANTED,
    arrived,
    combined,
    observed,
    of_behaviour,
    of_neurons,
    rows,
    summary,
)
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, shown, trying
from neurosieve.testing.statistics import check_statistic

__all__ = ["SCORER_CHECKS", "check_scorer"]


def _scores(scorer: Scorer[Any], batch: Batch, what: str = "positions of two behaviours") -> Scores:
    with trying(scorer, f"as it summarises {what}"):
        state = summary(scorer.statistic, batch)
    return _computed(scorer, state, what, shape=(batch.labels.shape[1], batch.activations.shape[1]))


def _computed(scorer: Scorer[Any], state: Any, what: str, shape: tuple[int, int] = (2, 6)) -> Scores:
    """Return what a scorer computes of a state, having checked that it is a number per behaviour and neuron."""
    with trying(scorer, f"as it scores {what}"):
        scores: Any = scorer.compute(state)
    if not isinstance(scores, Scores):
        raise AssertionError(f"{shown(scorer)} computes {shown(scores)}, which is no `neurosieve.Scores`")
    if isinstance(scores.neutral, Tensor) and scores.neutral.shape != (shape[0], 1):
        raise AssertionError(f"`neutral` of {shown(scorer)} is {scores.neutral}: return a number, or one per behaviour")
    for name, column in (("value", scores.value), *scores.details.items()):
        if column.shape != shape or not column.is_floating_point():
            raise AssertionError(
                f"`{name}` of {shown(scorer)} is {column.dtype} of shape {tuple(column.shape)} as it scores {what}: "
                f"return a floating-point number for each of {shape[0]} behaviours and {shape[1]} neurons, {shape}"
            )
    return scores


def _columns(scores: Scores) -> dict[str, Tensor]:
    """Return all that a scorer says, by name."""
    neutral = torch.as_tensor(scores.neutral, dtype=torch.float64).expand(scores.value.shape[0], 1)
    return {
        "value": scores.value,
        "neutral": neutral,
        **{f"details[{name!r}]": x for name, x in scores.details.items()},
    }


def _assert_same(scorer: Scorer[Any], expected: Scores, scores: Scores, how: str) -> None:
    # Loose enough for a solver that stops when it is near, far tighter than any real difference.
    one, other = _columns(expected), _columns(scores)
    if one.keys() != other.keys():
        raise AssertionError(f"{shown(scorer)} {how}: it says {', '.join(other)}, and else {', '.join(one)}")
    for name in one:
        if not (
            one[name].shape == other[name].shape
            and torch.allclose(one[name].double(), other[name].double(), rtol=1e-3, atol=1e-4, equal_nan=True)
        ):
            raise AssertionError(
                f"{shown(scorer)} {how}: `{name}` is {other[name].tolist()}, and else {one[name].tolist()}"
            )


def _part(scores: Scores, behaviours: list[int], neurons: list[int]) -> Scores:
    neutral = scores.neutral[behaviours] if isinstance(scores.neutral, Tensor) else scores.neutral
    details = {name: x[behaviours][:, neurons] for name, x in scores.details.items()}
    return Scores(scores.value[behaviours][:, neurons], neutral, details)


def every_neuron_is_scored(scorer: Scorer[Any]) -> None:
    """Assert that there is a floating-point number for each behaviour and neuron."""
    _scores(scorer, observed())


def shards_score_as_one_pass_does(scorer: Scorer[Any]) -> None:
    """Assert that scores do not depend on how positions were read: in shards, batches, with empty ones among them."""
    batch = observed()
    whole = _scores(scorer, batch)
    with trying(scorer, "as shards are summarised and merged"):
        statistic = scorer.statistic
        states = [*combined(statistic, batch)]
        nothing = statistic.merge(statistic.empty(2, 6), summary(statistic, rows(batch, torch.arange(0))))
        states.append(("with an empty shard", statistic.merge(nothing, summary(statistic, batch))))
    for how, state in states:
        _assert_same(scorer, whole, _computed(scorer, state, f"what was read {how}"), f"scores otherwise {how}")


def stored_states_score_the_same(scorer: Scorer[Any]) -> None:
    """Assert that a state that comes back from safetensors scores as it did."""
    batch = observed()
    with trying(scorer, "as its state is stored by safetensors"):
        stored = arrived(summary(scorer.statistic, batch))
    scores = _computed(scorer, stored, "a state that was stored by safetensors")
    _assert_same(scorer, _scores(scorer, batch), scores, "scores a stored state otherwise")


def equal_scorers_share_a_statistic(scorer: Scorer[Any]) -> None:
    """Assert that equal scorers ask for equal statistics, and that computing leaves the shared state as it was."""
    with trying(scorer, "as its statistic is compared"):
        mine, other = scorer.statistic, copy.deepcopy(scorer).statistic
        if not (mine == other and hash(mine) == hash(other)):
            raise AssertionError(
                f"{shown(scorer)} and its equal ask for {shown(mine)} and {shown(other)}, which do not count as equal: "
                "they would be taken twice"
            )
    with trying(scorer, "as it computes twice"):
        state = summary(mine, observed())
        before = [value.clone() for value in state]
    first, second = (_computed(scorer, state, "the same state twice") for _ in range(2))
    for name, value, untouched in zip(type(state)._fields, state, before, strict=True):
        if not (value.shape == untouched.shape and torch.equal(value.nan_to_num(), untouched.nan_to_num())):
            raise AssertionError(
                f"{shown(scorer)} changes `{name}` of the state as it computes: other scorers read it too"
            )
    _assert_same(scorer, first, second, "scores the same state otherwise the second time")


def a_planted_neuron_wins(scorer: Scorer[Any]) -> None:
    """Assert that a neuron that fires more with the behaviour is the farthest from telling nothing."""
    for planted in (PLANTED, 0, 5):
        scores = _scores(scorer, observed(seed=planted, planted=planted), f"a batch where neuron {planted} is planted")
        columns = _columns(scores)
        distance = (columns["value"].double() - columns["neutral"])[0].abs()
        others = torch.cat([distance[:planted], distance[planted + 1 :]]).nan_to_num(nan=-1.0)
        if not bool((distance[planted] > others).all()):
            raise AssertionError(
                f"{shown(scorer)} scores {columns['value'][0].tolist()}, where {columns['neutral'][0].item():g} tells "
                f"nothing and neuron {planted} alone fires more with the behaviour, by 2.5 standard deviations"
            )


def absence_is_nan(scorer: Scorer[Any]) -> None:
    """Assert that there is no score without a present or without a control position, and never an infinite one."""
    batch = observed()
    labels = batch.labels.clone()
    for what, here in (
        ("without a present position", torch.where(labels == 1, 0, labels)),
        ("without a control position", torch.where(labels == 0, 1, labels)),
        ("without any position", torch.full_like(labels, -1)),
    ):
        # The other behaviour keeps its labels: what one lacks does not spoil the other.
        half = torch.stack([here[:, 0], labels[:, 1]], dim=1).to(torch.int8)
        scores = _scores(scorer, dataclasses.replace(batch, labels=half), f"a behaviour {what}")
        if not bool(scores.value[0].isnan().all()):
            raise AssertionError(f"{shown(scorer)} scores {scores.value[0].tolist()} {what}: return nan")
        _assert_not_infinite(scorer, scores, what)
        alone = _part(_scores(scorer, batch), [1], list(range(6)))
        _assert_same(
            scorer, alone, _part(scores, [1], list(range(6))), f"scores a behaviour otherwise beside one {what}"
        )
    empty = _scores(scorer, rows(batch, torch.arange(0)), "nothing")
    if not bool(empty.value.isnan().all()):
        raise AssertionError(f"{shown(scorer)} scores {empty.value.tolist()} from nothing: return nan")
    _assert_not_infinite(scorer, empty, "from nothing")


def scores_are_never_infinite(scorer: Scorer[Any]) -> None:
    """Assert that silent neurons, neurons that are constant per label, and lone positions give no infinite score."""
    batch = observed()
    constant = batch.activations.clone()
    constant[:, 0] = 0.0
    constant[:, 1] = 3.0
    constant[:, 2] = (batch.labels[:, 0] == 1).float()
    what = "where a neuron is constant"
    _assert_not_infinite(scorer, _scores(scorer, dataclasses.replace(batch, activations=constant), what), what)
    for label, what in ((1, "of one present position"), (0, "of one control position")):
        where = batch.labels[:, 0] == label
        lone = rows(batch, ~where | (where.cumsum(0) == 1))
        _assert_not_infinite(scorer, _scores(scorer, lone, what), what)


def _assert_not_infinite(scorer: Scorer[Any], scores: Scores, what: str) -> None:
    for name, column in _columns(scores).items():
        if bool(column.isinf().any()):
            raise AssertionError(f"`{name}` of {shown(scorer)} is {column.tolist()} {what}: nan, never infinite")


def order_of_positions_does_not_matter(scorer: Scorer[Any]) -> None:
    """Assert that positions can be read in any order."""
    batch = observed()
    order = torch.randperm(len(batch.labels), generator=torch.Generator().manual_seed(2))
    _assert_same(
        scorer, _scores(scorer, batch), _scores(scorer, rows(batch, order)), "depends on the order of positions"
    )


def a_neuron_scores_as_it_does_alone(scorer: Scorer[Any]) -> None:
    """Assert that, unless the scorer is `joint`, which other neurons are scored, and in what order, does not matter."""
    if scorer.joint:
        return
    batch = observed()
    whole = _scores(scorer, batch)
    for neurons in ([3], [5, 0], [4, 3, 2, 1, 0, 5]):
        what = f"scores the neurons {neurons} otherwise alone (or else say `joint = True`)"
        part = _scores(scorer, of_neurons(batch, neurons), f"the neurons {neurons} alone")
        _assert_same(scorer, _part(whole, [0, 1], neurons), part, what)


def a_behaviour_scores_as_it_does_alone(scorer: Scorer[Any]) -> None:
    """Assert that which other behaviours are scored does not matter, nor a position labelled -1."""
    batch = observed()
    whole = _scores(scorer, batch)
    for behaviour in (0, 1):
        alone = _scores(scorer, of_behaviour(batch, behaviour), f"behaviour {behaviour} alone")
        part = _part(whole, [behaviour], list(range(6)))
        _assert_same(scorer, alone, part, f"scores behaviour {behaviour} otherwise beside another")


def its_statistic_keeps_its_contract(scorer: Scorer[Any]) -> None:
    """Assert all that the scorer's statistic promises."""
    with trying(scorer, "as its statistic is asked for"):
        statistic = scorer.statistic
    check_statistic(statistic)


SCORER_CHECKS: tuple[Check, ...] = (
    *PLUGIN_CHECKS,
    its_statistic_keeps_its_contract,
    every_neuron_is_scored,
    shards_score_as_one_pass_does,
    stored_states_score_the_same,
    equal_scorers_share_a_statistic,
    a_planted_neuron_wins,
    absence_is_nan,
    scores_are_never_infinite,
    order_of_positions_does_not_matter,
    a_neuron_scores_as_it_does_alone,
    a_behaviour_scores_as_it_does_alone,
    *DECLARATION_CHECKS,
    *INFERENCE_CHECKS,
)
"""What a scorer promises."""


def check_scorer(scorer: Scorer[Any]) -> None:
    """Check all that a scorer promises.

    Raises:
        AssertionError: it breaks a promise; the message says which, and with what.
    """
    for check in SCORER_CHECKS:
        check(scorer)
