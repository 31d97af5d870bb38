"""What a scorer promises of its permutation null and of its intervals, where it has a quick way to either."""

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurosieve.contracts import Scorer
from neurosieve.data import Batch, Contrast, Interval, Scores
from neurosieve.evidence.permutation import permuted
from neurosieve.scoring.engine import score
from neurosieve.testing.observations import observed, of_behaviour, of_neurons, rows
from neurosieve.testing.plugins import Check, shown, trying

__all__ = ["INFERENCE_CHECKS"]

_ARRANGEMENTS = 20


def _compared(seed: int = 0) -> Batch:
    """Return positions of one behaviour, all of them compared; a neuron is silent, and one fires always the same."""
    batch = of_behaviour(observed(seed), 0)
    activations = batch.activations.clone()
    activations[:, 1], activations[:, 2] = 0.0, 0.7
    return dataclasses.replace(batch, activations=activations)


def _of_one_class(label: int) -> Batch:
    batch = _compared()
    return dataclasses.replace(batch, labels=torch.full_like(batch.labels, label))


def _value(scorer: Scorer[Any], batch: Batch, what: str) -> Tensor:
    with trying(scorer, f"as it scores {what}"):
        return score([batch], {"score": scorer})["score"].value.double()


def _same(one: Tensor, other: Tensor) -> bool:
    # Loose enough for sums in float32, far tighter than any real difference.
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-3, atol=1e-4, equal_nan=True)


def contributions_sum_to_the_minus_neutral(scorer: Scorer[Any]) -> None:
    """Assert that contributions, if there are any, sum to the distance from neutral."""
    for what, batch in (
        ("positions of one behaviour", _compared()),
        ("some neurons alone", of_neurons(_compared(), [5, 1])),
        ("positions without a present one", _of_one_class(0)),
    ):
        before = batch.activations.clone()
        with trying(scorer, f"as it says what {what} contribute"):
            shares: Any = scorer.contributions(batch)
        if shares is None:
            return
        if not (isinstance(shares, Tensor) and shares.shape == batch.activations.shape):
            raise AssertionError(
                f"{shown(scorer)} gives the contributions {shown(shares)} of {what}: return a tensor of the shape of "
                f"the activations, {tuple(batch.activations.shape)}"
            )
        if not torch.equal(batch.activations, before):
            raise AssertionError(f"{shown(scorer)} changes the activations as it says what {what} contribute")
        with trying(scorer, f"as it scores {what}"):
            scores = score([batch], {"score": scorer})["score"]
        expected = (scores.value - scores.neutral)[0].double()
        total = shares.double().sum(dim=0).cpu()
        if not _same(expected.cpu(), total):
            raise AssertionError(
                f"the contributions that {shown(scorer)} gives of {what} sum to {total.tolist()}, and its score is "
                f"{expected.tolist()} from neutral"
            )


def a_contrast_scores_as_computing_does(scorer: Scorer[Any]) -> None:
    """Assert that a contrast, if there is one, gives the very scores that `compute` gives.

    Those of the true labels, and of any other labels with as many present positions in each document; nan where a class
    is absent.
    """
    whole = _compared()
    for what, batch in (
        ("positions of one behaviour", whole),
        ("some neurons alone", of_neurons(whole, [5, 1])),
        ("positions without a present one", _of_one_class(0)),
        ("positions without a control", _of_one_class(1)),
    ):
        columns = _rearranged(batch)
        before = batch.activations.clone()
        with trying(scorer, f"as it makes a contrast of {what}"):
            contrast: Any = scorer.contrast(batch)
        if contrast is None:
            return
        if not (isinstance(contrast, Contrast) and contrast.values.shape == batch.activations.shape):
            raise AssertionError(
                f"{shown(scorer)} gives the contrast {shown(contrast)} of {what}: return a `neurosieve.Contrast` whose "
                f"`values` are of the shape of the activations, {tuple(batch.activations.shape)}"
            )
        if not torch.equal(batch.activations, before):
            raise AssertionError(f"{shown(scorer)} changes the activations as it makes a contrast of {what}")
        with trying(scorer, f"as its contrast scores {what}"):
            found = contrast.score((columns == 1).T.to(contrast.values.dtype) @ contrast.values).double()
        expected = _value(scorer, dataclasses.replace(batch, labels=columns), what)
        if not _same(expected, found):
            raise AssertionError(
                f"the contrast of {shown(scorer)} scores {what} otherwise: {_differing(found, expected)} of "
                f"{1 + _ARRANGEMENTS} arrangements of the labels, the true ones first"
            )


def resamples_score_as_repeated_positions_do(scorer: Scorer[Any]) -> None:
    """Assert that the scores of resamples, if there is a quick way to them, are those of positions that are repeated.

    Also of positions that no draw holds, and nan where a draw holds a class no more.
    """
    batch, what = _compared(), "resamples of positions"
    times = torch.randint(0, 3, (_ARRANGEMENTS, len(batch.labels)), generator=torch.Generator().manual_seed(3))
    times[1], times[2, batch.labels[:, 0] == 1], times[3, batch.labels[:, 0] == 0] = 1, 0, 0
    before = batch.activations.clone()
    with trying(scorer, f"as it scores {what}"):
        quick: Any = scorer.resampled(batch, times.float())
    if quick is None:
        return
    if not isinstance(quick, Scores):
        raise AssertionError(f"{shown(scorer)} gives {shown(quick)} as it scores {what}: return `neurosieve.Scores`")
    if not torch.equal(batch.activations, before):
        raise AssertionError(f"{shown(scorer)} changes the activations as it scores {what}")
    expected = [_value(scorer, rows(batch, torch.arange(len(line)).repeat_interleave(line)), what) for line in times]
    found = quick.value.double()
    if not _same(torch.cat(expected), found):
        raise AssertionError(
            f"{shown(scorer)} scores {what} otherwise than positions that are repeated: "
            f"{_differing(found, torch.cat(expected))} of {_ARRANGEMENTS} resamples"
        )


