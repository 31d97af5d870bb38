"""What a scorer promises."""

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from neurosieve.contracts import Scorer
from neurosieve.data import Batch, Scores
from neurosieve.testing.declarations import DECLARATION_CHECKS
from neurosieve.testing.inference import INFERENCE_CHECKS
from neurosieve.testing.observations import (
    PLANTED,
    of_behaviour,
    of_neurons,
    random_batch,
    rows,
    same,
    shuffled,
    summary,
    summary_of_parts,
    through_a_file,
)
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, checker, require, shown, trying, unchanged
from neurosieve.testing.statistics import check_statistic

__all__ = ["SCORER_CHECKS", "check_scorer"]


def _scores(scorer: Scorer[Any], batch: Batch, what: str = "positions of two behaviours") -> Scores:
    with trying(scorer, f"as it summarises {what}"):
        state = summary(scorer.statistic, batch)
    return _computed(scorer, state, what, shape=(batch.labels.shape[1], batch.activations.shape[1]))


def _computed(scorer: Scorer[Any], state: Any, what: str, shape: tuple[int, int] = (2, 6)) -> Scores:
    """Return what a scorer computes of a state, having checked that it is a number per behaviour and neuron."""
    with trying(scorer, f"as it scores {what}"):
        scores = scorer.compute(state)
    require(isinstance(scores, Scores), f"{shown(scorer)} computes {shown(scores)}, which is not a `neurosieve.Scores`")
    require(
        not isinstance(scores.neutral, Tensor) or scores.neutral.shape == (shape[0], 1),
        f"`neutral` of {shown(scorer)} is {scores.neutral}: return a number, or one per behaviour",
    )
    for name, column in (("value", scores.value), *scores.details.items()):
        require(
            column.shape == shape and column.is_floating_point(),
            f"`{name}` of {shown(scorer)} is {column.dtype} of shape {tuple(column.shape)} as it scores {what}: "
            f"return a floating-point number for each of {shape[0]} behaviours and {shape[1]} neurons, {shape}",
        )
    return scores


def _columns(scores: Scores) -> dict[str, Tensor]:
    """Return all numbers that a scorer gives, by name."""
    neutral = torch.as_tensor(scores.neutral, dtype=torch.float64).expand(scores.value.shape[0], 1)
    details = {f"details[{name!r}]": column for name, column in scores.details.items()}
    return {"value": scores.value, "neutral": neutral, **details}


def _require_same(scorer: Scorer[Any], expected: Scores, scores: Scores, how: str) -> None:
    right, columns = _columns(expected), _columns(scores)
    require(
        right.keys() == columns.keys(),
        f"{shown(scorer)} {how}: it gives {', '.join(columns)}, and otherwise {', '.join(right)}",
    )
    for name, column in columns.items():
        wrong = f"{shown(scorer)} {how}: `{name}` is {column.tolist()}, and otherwise {right[name].tolist()}"
        require(same(right[name], column), wrong)


def _part(scores: Scores, behaviours: list[int], neurons: Sequence[int] = range(6)) -> Scores:
    neutral = scores.neutral[behaviours] if isinstance(scores.neutral, Tensor) else scores.neutral
    details = {name: x[behaviours][:, list(neurons)] for name, x in scores.details.items()}
    return Scores(scores.value[behaviours][:, list(neurons)], neutral, details)


def _require_finite(scorer: Scorer[Any], scores: Scores, what: str) -> None:
    for name, column in _columns(scores).items():
        wrong = f"`{name}` of {shown(scorer)} is {column.tolist()} {what}: nan, never infinite"
        require(not column.isinf().any(), wrong)


def _require_nan(scorer: Scorer[Any], value: Tensor, what: str) -> None:
    require(value.isnan().all(), f"{shown(scorer)} scores {value.tolist()} {what}: return nan")


def every_neuron_is_scored(scorer: Scorer[Any]) -> None:
    """Assert that there is a floating-point number for each behaviour and neuron."""
    _scores(scorer, random_batch())


def shards_score_as_one_pass_does(scorer: Scorer[Any]) -> None:
    """Assert that scores do not depend on how positions were read: in shards, batches, with empty ones among them."""
    batch = random_batch()
    whole = _scores(scorer, batch)
    with trying(scorer, "as shards are summarised and merged"):
        statistic = scorer.statistic
        states = [*summary_of_parts(statistic, batch)]
        nothing = statistic.merge(statistic.empty(2, 6), summary(statistic, rows(batch, torch.arange(0))))
        states.append(("with an empty shard", statistic.merge(nothing, summary(statistic, batch))))
    for how, state in states:
        scores = _computed(scorer, state, f"what was read {how}")
        _require_same(scorer, whole, scores, f"gives other scores {how}")


def stored_states_score_the_same(scorer: Scorer[Any]) -> None:
    """Assert that a state that comes back from safetensors scores as it did."""
    batch = random_batch()
    with trying(scorer, "as its state is stored by safetensors"):
        stored = through_a_file(summary(scorer.statistic, batch))
    scores = _computed(scorer, stored, "a state that was stored by safetensors")
    _require_same(scorer, _scores(scorer, batch), scores, "gives a stored state other scores")


