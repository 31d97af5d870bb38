"""What a ranking was made from, for the tests of its neurons to read again."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from neurosieve.activations.store import Space
from neurosieve.contracts import Scorer
from neurosieve.evidence.settings import Evidence
from neurosieve.texts.positions import Positions

__all__ = ["Ranked"]


class Ranked(NamedTuple):
    """What a ranking was made from."""

    space: Space
    positions: Positions
    scorer: Scorer[Any]
    """The scorer that ranked; `rank_by` is its name."""
    rank_by: str
    settings: Evidence
    announce: Callable[..., None]
    """Receives the progress of each stage."""

    def has_min_groups(self, column: int) -> bool:
        """Return whether the behaviour of a column of labels shows in enough groups for an interval."""
        documents = self.positions.document_of_row[self.positions.labels[:, column] == 1]
        return len(np.unique(self.positions.groups[documents])) >= self.settings.min_groups