def _rearranged(batch: Batch) -> Tensor:
    labels = batch.labels[:, 0].numpy()
    drawn = permuted(labels, batch.documents.numpy(), _ARRANGEMENTS, np.random.default_rng(0))
    return torch.cat([batch.labels, torch.from_numpy(drawn)], dim=1)


def _differing(found: Tensor, expected: Tensor) -> str:
    if found.shape != expected.shape:
        return f"its scores are of shape {tuple(found.shape)}, and else of {tuple(expected.shape)},"
    row = next(row for row in range(len(found)) if not _same(expected[row], found[row]))
    return f"{found[row].tolist()}, and else {expected[row].tolist()}, at number {row + 1}"


def _interval(scorer: Scorer[Any], batch: Batch, what: str, confidence: float = 0.95) -> Interval | None:
    """Return a scorer's interval, having checked that it is two floating-point numbers per neuron, or none."""
    with trying(scorer, f"as it gives an interval of {what}"):
        interval: Any = scorer.interval(batch, confidence)
    if interval is None:
        return None
    shape = (batch.activations.shape[1],)
    if not (
        isinstance(interval, Interval)
        and all(end.shape == shape and end.is_floating_point() and not end.isinf().any() for end in interval)
        and torch.equal(interval.low.isnan(), interval.high.isnan())
    ):
        raise AssertionError(
            f"{shown(scorer)} gives the interval {interval} of {what}: return a `neurosieve.Interval` of two numbers "
            f"for each of {shape[0]} neurons, none of them infinite, both nan where it is undefined"
        )
    return Interval(interval.low.double(), interval.high.double())


def an_interval_holds_the_score(scorer: Scorer[Any]) -> None:
    """Assert that an interval, if there is one, holds the score, the more confident the wider; nan where that is."""
    batch = _compared()
    what = "positions of one behaviour"
    narrow = None
    for confidence in (0.5, 0.95, 0.99):
        interval = _interval(scorer, batch, what, confidence)
        if interval is None:
            return
        value, (low, high) = _value(scorer, batch, what)[0], interval
        # The slack is that of sums in float32.
        wrong = (low > value + 1e-4) | (high < value - 1e-4) | (value.isnan() & ~low.isnan())
        if bool(wrong.any()) or bool(low.isnan().all()):
            raise AssertionError(
                f"{shown(scorer)} scores {value.tolist()}, and its interval is from {low.tolist()} to {high.tolist()} "
                f"at a confidence of {confidence}"
            )
        if narrow is not None and bool(((low > narrow.low) | (high < narrow.high)).any()):
            raise AssertionError(
                f"the interval of {shown(scorer)} is from {low.tolist()} to {high.tolist()} at a confidence of "
                f"{confidence}, no wider than at less"
            )
        narrow = interval
    for label, what in ((0, "positions without a present one"), (1, "positions without a control")):
        lacking = _interval(scorer, _of_one_class(label), what)
        if lacking is None or not bool(lacking.low.isnan().all()):
            raise AssertionError(f"{shown(scorer)} gives the interval {lacking} of {what}: return nan")


def an_interval_does_not_depend_on_order(scorer: Scorer[Any]) -> None:
    """Assert that positions can come in any order, their groups by any number, and neurons alone."""
    batch = _compared()
    whole = _interval(scorer, batch, "positions of one behaviour")
    if whole is None:
        return
    order = torch.randperm(len(batch.labels), generator=torch.Generator().manual_seed(2))
    for what, other, neurons in (
        ("the same positions in another order", rows(batch, order), slice(None)),
        ("groups by other numbers", dataclasses.replace(batch, groups=1000 - 3 * batch.groups), slice(None)),
        ("one neuron alone", of_neurons(batch, [3]), slice(3, 4)),
    ):
        again = _interval(scorer, other, what)
        if again is None or not all(_same(one[neurons], two) for one, two in zip(whole, again, strict=True)):
            raise AssertionError(f"{shown(scorer)} gives the interval {again} of {what}, and else {whole}")


def an_interval_knows_groups(scorer: Scorer[Any]) -> None:
    """Assert that an interval is wider where positions of a group say nearly the same, than were they independent."""
    batch = of_behaviour(observed(), 0)
    copies = 5
    repeated = rows(batch, torch.arange(len(batch.labels)).repeat(copies))
    number = torch.arange(len(batch.labels))
    knowing = dataclasses.replace(repeated, groups=number.repeat(copies))
    ignoring = dataclasses.replace(repeated, groups=torch.arange(copies * len(number)))
    what = f"positions that are each there {copies} times"
    clustered, naive = (_interval(scorer, one, what) for one in (knowing, ignoring))
    if clustered is None or naive is None:
        return
    wide, narrow = clustered.high - clustered.low, naive.high - naive.low
    if not bool((wide > 1.5 * narrow)[~wide.isnan()].all()):
        raise AssertionError(
            f"{shown(scorer)} gives {what}, all copies in one group, intervals {wide.tolist()} wide, and, were each "
            f"copy a group of its own, {narrow.tolist()}: a group's positions are not independent"
        )


INFERENCE_CHECKS: tuple[Check, ...] = (
    contributions_sum_to_the_minus_neutral,
    a_contrast_scores_as_computing_does,
    resamples_score_as_repeated_positions_do,
    an_interval_holds_the_score,
    an_interval_does_not_depend_on_order,
    an_interval_knows_groups,
)
"""What a scorer promises of `contributions`, `contrast`, `resampled` and `interval`."""
