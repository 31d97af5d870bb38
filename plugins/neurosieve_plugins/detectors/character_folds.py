"""What a character is read as: one letter however it is written, one blank, one dash, one apostrophe."""

import unicodedata
from functools import lru_cache

import regex

__all__ = ["FOLDED_UNITS", "fold_unit", "letters_of"]

_APOSTROPHES = "’‘‚‛‹›ʹʻʼʽˈˊ´`′‵՚ꞌ＇"
_QUOTATION_MARKS = "“”„‟«»″‶〝〞〟＂"
_DASHES = "‐‑‒–—―⁃−⸺⸻﹘﹣－"
_SIGNS = str.maketrans(
    dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_QUOTATION_MARKS, '"') | dict.fromkeys(_DASHES, "-")
)
# Ligatures, full width, presentation forms. Not superscripts, circles or fractions: `7²` is not `72`.
_SAME_LETTER = frozenset(
    f"<{kind}>"
    for kind in ("compat", "font", "wide", "narrow", "small", "vertical", "initial", "medial", "final", "isolated")
)
_IGNORABLE = regex.compile(r"\p{DI}+")
# Latin letters that look like those of Cyrillic and Greek, small or as a capital, and the `i` of Turkish without a dot.
_LOOK_ALIKES = {
    **dict(zip("асеорхуіѕјһԁԛԝѵвкмнт", "aceopxyisjhdqwvbkmht", strict=True)),
    **dict(zip("αβεζηικμνορτυχ", "abezhikmnoptyx", strict=True)),
    "ı": "i",
}

FOLDED_UNITS = regex.compile(
    # A Hangul syllable in parts; a character with its marks; any other that is read as something else.
    r"\p{GCB=L}+[\p{GCB=V}\p{GCB=LV}\p{GCB=LVT}][\p{GCB=V}\p{GCB=T}]*|[\p{GCB=LV}\p{GCB=LVT}][\p{GCB=V}\p{GCB=T}]+"
    r"|\P{M}\p{M}+|\p{M}+"
    r"|[[\p{CWCF}\p{NFKC_QC=N}\p{DI}\p{White_Space}" + "".join(map(chr, _SIGNS)) + r"]--[\x00-\x7f]]",
    regex.V1 | regex.DOTALL,
)
"""Every character, with the marks that belong to it, that `fold_unit` may change, but for single ASCII characters."""


@lru_cache(maxsize=1 << 16)
def fold_unit(unit: str) -> str:
    """Return what a character and its marks are read as.

    White space is a blank, what shows nothing is nothing, dashes, apostrophes and quotation marks are those of ASCII,
    letters are small, composed, and of full height and width.
    """
    shown = _IGNORABLE.sub("", unicodedata.normalize("NFC", unit)).translate(_SIGNS)
    plain = "".join(" " if character.isspace() else _same_letter(character) for character in shown)
    # The small letter of `İ` is `i`, to which Unicode's own folding adds a dot.
    small = plain.replace("İ", "i").casefold().replace("i\u0307", "i")
    return unicodedata.normalize("NFC", small.translate(_SIGNS))


def _same_letter(character: str) -> str:
    kind, _, codes = unicodedata.decomposition(character).partition(" ")
    if kind not in _SAME_LETTER:
        return character
    letters = "".join(chr(int(code, 16)) for code in codes.split())
    # A mark that stands alone is taken for a blank with a mark.
    return character if letters[0] == " " else "".join(map(_same_letter, letters))


class _Letters(dict[int, str]):
    """The letters of each code point, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        plain = unicodedata.normalize("NFD", fold_unit(chr(code)).lower())
        self[code] = "".join(_LOOK_ALIKES.get(character, character) for character in plain if character.isalnum())
        return self[code]


_LETTERS = _Letters()


def letters_of(text: str) -> str:
    """Return a text's letters and digits alone: small, without accents, and look-alikes as one."""
    return text.translate(_LETTERS)