def equal_scorers_share_a_statistic(scorer: Scorer[Any]) -> None:
    """Assert that equal scorers ask for equal statistics, and that computing leaves the shared state as it was."""
    with trying(scorer, "as its statistic is compared"):
        statistic, of_equal = scorer.statistic, copy.deepcopy(scorer).statistic
        require(
            statistic == of_equal and hash(statistic) == hash(of_equal),
            f"{shown(scorer)} and its equal ask for {shown(statistic)} and {shown(of_equal)}, which do not count as "
            "equal: they would be taken twice",
        )
    with trying(scorer, "as it computes twice"):
        state = summary(statistic, random_batch())
    with unchanged(scorer, state._asdict(), "of the state as it computes: other scorers read it too"):
        first, second = (_computed(scorer, state, "the same state twice") for _ in range(2))
    _require_same(scorer, first, second, "gives the same state other scores the second time")


def a_planted_neuron_wins(scorer: Scorer[Any]) -> None:
    """Assert that a neuron that fires more with the behaviour has the largest effect."""
    for planted in (PLANTED, 0, 5):
        batch = random_batch(seed=planted, planted=planted)
        columns = _columns(_scores(scorer, batch, f"a batch where neuron {planted} is planted"))
        effect = (columns["value"].double() - columns["neutral"])[0].abs()
        others = torch.cat([effect[:planted], effect[planted + 1 :]]).nan_to_num(nan=-1.0)
        require(
            (effect[planted] > others).all(),
            f"{shown(scorer)} scores {columns['value'][0].tolist()}, where {columns['neutral'][0].item():g} is the "
            f"chance level and neuron {planted} alone fires more with the behaviour, by 2.5 standard deviations",
        )


def absence_is_nan(scorer: Scorer[Any]) -> None:
    """Assert that there is no score without a present or without a control position, and never an infinite one."""
    batch = random_batch()
    alone = _part(_scores(scorer, batch), [1])
    labels = batch.labels
    for what, changed in (
        ("without a present position", torch.where(labels == 1, 0, labels)),
        ("without a control position", torch.where(labels == 0, 1, labels)),
        ("without any position", torch.full_like(labels, -1)),
    ):
        # The other behaviour keeps its labels: what one lacks does not spoil the other.
        half = torch.stack([changed[:, 0], labels[:, 1]], dim=1).to(torch.int8)
        scores = _scores(scorer, dataclasses.replace(batch, labels=half), f"a behaviour {what}")
        _require_nan(scorer, scores.value[0], what)
        _require_finite(scorer, scores, what)
        _require_same(scorer, alone, _part(scores, [1]), f"scores a behaviour differently when another is {what}")
    empty = _scores(scorer, rows(batch, torch.arange(0)), "nothing")
    _require_nan(scorer, empty.value, "from nothing")
    _require_finite(scorer, empty, "from nothing")


def scores_are_never_infinite(scorer: Scorer[Any]) -> None:
    """Assert that silent neurons, neurons that are constant per label, and lone positions give no infinite score."""
    batch = random_batch()
    constant = batch.activations.clone()
    constant[:, 0], constant[:, 1], constant[:, 2] = 0.0, 3.0, (batch.labels[:, 0] == 1).float()
    cases = [("where a neuron is constant", dataclasses.replace(batch, activations=constant))]
    for label, what in ((1, "of one present position"), (0, "of one control position")):
        where = batch.labels[:, 0] == label
        cases.append((what, rows(batch, ~where | (where.cumsum(0) == 1))))
    for what, case in cases:
        _require_finite(scorer, _scores(scorer, case, what), what)


def order_of_positions_does_not_matter(scorer: Scorer[Any]) -> None:
    """Assert that positions can be read in any order."""
    batch = random_batch()
    scores = _scores(scorer, shuffled(batch))
    _require_same(scorer, _scores(scorer, batch), scores, "depends on the order of positions")


def a_neuron_scores_as_it_does_alone(scorer: Scorer[Any]) -> None:
    """Assert that, unless the scorer is `joint`, which other neurons are scored, and in what order, does not matter."""
    if scorer.joint:
        return
    batch = random_batch()
    whole = _scores(scorer, batch)
    for neurons in ([3], [5, 0], [4, 3, 2, 1, 0, 5]):
        what = f"scores the neurons {neurons} differently alone (if it scores neurons jointly, set `joint = True`)"
        part = _scores(scorer, of_neurons(batch, neurons), f"the neurons {neurons} alone")
        _require_same(scorer, _part(whole, [0, 1], neurons), part, what)


def a_behaviour_scores_as_it_does_alone(scorer: Scorer[Any]) -> None:
    """Assert that which other behaviours are scored does not matter, nor a position labelled -1."""
    batch = random_batch()
    whole = _scores(scorer, batch)
    for behaviour in (0, 1):
        alone = _scores(scorer, of_behaviour(batch, behaviour), f"behaviour {behaviour} alone")
        _require_same(
            scorer, alone, _part(whole, [behaviour]), f"scores behaviour {behaviour} differently together with another"
        )


def its_statistic_keeps_its_contract(scorer: Scorer[Any]) -> None:
    """Assert all that the scorer's statistic promises."""
    with trying(scorer, "as it gives its statistic"):
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
check_scorer = checker(SCORER_CHECKS)
