"""Detect texts that loop."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import regex
from annotated_types import Ge

from neurosieve import Detector, Document, Scope, Span, check_fields

__all__ = ["Repeating"]

_TOKEN = regex.compile(
    r"```.*?```"  # Fenced code.
    r"|\\[A-Za-z]+"  # A command of LaTeX.
    r"|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Khmer}\p{Lao}]"  # Scripts without blanks between words.
    r"|[\p{L}\p{M}\p{N}]+"
    r"|\S",
    regex.DOTALL,
)
_WORD = regex.compile(r"\p{L}[\p{L}\p{M}\p{N}]*\p{L}|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Khmer}\p{Lao}]")
_CELLS = ("|", "&")
"""What parts the cells of tables and matrices, whose rows may well be alike."""


class _Tokens(NamedTuple):
    """The tokens of a text: its words, numbers, signs and commands of LaTeX."""

    numbers: npt.NDArray[np.int64]
    """A number for each token: the same for those that are written alike."""
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]
    """How many words stand before each token, and in all."""


@dataclass(frozen=True)
class Repeating(Detector):
    """Whole texts that loop: a phrase is said again and again without a break.

    A phrase, of any length up to `longest`, comes at least `times` in a row, and all that is repeated holds at least
    `words` words. So Holtzman et al. (2020, arXiv 1904.09751) count texts that end in a phrase said three times or
    more; here a loop may stand anywhere, for models leave some. Words have two letters or more: numbers, signs and
    single letters must repeat too, but a list of equations is no loop. Nor are rows of tables and matrices, nor fenced
    code.

    >>> loop = "So it is 7. " + "Wait, let me check that again. " * 6
    >>> list(Repeating().detect(Document(id="a", group="a", text=loop)))
    [Span(start=0, end=198, label='Wait, let me check that again.')]
    """

    times: Annotated[int, Ge(2)] = 3
    """How often a phrase comes in a row, at the least."""
    words: Annotated[int, Ge(1)] = 30
    """How many words all that is repeated holds, at the least."""
    longest: Annotated[int, Ge(1)] = 300
    """The longest phrase that is looked for, in words, numbers and signs."""
    mark: Literal["text", "loop"] = "text"
    """What is marked: the whole `text`, or each `loop`, from the first time that its phrase is said."""
    scope: Scope = "completion"
    """Where it looks."""

    def __post_init__(self) -> None:
        check_fields(self, "the detector `repeating`: ")

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield the loops of the scope, or each stretch of the scope if there is a loop in any."""
        stretches = document.stretches(self.scope)
        loops = [loop for start, end in stretches for loop in self._loops(document.text[start:end], start)]
        if self.mark == "loop":
            yield from loops
        elif loops:
            yield from (Span(start, end, loops[0].label) for start, end in stretches)

    def _loops(self, text: str, before: int) -> Iterator[Span]:
        """Yield the loops of a stretch of a text, from left to right; those that touch are one."""
        tokens = _tokens(text)
        runs = sorted(run for period in range(1, self.longest + 1) for run in self._runs(tokens, period))
        at = 0
        while at < len(runs):
            start, behind, period = runs[at]
            while at < len(runs) and runs[at][0] <= behind:
                behind = max(behind, runs[at][1])
                at += 1
            while tokens.words[start + 1] == tokens.words[start]:  # The full stop before a phrase ends it too.
                start += 1
            first, last = int(tokens.starts[start]), int(tokens.ends[behind - 1])
            phrase = text[first : int(tokens.ends[start + period - 1])]
            yield Span(before + first, before + last, " ".join(phrase.split()))

    def _runs(self, tokens: _Tokens, period: int) -> Iterator[tuple[int, int, int]]:
        """Yield each run of tokens that repeats with a period, as its first token, the one behind its last, the period.

        A run of n tokens is periodic where each but the first `period` is the token that stands `period` before it.
        """
        least = period * (self.times - 1)
        if len(tokens.numbers) < period + least:
            return
        alike = tokens.numbers[period:] == tokens.numbers[:-period]
        if np.count_nonzero(alike) < least:  # As with most of the longer periods.
            return
        same = np.concatenate([[False], alike, [False]])
        edges = np.flatnonzero(same[1:] != same[:-1])
        for first, behind in edges.reshape(-1, 2)[np.diff(edges)[::2] >= least].tolist():
            if tokens.words[behind + period] - tokens.words[first] >= self.words:
                yield first, behind + period, period


def _tokens(text: str) -> _Tokens:
    known: dict[str, int] = {}
    numbers, starts, ends, words = [], [], [], [0]
    for place, match in enumerate(_TOKEN.finditer(text)):
        token = match[0].lower()  # By itself, as lower case may take more characters.
        alone = token in _CELLS or token.startswith("```")
        numbers.append(-1 - place if alone else known.setdefault(token, len(known)))  # Like no other, if alone.
        starts.append(match.start())
        ends.append(match.end())
        words.append(words[-1] + (not alone and _WORD.fullmatch(token) is not None))
    arrays = (np.array(values, dtype=np.int64) for values in (numbers, starts, ends, words))
    return _Tokens(*arrays)
