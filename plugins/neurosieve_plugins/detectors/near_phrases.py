"""Tell what is nearly a phrase from what only has its letters by chance."""

from functools import lru_cache

from neurosieve_plugins.detectors.character_folds import letters_of
from neurosieve_plugins.detectors.folding import fold_text, within_word
from neurosieve_plugins.detectors.phrase_search import FoldedPhrase, small

__all__ = ["is_nearly"]

_SIGNS = 3
"""More signs than these between two letters, blanks aside, are no slip."""


def is_nearly(text: str, start: int, end: int, phrase: FoldedPhrase) -> bool:
    """Return whether a stretch with the letters of a phrase is one step from it.

    Either one gap holds other signs or blanks than the phrase does, or letters differ by accents, dots, or as letters
    of different scripts that look alike. It begins and ends where words do.
    """
    if within_word(text, start) or within_word(text, end):
        return False
    letters, gaps = _letters_and_gaps(small(fold_text(text[start:end]), phrase.dotless))
    phrase_letters, phrase_gaps = _letters_and_gaps(phrase.text)
    if len(letters) != len(phrase_letters):
        return False
    other = [gap for gap, in_phrase in zip(gaps, phrase_gaps, strict=True) if gap != in_phrase]
    if letters != phrase_letters:
        return not other
    return len(other) == 1 and sum(not sign.isspace() for sign in other[0]) <= _SIGNS


@lru_cache(maxsize=1024)
def _letters_and_gaps(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the letters of a text, and what stands between each and the next."""
    letters: list[str] = []
    gaps: list[str] = []
    for character in text:
        if letters_of(character):
            letters.append(character)
            gaps.append("")
        elif letters:
            gaps[-1] += character
    return tuple(letters), tuple(gaps[:-1])
