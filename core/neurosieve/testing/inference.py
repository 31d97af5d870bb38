"""What a scorer promises of its permutation null and of its intervals, where it has a quick way to either."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurosieve.contracts import Scorer
from neurosieve.data import Batch, Contrast, Interval, Scores
from neurosieve.evidence.permutation import permuted
from neurosieve.scoring.engine import score_batch
from neurosieve.testing.observations import of_behaviour, of_neurons, random_batch, rows, same, shuffled
from neurosieve.testing.plugins import Check, require, shown, trying, unchanged

__all__ = ["INFERENCE_CHECKS"]

_ARRANGEMENTS = 20


def _one_behaviour() -> Batch:
    """Return positions of one behaviour, all of them compared; one neuron is silent, and one is constant."""
    batch = of_behaviour(random_batch(), 0)
    activations = batch.activations.clone()
    activations[:, 1], activations[:, 2] = 0.0, 0.7
    return dataclasses.replace(batch, activations=activations)


def _lacking(label: int) -> tuple[str, Batch]:
    """Return positions all of one label, and what they are."""
    batch = _one_behaviour()
    what = ("positions without a present one", "positions without a control")[label]
    return what, dataclasses.replace(batch, labels=torch.full_like(batch.labels, label))


def _cases() -> Iterator[tuple[str, Batch]]:
    yield "positions of one behaviour", _one_behaviour()
    yield "some neurons alone", of_neurons(_one_behaviour(), [5, 1])
    yield _lacking(0)


def _scores(scorer: Scorer[Any], batch: Batch, what: str) -> Scores:
    with trying(scorer, f"as it scores {what}"):
        return score_batch(batch, scorer)


def contributions_sum_to_the_effect(scorer: Scorer[Any]) -> None:
    """Assert that contributions, if there are any, sum to the effect: the score less its chance level."""
    for what, batch in _cases():
        doing = f"as it computes what {what} contribute"
        with unchanged(scorer, {"activations": batch.activations}, doing), trying(scorer, doing):
            shares: Any = scorer.contributions(batch)
        if shares is None:
            return
        require(
            isinstance(shares, Tensor) and shares.shape == batch.activations.shape,
            f"{shown(scorer)} gives the contributions {shown(shares)} of {what}: return a tensor of the shape of "
            f"the activations, {tuple(batch.activations.shape)}",
        )
        scores = _scores(scorer, batch, what)
        expected = (scores.value - scores.neutral)[0].double().cpu()
        total = shares.double().sum(dim=0).cpu()
        require(
            same(expected, total),
            f"the contributions that {shown(scorer)} gives of {what} sum to {total.tolist()}, and its score is "
            f"{expected.tolist()} from its chance level",
        )


def a_contrast_scores_as_computing_does(scorer: Scorer[Any]) -> None:
    """Assert that a contrast, if there is one, gives the very scores that `compute` gives.

    Those of the true labels, and of any other labels with as many present positions in each document; nan where a class
    is absent.
    """
    for what, batch in (*_cases(), _lacking(1)):
        doing = f"as it makes a contrast of {what}"
        with unchanged(scorer, {"activations": batch.activations}, doing), trying(scorer, doing):
            contrast: Any = scorer.contrast(batch)
        if contrast is None:
            return
        require(
            isinstance(contrast, Contrast) and contrast.values.shape == batch.activations.shape,
            f"{shown(scorer)} gives the contrast {shown(contrast)} of {what}: return a `neurosieve.Contrast` whose "
            f"`values` are of the shape of the activations, {tuple(batch.activations.shape)}",
        )
        drawn = permuted(batch.labels[:, 0].numpy(), batch.documents.numpy(), _ARRANGEMENTS, np.random.default_rng(0))
        labels = torch.cat([batch.labels, torch.from_numpy(drawn)], dim=1)
        with trying(scorer, f"as its contrast scores {what}"):
            quick = contrast.score((labels == 1).T.to(contrast.values.dtype) @ contrast.values)
        expected = _scores(scorer, dataclasses.replace(batch, labels=labels), what).value
        wrong = f"the contrast of {shown(scorer)} scores {what} differently"
        among = f"of {1 + _ARRANGEMENTS} arrangements of the labels, the true ones first"
        _require_same(quick, expected, wrong, among)


def resamples_score_as_repeated_positions_do(scorer: Scorer[Any]) -> None:
    """Assert that the scores of resamples, if there is a quick way to them, are those of groups that are repeated.

    Also of groups that no draw holds, and nan where a draw holds a class no more.
    """
    batch, what = _one_behaviour(), "resamples of groups"
    labels = batch.labels[:, 0]
    # Some groups hold one class alone, so that a draw can lack the other.
    split = torch.where(batch.groups % 3 == 0, labels.long(), torch.zeros_like(batch.groups))
    names, number = torch.unique(2 * batch.groups + split, return_inverse=True)
    batch = dataclasses.replace(batch, groups=names[number])
    drawn = torch.randint(0, 3, (_ARRANGEMENTS, len(names)), generator=torch.Generator().manual_seed(3))
    has = torch.stack([torch.bincount(number[labels == label], minlength=len(names)) > 0 for label in (0, 1)])
    drawn[1], drawn[2, has[1]], drawn[3, has[0]] = 1, 0, 0
    times = drawn[:, number]
    doing = f"as it scores {what}"
    with unchanged(scorer, {"activations": batch.activations}, doing), trying(scorer, doing):
        quick: Any = scorer.resampled(batch, times.float())
    if quick is None:
        return
    returned = f"{shown(scorer)} gives {shown(quick)} as it scores {what}: return `neurosieve.Scores`"
    require(isinstance(quick, Scores), returned)
    expected = torch.cat([_scores(scorer, _repeated(batch, line), what).value for line in times])
    wrong = f"{shown(scorer)} scores {what} differently from groups that are repeated"
    _require_same(quick.value, expected, wrong, f"of {_ARRANGEMENTS} resamples")


def _repeated(batch: Batch, times: Tensor) -> Batch:
    """Return each position as often as `times` says; the copies of a group are groups of their own."""
    repeats = torch.arange(len(times)).repeat_interleave(times)
    first = (times.cumsum(0) - times).repeat_interleave(times)
    copy = torch.arange(len(repeats)) - first
    return dataclasses.replace(rows(batch, repeats), groups=batch.groups[repeats] * int(times.max() + 1) + copy)


def _require_same(scores: Tensor, expected: Tensor, wrong: str, among: str) -> None:
    shapes = f"its scores are of shape {tuple(scores.shape)}, and otherwise of {tuple(expected.shape)},"
    require(scores.shape == expected.shape, f"{wrong}: {shapes} {among}")
    for number, (line, right) in enumerate(zip(scores, expected, strict=True), start=1):
        values = f"{line.tolist()}, and otherwise {right.tolist()}, at number {number}"
        require(same(right, line), f"{wrong}: {values} {among}")


def _interval(scorer: Scorer[Any], batch: Batch, what: str, confidence: float = 0.95) -> Interval | None:
    """Return a scorer's interval, having checked that it is two floating-point numbers per neuron, or none."""
    with trying(scorer, f"as it gives an interval of {what}"):
        interval: Any = scorer.interval(batch, confidence)
    if interval is None:
        return None
    shape = (batch.activations.shape[1],)
    require(
        isinstance(interval, Interval)
        and all(end.shape == shape and end.is_floating_point() and not end.isinf().any() for end in interval)
        and torch.equal(interval.low.isnan(), interval.high.isnan()),
        f"{shown(scorer)} gives the interval {interval} of {what}: return a `neurosieve.Interval` of two numbers "
        f"for each of {shape[0]} neurons, none of them infinite, both nan where it is undefined",
    )
    return Interval(interval.low.double(), interval.high.double())


