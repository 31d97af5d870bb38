"""One pass over batches of a site: many statistics, many scorers."""

from collections.abc import Iterable, Mapping
from typing import Any

from neurosieve.contracts import Scorer
from neurosieve.data import Batch, Scores, Site
from neurosieve.scoring.states import States, statistics_of

__all__ = ["score", "score_batch"]


def score(batches: Iterable[Batch], scorers: Mapping[str, Scorer[Any]]) -> dict[str, Scores]:
    """Return the scores that each scorer gives the positions in `batches`, which are of one site.

    Raises:
        ValueError: there is no batch, so that the numbers of behaviours and neurons are not known.
    """
    states = States(statistics_of(scorers.values()))
    site: Site | None = None
    for batch in batches:
        states.update(batch)
        site = batch.site
    if site is None:
        raise ValueError("there is no batch to score")
    return states.compute(site, scorers)


def score_batch(batch: Batch, scorer: Scorer[Any]) -> Scores:
    """Return the scores that one scorer gives one batch."""
    return score([batch], {"score": scorer})["score"]
