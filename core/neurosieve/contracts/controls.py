"""What a control promises, which chooses what to compare with."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from neurosieve.data import Present, TokenizedDocument

__all__ = ["Control"]


class Control(ABC):
    """Chooses positions where the behaviour does not show, to compare with."""

    needs_other_documents: ClassVar[bool] = False
    """Whether it compares with the behaviour in other documents, and chooses nothing without them. A pass without a
    store sees one document at a time, and cannot use such a control."""

    @abstractmethod
    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        """Return at most `count` different tokens of `document`, each usable and in no span of the behaviour."""
