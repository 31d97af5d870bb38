"""What kind of token each token of a text is: controls of another kind than the onsets would tell kinds apart."""

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from neurosieve.data import TokenizedDocument

__all__ = ["TOKEN_KINDS", "token_kinds"]

TOKEN_KINDS = (
    "sentence start",
    "word start",
    "word piece",
    "number start",
    "number piece",
    "punctuation",
    "line break",
    "blank",
)
"""The kinds, by number. A token is what its first character that is not blank is; `punctuation` is all that is neither
letter nor number, and a piece goes on with the word or number before it. A sentence starts with the first word of a
text, behind a line break, and behind `.`, `!`, `?` and their like, with nothing but marks and blanks between."""

_BLANK, _BREAK, _LETTER, _DIGIT, _STOP, _APOSTROPHE, _MARK = range(7)


def token_kinds(document: TokenizedDocument) -> npt.NDArray[np.int8]:
    """Return the kind of each token, a number of `TOKEN_KINDS`, from the text and the token's place in it."""
    tokens, size = len(document.starts), len(document.text)
    if not tokens or not size:
        return np.full(tokens, TOKEN_KINDS.index("blank"), dtype=np.int8)
    classes = _classes(document.text)
    places = np.arange(size)
    word, number = classes == _LETTER, classes == _DIGIT
    # An apostrophe between letters is inside a word.
    inside = np.flatnonzero(classes == _APOSTROPHE)
    inside = inside[(inside > 0) & (inside < size - 1)]
    word[inside[word[inside - 1] & word[inside + 1]]] = True
    # The first character at or behind each place that is not blank, and the last before it that ends a sentence.
    solid = np.minimum.accumulate(np.where(classes > _BREAK, places, size)[::-1])[::-1]
    content = np.maximum.accumulate(np.where(word | number, places, -1))
    stop = np.maximum.accumulate(np.where(np.isin(classes, (_STOP, _BREAK)), places, -1))
    breaks = np.concatenate([[0], np.cumsum(classes == _BREAK)])

    starts, ends = np.clip(document.starts, 0, size - 1), np.clip(document.ends, 0, size)
    first = np.minimum(solid[starts], size - 1)
    blank = (solid[starts] >= ends) | (document.ends <= document.starts)
    before = np.maximum(first - 1, 0)
    goes_on = (first > 0) & (word[before] | number[before])
    last_content, last_stop = (np.where(first > 0, places_of[before], -1) for places_of in (content, stop))
    opens = (last_content < 0) | (last_stop > last_content)
    of_word = np.select([goes_on, opens], [_number("word piece"), _number("sentence start")], _number("word start"))
    of_number = np.where(goes_on, _number("number piece"), _number("number start"))
    of_blank = np.where(breaks[ends] > breaks[starts], _number("line break"), _number("blank"))
    kinds = np.select(
        [blank, word[first], number[first]], [of_blank, of_word, of_number], default=_number("punctuation")
    )
    return kinds.astype(np.int8)


def _number(kind: str) -> int:
    return TOKEN_KINDS.index(kind)


def _classes(text: str) -> npt.NDArray[np.int8]:
    """Return the class of each character."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    characters, where = np.unique(codes, return_inverse=True)
    return np.array([_class(chr(code)) for code in characters], dtype=np.int8)[where]


@cache
def _class(character: str) -> int:
    if character.isspace():
        return _BREAK if len(f"a{character}b".splitlines()) > 1 else _BLANK
    if character.isdecimal():
        return _DIGIT
    if character.isalnum() or unicodedata.category(character).startswith("M"):
        return _LETTER
    if character in "'’ʼ":
        return _APOSTROPHE
    return _STOP if unicodedata.normalize("NFKC", character)[-1] in ".!?。।؟۔" else _MARK
