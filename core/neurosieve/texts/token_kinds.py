"""What kind of token each token of a text is: controls of another kind than the onsets would tell kinds apart."""

import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from neurosieve.data import TokenizedDocument

__all__ = ["TOKEN_KINDS", "token_kinds"]

TOKEN_KINDS = (
    "sentence start",
    "word start",
    "word piece",
    "number at a sentence start",
    "number start",
    "number piece",
    "punctuation",
    "line break",
    "blank",
)
"""The kinds, by number. A token is what its first character that is not blank is; `punctuation` is all that is neither
letter nor number, and a piece goes on with the word or number before it. A sentence starts where an author does, in a
new line, and behind `.`, `!`, `?` and a blank, or their like in other scripts; quotation marks, brackets, dashes and
signs of emphasis and lists may stand before its first word."""

_KEPT = "_token_kinds"
_BLANK, _BREAK, _LETTER, _DIGIT, _STOP, _FULL_STOP, _APOSTROPHE, _OPENING, _MARK = range(9)


def token_kinds(document: TokenizedDocument) -> npt.NDArray[np.int8]:
    """Return the kind of each token, a number of `TOKEN_KINDS`, from the text and the token's place in it.

    They are worked out once and kept with the document, which never changes: read them, and do not write to them.
    """
    kept = vars(document)
    if _KEPT not in kept:
        kinds = _kinds(document)
        kinds.flags.writeable = False
        kept[_KEPT] = kinds
    kinds_of_document: npt.NDArray[np.int8] = kept[_KEPT]
    return kinds_of_document


def _kinds(document: TokenizedDocument) -> npt.NDArray[np.int8]:
    tokens, size = len(document.starts), len(document.text)
    if not tokens or not size:
        return np.full(tokens, _number("blank"), dtype=np.int8)
    classes = _classes(document.text)
    word, number = classes == _LETTER, classes == _DIGIT
    # An apostrophe between letters is inside a word.
    inside = np.flatnonzero(classes == _APOSTROPHE)
    inside = inside[(inside > 0) & (inside < size - 1)]
    word[inside[word[inside - 1] & word[inside + 1]]] = True
    # The first character at or behind each place that is not blank.
    solid = np.minimum.accumulate(np.where(classes > _BREAK, np.arange(size), size)[::-1])[::-1]
    starts, ends = np.clip(document.starts, 0, size - 1), np.clip(document.ends, 0, size)
    first = np.minimum(solid[starts], size - 1)
    before = np.maximum(first - 1, 0)
    goes_on = (first > 0) & (word | number)[before]
    begins = [document.completion_start, *(passage.start for passage in document.passages)]
    opens = (first == 0) | _opens(classes, word | number, begins)[before]
    breaks = np.concatenate([[0], np.cumsum(classes == _BREAK)])
    kinds = np.select(
        [
            (solid[starts] >= ends) | (document.ends <= document.starts),
            word[first],
            number[first],
        ],
        [
            np.where(breaks[ends] > breaks[starts], _number("line break"), _number("blank")),
            np.select([goes_on, opens], [_number("word piece"), _number("sentence start")], _number("word start")),
            np.select(
                [goes_on, opens],
                [_number("number piece"), _number("number at a sentence start")],
                _number("number start"),
            ),
        ],
        default=_number("punctuation"),
    )
    return kinds.astype(np.int8)


def _opens(
    classes: npt.NDArray[np.int8], content: npt.NDArray[np.bool_], begins: Sequence[int]
) -> npt.NDArray[np.bool_]:
    """Return whether a sentence may start right behind each character; `begins` are where other authors do."""
    authors = np.zeros(len(classes), dtype=np.bool_)
    authors[[begin - 1 for begin in begins if 0 < begin <= len(classes)]] = True
    other = _last(content | (classes == _MARK))
    stop, blank = _last(classes == _STOP), _last(classes == _BLANK)
    ended = _last((classes == _FULL_STOP) | (classes == _BREAK) | authors)
    return (other < 0) | (ended >= other) | ((stop > other) & (blank > stop))


def _last(where: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return, for each place, the last one up to it where it is so; -1 where there is none."""
    return np.maximum.accumulate(np.where(where, np.arange(len(where)), -1))


def _number(kind: str) -> int:
    return TOKEN_KINDS.index(kind)


def _classes(text: str) -> npt.NDArray[np.int8]:
    """Return the class of each character."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    characters, where = np.unique(codes, return_inverse=True)
    return np.array([_class(chr(code)) for code in characters], dtype=np.int8)[where]


@cache
def _class(character: str) -> int:
    category = unicodedata.category(character)
    if character.isspace():
        return _BREAK if len(f"a{character}b".splitlines()) > 1 else _BLANK
    if character.isdecimal():
        return _DIGIT
    if character.isalnum() or category.startswith("M"):
        return _LETTER
    if character in "'’ʼ":
        return _APOSTROPHE
    if character in ".!?…":
        return _STOP
    if character in "。．！？।؟۔":
        return _FULL_STOP
    return _OPENING if category in ("Pd", "Pe", "Pf", "Pi", "Ps") or character in '"*_#>•' else _MARK
