"""What a finished run read: which problems and which texts, as they are compared with those of another."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurosieve.data import TokenizedDocument
from neurosieve.runs.results import Result
from neurosieve.texts.copies import text_key
from neurosieve.texts.duplicates import most_alike, signatures_of
from neurosieve.texts.positions import UnitKind
from neurosieve.texts.sameness import canonical, model_words

__all__ = ["ReadTexts"]


class ReadTexts(NamedTuple):
    """What a part of a run read."""

    groups: frozenset[str]
    """The names of its groups as the source gave them, in their canonical form."""
    words: frozenset[str] | None
    """The `text_key` of each text, by what the run read of it; None where the run kept none."""
    signatures: npt.NDArray[np.uint32]
    """The MinHash of each text, `[texts, 128]`."""
    unit: UnitKind
    """What the run read as one."""

    @classmethod
    def of(cls, result: Result, part: str) -> "ReadTexts":
        """Return what a part of a run read, `ranking` or `heldout`."""
        # The groups of the positions may have been joined, and bear one name of several.
        kept = "texts" in result.tables
        table = result.table("texts") if kept else result.positions
        read = table[table.part == part]
        groups = frozenset(map(canonical, read.group.unique()))
        words = frozenset(read.words) if kept else None
        return cls(groups, words, signatures_of(read.minhash if kept else ()), result.unit)

    def answers_same_problem(self, document: TokenizedDocument) -> bool:
        """Return whether a document's group is among those that were read."""
        return canonical(document.group) in self.groups

    def holds(self, document: TokenizedDocument, near_duplicates: float | None) -> bool:
        """Return whether a document is among those that were read, by its `text_key`, or else by its group.

        So is one in which the model wrote nearly the same as in one of them: whose Jaccard index with it, as MinHash
        estimates it, is at least `near_duplicates`. Where the ends of prompts were read, what was written makes no
        difference.
        """
        if self.words is None:
            return self.answers_same_problem(document)
        if text_key(document, self.unit) in self.words:
            return True
        if self.unit == "prompt_end":
            return False
        return near_duplicates is not None and most_alike(model_words(document), self.signatures) >= near_duplicates
