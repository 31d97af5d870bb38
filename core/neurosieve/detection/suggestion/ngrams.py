"""N-grams of words, as a list of phrases would hold them, and how often sentences use them."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np
import regex

from neurosieve.detection.suggestion.log_odds import weighted_log_odds

__all__ = ["NGram", "Segment", "differing_ngrams", "segments"]

_SIGNS = str.maketrans(
    dict.fromkeys("’‘‛ʼ´`′＇", "'") | dict.fromkeys("“”„‟«»″＂", '"') | dict.fromkeys("‐‑‒–—―−", "-")
)
# Writing without blanks has no words that could be told apart: each character stands for one.
_WORD = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{scx=Katakana}\p{LB=SA}]\p{M}*"
    r"|[\p{L}\p{N}][\p{L}\p{N}\p{M}]*(?:['-][\p{L}\p{N}][\p{L}\p{N}\p{M}]*)*|\?",
    regex.V1,
)
_EMPHASIS = regex.compile(r"[*_~]+")
_BLANKS = regex.compile(r"\s+")
_GAP = regex.compile(r"""(?: |[,;:.!…'"-]| )*""")
_LONGEST_GAP = 4


class Segment(NamedTuple):
    """Words of a sentence that follow one another, with no more than blanks and punctuation between them."""

    words: tuple[str, ...]
    gaps: tuple[str, ...]
    """What stands before each word; nothing before the first."""


class NGram(NamedTuple):
    """Words that follow one another in sentences of the first of two sets."""

    text: str
    z: float
    """By how many standard errors its log odds are higher in the first set."""
    first: int
    """How often it occurs in the first set."""
    second: int
    """How often it occurs in the other."""
    groups: int
    """In how many groups of the first set it occurs."""
    sentences: tuple[int, ...]
    """The numbers of the first set's sentences that hold it."""


def segments(text: str) -> list[Segment]:
    """Return the words of a sentence, in small letters and plain quotation marks, with what stands between them.

    A question mark counts as a word. Nothing runs across a sign that is neither a blank, punctuation nor emphasis,
    such as those of a formula.

    >>> [segment.words for segment in segments("Wait, **that’s** 2x + 1?")]
    [('wait', "that's", '2x'), ('1', '?')]
    """
    # As far as this makes a letter another one, a detector of phrases does so too.
    text = unicodedata.normalize("NFC", text).translate(_SIGNS).casefold()
    parts: list[tuple[list[str], list[str]]] = []
    behind = 0
    for word in _WORD.finditer(text):
        gap = _gap(text[behind : word.start()]) if parts else None
        if gap is None:
            parts.append(([], []))
        words, gaps = parts[-1]
        gaps.append(gap or "")
        words.append(word.group())
        behind = word.end()
    return [Segment(tuple(words), tuple(gaps)) for words, gaps in parts]


@lru_cache(maxsize=4096)
def _gap(between: str) -> str | None:
    """Return what is read between two words, None where nothing runs across."""
    shown = _BLANKS.sub(" ", _EMPHASIS.sub("", between))
    # Signs of emphasis alone are an edge of words in one text, and a product in the next.
    runs_on = len(shown) <= _LONGEST_GAP and bool(shown) == bool(between) and _GAP.fullmatch(shown)
    return shown if runs_on else None


def differing_ngrams(
    first: Sequence[str], second: Sequence[str], groups: Sequence[str], longest: int, min_groups: int
) -> list[NGram]:
    """Return the n-grams of the first of two sets of sentences, with how much more it uses each than the second does.

    Args:
        first: the texts of the sentences; `second` is those of the other set.
        groups: the group of each sentence of the first set.
        longest: up to so many words make an n-gram.
        min_groups: in the first set an n-gram occurs in at least so many groups.
    """
    ours, theirs = ([segments(text) for text in texts] for texts in (first, second))
    differing: list[NGram] = []
    shorter: set[str] = set()
    for length in range(1, longest + 1):
        counts = Counter[str]()
        holding: dict[str, list[int]] = {}
        first_word: dict[str, str] = {}
        for number, sentence in enumerate(ours):
            for pieces in _of_length(sentence, length):
                # What is rare makes nothing longer that is not: it is not counted.
                if length == 1 or ("".join(pieces[:-2]) in shorter and "".join(pieces[2:]) in shorter):
                    text = "".join(pieces)
                    counts[text] += 1
                    first_word[text] = pieces[0]
                    if (numbers := holding.setdefault(text, []))[-1:] != [number]:
                        numbers.append(number)
        held_by = {text: len({groups[number] for number in numbers}) for text, numbers in holding.items()}
        shorter = {text for text, number in held_by.items() if number >= min_groups}
        if not shorter:
            break
        first_words = {first_word[text] for text in shorter}
        others = Counter(
            text
            for sentence in theirs
            for pieces in _of_length(sentence, length, first_words)
            if (text := "".join(pieces)) in shorter
        )
        texts = sorted(shorter)
        in_ours, in_theirs = (np.array([of[text] for text in texts]) for of in (counts, others))
        scores = weighted_log_odds(in_ours, in_theirs, _words(ours), _words(theirs))
        differing += [
            NGram(text, float(z), counts[text], others[text], held_by[text], tuple(holding[text]))
            for text, z in zip(texts, scores, strict=True)
        ]
    return differing


def _of_length(
    sentence: Sequence[Segment], length: int, first_words: Collection[str] | None = None
) -> Iterator[tuple[str, ...]]:
    """Yield the n-grams of a length in a sentence, or those that begin with some words: words, and what is between."""
    for words, gaps in sentence:
        for start in range(len(words) - length + 1):
            if first_words is None or words[start] in first_words:
                between = zip(gaps[start + 1 : start + length], words[start + 1 : start + length], strict=True)
                yield words[start], *chain.from_iterable(between)


def _words(sentences: Sequence[Sequence[Segment]]) -> int:
    return sum(len(words) for sentence in sentences for words, _ in sentence)
