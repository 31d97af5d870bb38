"""Texts as a page can show them."""

__all__ = ["plain"]

_MIRRORED = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}
_PICTURES = (
    {code: chr(0x2400 + code) for code in range(0x20)}
    | dict.fromkeys((*range(127, 160), *_MIRRORED, *range(55296, 57344)), "�")
    | {ord("\n"): "⏎", ord("\t"): "⇥", 0x2028: "⏎", 0x2029: "⏎"}
)


def plain(text: object) -> str:
    """Return a text with a picture in place of each character that nobody sees, or that turns the writing around.

    >>> plain("one\\ntwo\\x00")
    'one⏎two␀'
    """
    return str(text).translate(_PICTURES)
