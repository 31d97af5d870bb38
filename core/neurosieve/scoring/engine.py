"""One pass over batches of a site: many statistics, many scorers."""

from collections.abc import Iterable, Mapping
from typing import Any

from neurosieve.contracts import Scorer, Statistic
from neurosieve.data import Batch, Scores

__all__ = ["score"]


def score(batches: Iterable[Batch], scorers: Mapping[str, Scorer[Any]]) -> dict[str, Scores]:
    """Return what each scorer says of the positions in `batches`, which are of one site.

    Each distinct statistic is taken once, however many scorers ask for it.

    Raises:
        ValueError: there is no batch, so that nothing is known of behaviours and neurons.
    """
    states: dict[Statistic[Any], Any] = {}
    for batch in batches:
        for statistic in {scorer.statistic: None for scorer in scorers.values()}:
            if statistic not in states:
                states[statistic] = statistic.empty(batch.labels.shape[1], batch.activations.shape[1])
            states[statistic] = statistic.update(states[statistic], batch)
    if not states:
        raise ValueError("there is no batch to score")
    return {name: scorer.compute(states[scorer.statistic]) for name, scorer in scorers.items()}