def an_interval_holds_the_score(scorer: Scorer[Any]) -> None:
    """Assert that an interval, if there is one, holds the score, the more confident the wider; nan where that is."""
    batch, what = _one_behaviour(), "positions of one behaviour"
    narrow = None
    for confidence in (0.5, 0.95, 0.99):
        interval = _interval(scorer, batch, what, confidence)
        if interval is None:
            return
        value, (low, high) = _scores(scorer, batch, what).value.double()[0], interval
        # The slack is that of sums in float32.
        wrong = (low > value + 1e-4) | (high < value - 1e-4) | (value.isnan() & ~low.isnan())
        ends = f"from {low.tolist()} to {high.tolist()} at a confidence of {confidence}"
        require(
            not wrong.any() and not low.isnan().all(),
            f"{shown(scorer)} scores {value.tolist()}, and its interval is {ends}",
        )
        require(
            narrow is None or not ((low > narrow.low) | (high < narrow.high)).any(),
            f"the interval of {shown(scorer)} is {ends}, no wider than at less",
        )
        narrow = interval
    for what, lacking in (_lacking(0), _lacking(1)):
        interval = _interval(scorer, lacking, what)
        undefined = interval is not None and bool(interval.low.isnan().all())
        require(undefined, f"{shown(scorer)} gives the interval {interval} of {what}: return nan")


def an_interval_does_not_depend_on_order(scorer: Scorer[Any]) -> None:
    """Assert that positions can come in any order, their groups by any number, and neurons alone."""
    batch = _one_behaviour()
    whole = _interval(scorer, batch, "positions of one behaviour")
    if whole is None:
        return
    for what, changed, neurons in (
        ("the same positions in another order", shuffled(batch), slice(None)),
        ("groups by other numbers", dataclasses.replace(batch, groups=1000 - 3 * batch.groups), slice(None)),
        ("one neuron alone", of_neurons(batch, [3]), slice(3, 4)),
    ):
        interval = _interval(scorer, changed, what)
        require(
            interval is not None and all(same(end[neurons], again) for end, again in zip(whole, interval, strict=True)),
            f"{shown(scorer)} gives the interval {interval} of {what}, and otherwise {whole}",
        )


def an_interval_knows_groups(scorer: Scorer[Any]) -> None:
    """Assert that an interval is wider where the positions of a group are alike, than were they independent."""
    batch = of_behaviour(random_batch(), 0)
    copies, number = 5, torch.arange(len(batch.labels))
    repeated = rows(batch, number.repeat(copies))
    what = f"positions that each occur {copies} times"
    clustered, independent = (
        _interval(scorer, dataclasses.replace(repeated, groups=groups), what)
        for groups in (number.repeat(copies), torch.arange(copies * len(number)))
    )
    if clustered is None or independent is None:
        return
    wide, narrow = clustered.high - clustered.low, independent.high - independent.low
    require(
        bool((wide > 1.5 * narrow)[~wide.isnan()].all()),
        f"{shown(scorer)} gives {what}, all copies in one group, intervals {wide.tolist()} wide, and, were each "
        f"copy a group of its own, {narrow.tolist()}: a group's positions are not independent",
    )


INFERENCE_CHECKS: tuple[Check, ...] = (
    contributions_sum_to_the_effect,
    a_contrast_scores_as_computing_does,
    resamples_score_as_repeated_positions_do,
    an_interval_holds_the_score,
    an_interval_does_not_depend_on_order,
    an_interval_knows_groups,
)
