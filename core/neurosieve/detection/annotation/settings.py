"""What `annotate` is asked for: how many sentences, which labels, and what people labelled."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

from annotated_types import Ge

from neurosieve.errors import ConfigError, FieldError, nearest
from neurosieve.fields import check_fields

__all__ = ["NONE", "UNSURE", "Annotate", "LabelSet"]

NONE, UNSURE = "none", "unsure"
"""What a person says of a sentence in place of a label: that it has none of them, or that it cannot be told."""
_PARTING = ",;\n\r\t"
"""What parts labels in a cell of a table, and so stands in none."""


class LabelSet(NamedTuple):
    """The labels that a person chooses from."""

    labels: tuple[str, ...]
    definitions: Mapping[str, str]
    """What a label means, by label; not every label needs one."""
    several: bool
    """Whether a sentence may have several of them."""


@dataclass(frozen=True)
class Annotate:
    """Settings of `annotate`, besides its source and its detectors."""

    sentences: Annotated[int, Ge(1)] = 200
    """How many sentences are drawn."""
    labels: tuple[str, ...] = ()
    """What a sentence may be labelled; the names of the detectors, by default. `none` and `unsure` are always there."""
    definitions: Mapping[str, str] = field(default_factory=dict)
    """What a label means, by label: it is shown with the label."""
    several: bool = False
    """Whether several labels may hold of one sentence; otherwise one or none."""
    context: Annotated[int, Ge(0)] = 600
    """How many characters of the text are shown before a sentence, and how many after it."""
    read: str | tuple[str, ...] = ()
    """The files that people labelled, to be read back: one a person, or several."""
    sample: str | None = None
    """The run folder that the labelled sentences were drawn into."""
    seed: Annotated[int, Ge(0)] = 0
    """Draws the sentences and their order; when labels are read back, the resamples."""
    interval_bootstraps: Annotated[int, Ge(1)] = 1000
    """Resamples of the groups behind each interval."""
    min_groups: Annotated[int, Ge(2)] = 10
    """With fewer labelled groups there is no interval: resampling so few gives intervals that are far too narrow."""

    def __post_init__(self) -> None:
        if not isinstance(self.definitions, Mapping):
            raise FieldError(
                "definitions", f"is `{self.definitions}`: say of a label what it means, as in `definitions.<label>=...`"
            )
        check_fields(self)

    @property
    def files(self) -> tuple[str, ...]:
        """The files to read back; none where sentences are to be drawn."""
        return (self.read,) if isinstance(self.read, str) else self.read

    def label_set(self, behaviours: Iterable[str]) -> LabelSet:
        """Return the labels to choose from: those that are set, or else the behaviours.

        Raises:
            ConfigError: a label cannot be one, or something is defined that is none.
        """
        labels = self.labels or tuple(behaviours)
        for number, label in enumerate(labels):
            if not label.strip() or label != label.strip() or any(character in label for character in _PARTING):
                raise ConfigError(
                    f"`{label}` cannot be a label: it is blank, begins or ends with one, or holds a comma, a semicolon "
                    "or a line break; give other names in `labels=[...]`"
                )
            if label.lower() in (NONE, UNSURE):
                raise ConfigError(f"`{label}` is given in `labels`, and is always there to choose: leave it out")
            if label in labels[:number]:
                raise ConfigError(f"`labels` holds `{label}` twice: leave one out")
        for label in self.definitions:
            if label not in labels:
                raise ConfigError(f"`definitions` defines `{label}`, which is not a label: {nearest(label, labels)}")
        return LabelSet(labels, dict(self.definitions), self.several)
