"""What a finished run read: which problems and which texts, as they are compared with those of another."""

from typing import NamedTuple

from neurosieve.data import TokenizedDocument
from neurosieve.runs.results import Result
from neurosieve.texts.sameness import canonical, text_key

__all__ = ["ReadTexts"]


class ReadTexts(NamedTuple):
    """What a part of a run read."""

    groups: frozenset[str]
    """The names of its groups as the source gave them, in their canonical form."""
    words: frozenset[str] | None
    """A hash of what the model wrote in each text; None where the run kept none."""

    @classmethod
    def of(cls, result: Result, part: str) -> "ReadTexts":
        """Return what a part of a run read, `ranking` or `heldout`."""
        # The groups of the positions may have been joined, and bear one name of several.
        kept = "texts" in result.tables
        table = result.table("texts") if kept else result.positions
        read = table[table.part == part]
        return cls(frozenset(map(canonical, read.group.unique())), frozenset(read.words) if kept else None)

    def answers_same_problem(self, document: TokenizedDocument) -> bool:
        """Return whether a document's group is among those that were read."""
        return canonical(document.group) in self.groups

    def holds(self, document: TokenizedDocument) -> bool:
        """Return whether a document is among those that were read, by its words, or else by its group."""
        if self.words is None:
            return self.answers_same_problem(document)
        return text_key(document) in self.words
