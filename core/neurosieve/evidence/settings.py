"""How a ranking is tested: the settings of the null, of intervals, of replication and of verdicts."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from neurosieve.errors import ConfigError
from neurosieve.fields import check_fields
from neurosieve.runs.columns import TEXT_BASELINES

__all__ = ["DEFAULT_BASELINE_FIELDS", "Evidence"]

DEFAULT_BASELINE_FIELDS = ("level", "type")

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
    null: Literal["within_documents", "within_groups", "between_groups"] | None = None
    """Which labels the null exchanges. `within_documents`: those of one text, which null takes where a unit is a token,
    a span or a sentence. `within_groups`: those of whole texts of one group, such as right and wrong samples of one
    problem, which null takes where a unit is a whole text; groups of one kind are left out. `between_groups`: all
    labels of a group with all those of another; what differs between groups, such as difficulty, counts as evidence."""
    strata: tuple[str, ...] = ()
    """Fields of the records that the null keeps apart, such as `[level,type]`, named as in `baseline_fields`: labels
    are exchanged only among whole texts, or groups of them, that have the same values."""
    within_token_scorer: str | None = None
    """The scorer that tells whether a neuron knows more than the word, for its verdict; null leaves the verdict out.
    It is for units of one token."""
    within_group_scorer: str | None = None
    """The scorer that tells whether a neuron knows more than the group, such as how hard a problem is, for its verdict;
    null leaves the verdict out. It is for units of whole texts."""
    baseline_fields: tuple[str, ...] = DEFAULT_BASELINE_FIELDS
    """Fields of the records that are baselines of their own where a unit is more than a token, or paths into nested
    ones, such as `grade.label`. `level` and `type`, which traces call `problem_level` and `problem_type`, are left out
    where no record has them; any other must be in some record."""
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
        for field in self.baseline_fields:
            if field in TEXT_BASELINES:
                raise ConfigError(
                    f"baseline_fields has `{field}`, which is the name of a baseline of the text: rename the field"
                )
        if 0 < self.permutations < _FEWEST_PERMUTATIONS:
            raise ConfigError(
                f"permutations is {self.permutations}: no p could be as small as 0.05; give at least "
                f"{_FEWEST_PERMUTATIONS}, or 0 to leave the null out"
            )
