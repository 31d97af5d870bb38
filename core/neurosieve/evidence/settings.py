"""How a ranking is tested: the settings of the null, of intervals, of replication and of verdicts."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Lt

from neurosieve.errors import ConfigError
from neurosieve.fields import check_fields

__all__ = ["Evidence"]

_FEWEST_PERMUTATIONS = 19


@dataclass(frozen=True)
class Evidence:
    """How a ranking is tested."""

    seed: Annotated[int, Ge(0)] = 0
    """Draws which groups are held out, the permutations, and the resamples."""
    permutations: Annotated[int, Ge(0)] = 1000
    """Permutations of the labels that the ranking is compared with; 0 leaves the null out. All of them together cost a
    ranking by a mean, a rank or a histogram little more than a matrix product; a ranking by `average_precision` or
    `logistic_probe` costs as much again for each: ask for fewer."""
    within_token_scorer: str | None = None
    """The scorer that tells whether a neuron knows more than the word, for its verdict; null leaves the verdict out."""
    test_top: Annotated[int, Ge(0)] = 100
    """How many of the best neurons of each behaviour get an interval on the held-out groups, and a verdict; and among
    how many a stable neuron is again and again."""
    interval_bootstraps: Annotated[int, Ge(1)] = 500
    """Resamples of the groups behind each interval."""
    stability_bootstraps: Annotated[int, Ge(0)] = 100
    """Resamples of the groups behind the stability of the best neurons; 0 leaves it out."""
    confidence: Annotated[float, Gt(0), Lt(1)] = 0.95
    """How often an interval is to hold the truth."""
    min_positions: Annotated[int, Ge(0)] = 100
    """Fewer present positions of a behaviour than this in the ranking part are warned of."""
    min_documents: Annotated[int, Ge(0)] = 30
    """Fewer documents with a behaviour than this in the ranking part are warned of."""
    min_groups: Annotated[int, Ge(2)] = 10
    """A behaviour that shows in fewer held-out groups than this gets no interval and no verdict: resampling so few
    groups gives intervals that are far too narrow."""

    def __post_init__(self) -> None:
        check_fields(self)
        if 0 < self.permutations < _FEWEST_PERMUTATIONS:
            raise ConfigError(
                f"permutations is {self.permutations}: no p could be as small as 0.05; give at least "
                f"{_FEWEST_PERMUTATIONS}, or 0 to leave the null out"
            )
