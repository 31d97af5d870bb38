"""Find where phrases may stand by their letters alone, before anything else of a text is compared."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from ahocorasick_rs import AhoCorasick

from neurosieve_plugins.detectors.character_folds import letters_of
from neurosieve_plugins.detectors.folding import FoldedText, fold_text, mark_commands

__all__ = ["FoldedPhrase", "PhraseSearch", "Place", "phrase_search", "small"]

_TO_ASCII = "neurosieve.letters"
"""Names what an encoder to ASCII does with other letters: it passes over the rest of a text many times as fast as any
search from Python."""
_ASCII_LETTERS = {code: chr(code).lower() if chr(code).isalnum() else None for code in range(128)}
_IS_ASCII_LETTER = np.array([letter is not None for letter in _ASCII_LETTERS.values()])
_TURKISH = ("ı", "İ", "I\u0307")


class FoldedPhrase(NamedTuple):
    """A phrase, and what it is read as."""

    label: str
    """The phrase as given."""
    text: str
    dotless: bool
    """Whether the small letter of `I` is `ı`, as in Turkish."""


class Place(NamedTuple):
    """A stretch of a text with the letters of a phrase, from the first of them to the last."""

    start: int
    end: int
    phrases: tuple[FoldedPhrase, ...]
    """The phrases with these letters."""


def small(folded: FoldedText, dotless: bool) -> str:
    """Return a folded text in the small letters of the language of a phrase."""
    return folded.small_dotless if dotless else folded.small


@dataclass(frozen=True)
class PhraseSearch:
    """Finds the places in a text that have the letters of a phrase."""

    automaton: AhoCorasick
    phrases: tuple[tuple[FoldedPhrase, ...], ...]
    """The phrases with the same letters, for each of the automaton's numbers."""
    ascii: bool
    """Whether all these letters are ASCII, and others need not be told apart."""
    signs: tuple[FoldedPhrase, ...]
    """The phrases without any letter."""

    def places(self, text: str) -> Iterator[Place]:
        """Yield each place of a text, in which commands were marked, with all letters of a phrase one after another."""
        if not self.phrases:
            return
        matches = self.automaton.find_matches_as_indexes(self._letters(text), overlapping=True)
        if not matches:
            return
        origins = self._origins(text)
        for number, first, behind in matches:
            yield Place(int(origins[first]), int(origins[behind - 1]) + 1, self.phrases[number])

    def _letters(self, text: str) -> str:
        if text.isascii():
            return text.translate(_ASCII_LETTERS)
        if not self.ascii:
            return letters_of(text)
        return text.encode("ascii", _TO_ASCII).decode().translate(_ASCII_LETTERS)

    def _origins(self, text: str) -> npt.NDArray[np.int64]:
        """Return the character of the text that each of its letters comes from."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        letters = _IS_ASCII_LETTER[np.minimum(codes, 127)].astype(np.int64)
        of = _ascii_letters if self.ascii else letters_of
        for at in np.flatnonzero(codes > 127).tolist():
            letters[at] = len(of(text[at]))
        return np.repeat(np.arange(len(text)), letters)


@lru_cache(maxsize=1 << 14)
def _ascii_letters(text: str) -> str:
    return "".join(letter for letter in letters_of(text) if letter.isascii())


def _to_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return _ascii_letters(error.object[error.start : error.end]), error.end


codecs.register_error(_TO_ASCII, _to_ascii)


@lru_cache(maxsize=64)
def phrase_search(phrases: tuple[str, ...], language: str) -> PhraseSearch:
    """Return what finds the places of phrases, whose `I` is that of Turkish by their language or by their letters."""
    by_letters: dict[str, dict[tuple[str, bool], FoldedPhrase]] = {}
    for phrase in phrases:
        dotless = language in ("tr", "az") or any(letter in phrase for letter in _TURKISH)
        text = small(fold_text(mark_commands(phrase)), dotless)
        by_letters.setdefault(letters_of(text), {}).setdefault((text, dotless), FoldedPhrase(phrase, text, dotless))
    signs = tuple(by_letters.pop("", {}).values())
    same_letters = tuple(tuple(folded.values()) for folded in by_letters.values())
    return PhraseSearch(AhoCorasick(list(by_letters)), same_letters, all(map(str.isascii, by_letters)), signs)
