"""Numbers as texts write them: with a currency or a unit, thousands apart, and any minus."""

import re
from decimal import Decimal
from typing import NamedTuple

__all__ = ["Number", "number", "numbers_said", "same_number"]

_THIN = "\u00a0\u2009\u202f"
_GAPS = re.compile(rf"(?<=\d)(?:,|\{{,\}}|\\[,!]|,\\!|[{_THIN}_'])(?=\d{{3}}(?!\d))")
"""What stands between thousands."""
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})*(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+")
_NUMBER = re.compile(
    r"(?P<sign>[-+]?)\s?(?:\\?\$|[£€¥])?\s?(?P<digits>\d[\d,]*(?:\.\d+)?|\.\d+)(?P<unit>.*)", re.DOTALL
)
_UNIT = re.compile(
    r"(?:\\[,;! ]|~|\s)*"
    r"(?:\\?[%$]|[°£€¥]|\^?\{?\\circ\}?|(?<!\d)(?!(?:and|or|to|by|times|plus|minus)\b)[^\W\d_]|[a-zµ]{2}|\()[^\d\\]*",
    re.IGNORECASE,
)
"""What may stand behind a number. One letter close behind it is a factor, as in `2x`; two are a unit, as in `5cm`."""
_SCALE = re.compile(r"\b(?:hundred|thousand|[mb]illion|trillion|dozen)", re.IGNORECASE)
_TEXT = re.compile(r"\\{1,2}(?:text|textbf|textit|textrm|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")


_NAMED = re.compile(r"\\?[A-Za-z]\w?\s*=\s*")
_SAID = re.compile(r"(?<![\w.,/])[-+−]?(?:\\?[$£€])?\d[\d,]*(?:\.\d+)?(?:\s?/\s?\d+)?(?![\w/])")


class Number(NamedTuple):
    """A number, and the unit behind it, "" where there is none."""

    value: Decimal
    unit: str


def number(text: str) -> Number | None:
    r"""Return the number that a text is; None where it is something else, such as a formula.

    >>> number("-1,234.50 m"), number(r"95,\!040"), number("2x + 1")
    (Number(value=Decimal('-1234.50'), unit='m'), Number(value=Decimal('95040'), unit=''), None)
    """
    plain = _TEXT.sub(r"\1", text.strip().removesuffix(".")).replace("−", "-").replace("–", "-")
    plain = _GAPS.sub(",", plain)
    found = _NUMBER.fullmatch(plain)
    if found is None or not _THOUSANDS.fullmatch(found["digits"]):
        return None
    unit = found["unit"]
    if unit.strip() and (not _UNIT.fullmatch(plain, found.start("unit")) or _SCALE.search(unit)):
        return None
    return Number(
        Decimal(found["sign"] + found["digits"].replace(",", "")), re.sub(r"[\s\\{}^,;!~]+", "", unit).lower()
    )


def same_number(given: str, right: str) -> bool:
    """Return whether two texts are the same number; where only one has a unit, that is left out.

    >>> same_number("$1,234.00", "1234"), same_number("5 m", "5"), same_number("5 m", "5 cm")
    (True, True, False)
    """
    first, second = number(given), number(right)
    if first is None or second is None or first.value != second.value:
        return False
    return first.unit == second.unit or not (first.unit and second.unit)


def numbers_said(answer: str) -> list[str]:
    """Return the number that an answer says, with a name before it or within a sentence; several where it says several.

    An answer that is no sentence, such as a formula or one word, is returned as it is.

    >>> numbers_said("x = 5"), numbers_said("There are 23 parrots."), numbers_said("8 of them cost $750 each")
    (['5'], ['23'], ['8', '$750'])
    """
    answer = _NAMED.sub("", answer, count=1) if _NAMED.match(answer) else answer
    words = re.findall(r"(?<![\\\w])[^\W\d_]{2,}", answer)
    if number(answer) is not None or len(words) < 3:
        return [answer]
    return _SAID.findall(answer) or [answer]
