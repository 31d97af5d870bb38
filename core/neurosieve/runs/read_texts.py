"""What a finished run read: which problems and which texts, as they are compared with those of another."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurosieve.data import TokenizedDocument
from neurosieve.runs.results import Result
from neurosieve.texts.duplicates import most_alike, signatures_of
from neurosieve.texts.sameness import canonical, model_words, text_key

__all__ = ["ReadTexts"]


class ReadTexts(NamedTuple):
    """What a part of a run read."""

    groups: frozenset[str]
    """The names of its groups as the source gave them, in their canonical form."""
    words: frozenset[str] | None
    """A hash of what the model wrote in each text; None where the run kept none."""
    signatures: npt.NDArray[np.uint32]
    """The MinHash of each text, `[texts, 128]`."""

    @classmethod
    def of(cls, result: Result, part: str) -> "ReadTexts":
        """Return what a part of a run read, `ranking` or `heldout`."""
        # The groups of the positions may have been joined, and bear one name of several.
        kept = "texts" in result.tables
        table = result.table("texts") if kept else result.positions
        read = table[table.part == part]
        groups = frozenset(map(canonical, read.group.unique()))
        return cls(groups, frozenset(read.words) if kept else None, signatures_of(read.minhash if kept else ()))

    def answers_same_problem(self, document: TokenizedDocument) -> bool:
        """Return whether a document's group is among those that were read."""
        return canonical(document.group) in self.groups

    def holds(self, document: TokenizedDocument, near_duplicates: float | None) -> bool:
        """Return whether a document is among those that were read, by its words, or else by its group.

        So is one that has nearly the words of one of them: whose Jaccard index with it, as MinHash estimates it, is at
        least `near_duplicates`.
        """
        if self.words is None:
            return self.answers_same_problem(document)
        if text_key(document) in self.words:
            return True
        return near_duplicates is not None and most_alike(model_words(document), self.signatures) >= near_duplicates
