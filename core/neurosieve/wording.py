"""Words for people: counts with their nouns, and text that a terminal shows and does not obey."""

import unicodedata

__all__ = ["plural", "visible"]


_PICTURES = {"\n": "⏎", "\r": "␍", "\t": "⇥", "\u2028": "⏎", "\u2029": "⏎"}


def plural(count: int, noun: str, several: str = "") -> str:
    """Return a count and its noun: of several, that with an `s`, or as it is given.

    >>> plural(1, "neuron"), plural(1200, "present position")
    ('1 neuron', '1,200 present positions')
    """
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def visible(text: str) -> str:
    """Return `text` with a picture in place of each character that would move the cursor or turn the writing around.

    A character stays one character, so that offsets still hold.

    >>> visible("one\\ntwo \\x1b[31m\\u202e")
    'one⏎two ␛[31m�'
    """
    return "".join(_PICTURES.get(one, _picture(one)) for one in text)


def _picture(character: str) -> str:
    if character < " ":
        return chr(0x2400 + ord(character))
    # Control and format characters, lone surrogates: those that turn the writing around are among them.
    return "�" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character
