"""How a ranking is tested: the settings of the null, of intervals, of replication and of verdicts."""

from dataclasses import dataclass

from neurosieve.errors import ConfigError

__all__ = ["Evidence", "whole_number"]

_FEWEST_PERMUTATIONS = 19


@dataclass(frozen=True)
class Evidence:
    """How a ranking is tested."""

    seed: int = 0
    """Draws which groups are held out, the permutations, and the resamples."""
    permutations: int = 1000
    """Permutations of the labels that the ranking is compared with; 0 leaves the null out. All of them together cost a
    ranking by a mean, a rank or a histogram little more than a matrix product; a ranking by `average_precision` or
    `logistic_probe` costs as much again for each: ask for fewer."""
    within_token_scorer: str | None = "auc_within_token"
    """The scorer that tells whether a neuron knows more than the word, for its verdict; null leaves the verdict out."""
    test_top: int = 100
    """How many of the best neurons of each behaviour get an interval on the held-out groups, and a verdict; and among
    how many a stable neuron is again and again."""
    interval_bootstraps: int = 500
    """Resamples of the groups behind each interval."""
    stability_bootstraps: int = 100
    """Resamples of the groups behind the stability of the best neurons; 0 leaves it out."""
    confidence: float = 0.95
    """How often an interval is to hold the truth."""
    min_positions: int = 100
    """Fewer present positions of a behaviour than this in the ranking part are warned of."""
    min_documents: int = 30
    """Fewer documents with a behaviour than this in the ranking part are warned of."""

    min_groups: int = 10
    """A behaviour that shows in fewer held-out groups than this gets no interval and no verdict: resampling so few
    groups gives intervals that are far too narrow."""

    def __post_init__(self) -> None:
        for name, least in {
            "seed": 0,
            "permutations": 0,
            "test_top": 0,
            "interval_bootstraps": 1,
            "stability_bootstraps": 0,
            "min_groups": 2,
        }.items():
            whole_number(name, getattr(self, name), least)
        if 0 < self.permutations < _FEWEST_PERMUTATIONS:
            raise ConfigError(
                f"permutations is {self.permutations}: no p could be as small as 0.05; give at least "
                f"{_FEWEST_PERMUTATIONS}, or 0 to leave the null out"
            )
        if not 0 < self.confidence < 1:
            raise ConfigError(f"confidence is {self.confidence}: give a share above 0 and below 1, such as 0.95")


def whole_number(name: str, value: object, least: int) -> None:
    """Raise unless a setting is a whole number, and at least `least`."""
    if not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} is {value!r}: give a whole number, at least {least}")
