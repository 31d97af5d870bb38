"""How far the people who labelled the same sentences agree with each other."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.detection.agreement.raters import Raters
from neurosieve.detection.agreement.reliability import pairs_table, reliability_table
from neurosieve.detection.annotation.drawn_sample import DrawnSample
from neurosieve.detection.annotation.labelled import annotators_of
from neurosieve.detection.annotation.settings import Annotate
from neurosieve.wording import plural

__all__ = ["kappa_and_alpha"]

_FEWEST = 50
"""Kappa and alpha have no interval where the doubly labelled sentences tell no more than so many of equal weight."""


def kappa_and_alpha(
    sample: DrawnSample, choices: pd.DataFrame, settings: Annotate
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return how far the annotators agree, label by label: any two, and all of them; and what to know of it.

    Resampling moves no disagreement that is not in the sample, so with few sentences its interval is too narrow. There
    is none then, nor where all agree.
    """
    draws, seed, min_groups = settings.interval_bootstraps, settings.seed, settings.min_groups
    parts: dict[str, list[pd.DataFrame]] = {"annotator_pairs": [], "annotators": []}
    few: dict[str, None] = {}
    for label in sample.label_set.labels:
        raters = annotators_of(sample.sentences, choices, label)
        pairs = pairs_table(raters, draws, seed, min_groups)
        for place, (first, second) in enumerate(raters.pairs):
            _without_interval(pairs, place, "kappa", raters.known[first] & raters.known[second], raters, few)
        together = reliability_table(raters, draws, seed, min_groups)
        for place, names in enumerate(raters.sets):
            doubly = np.sum([raters.known[name] for name in names], axis=0) >= 2
            _without_interval(together, place, "alpha", doubly, raters, few)
        for name, rows in (("annotator_pairs", pairs), ("annotators", together)):
            rows.insert(0, "label", label)
            parts[name].append(rows)
    return {name: pd.concat(rows, ignore_index=True) for name, rows in parts.items()}, list(few)


def _without_interval(
    table: pd.DataFrame,
    place: int,
    measure: str,
    doubly: npt.NDArray[np.bool_],
    raters: Raters,
    few: dict[str, None],
) -> None:
    """Take the interval out of a row where it would be too narrow, and add the reason to `few`."""
    weights = raters.sentences["weight"].to_numpy(dtype=np.float64)[doubly]
    number = weights.sum() ** 2 / (weights**2).sum() if len(weights) else 0.0
    ends = [f"{measure}_low", f"{measure}_high"]
    row = table.loc[place]
    if number < _FEWEST:
        few[
            f"two or more annotators labelled {plural(len(weights), 'sentence')}, which tell as much as {number:.0f} "
            f"of equal weight: with fewer than {_FEWEST}, kappa and alpha have no interval, and say little"
        ] = None
        table.loc[place, ends] = np.nan
    elif row[ends[0]] == row[ends[1]]:
        few["resampling finds no spread where annotators agree: kappa and alpha have no interval there"] = None
        table.loc[place, ends] = np.nan
