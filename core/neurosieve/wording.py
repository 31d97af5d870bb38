"""Words for people: counts with their nouns, and text without characters that control a terminal."""

import unicodedata

__all__ = ["plural", "visible"]


_SYMBOLS = {"\n": "⏎", "\r": "␍", "\t": "⇥", "\u2028": "⏎", "\u2029": "⏎"}


def plural(count: int, noun: str, several: str = "") -> str:
    """Return a count and its noun; the plural is the noun with an `s`, or `several`.

    >>> plural(1, "neuron"), plural(1200, "present position")
    ('1 neuron', '1,200 present positions')
    """
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def visible(text: str) -> str:
    """Return `text` with a symbol for each character that moves the cursor or changes the direction of the text.

    Each character stays one character, so that offsets remain right.

    >>> visible("one\\ntwo \\x1b[31m\\u202e")
    'one⏎two ␛[31m�'
    """
    return "".join(_SYMBOLS.get(character, _symbol(character)) for character in text)


def _symbol(character: str) -> str:
    if character < " ":
        return chr(0x2400 + ord(character))
    # Control and format characters, among them those of direction, and lone surrogates.
    return "�" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character
