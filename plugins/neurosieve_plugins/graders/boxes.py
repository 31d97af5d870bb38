r"""Answers as texts give them: in boxes, `\boxed{...}`."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from neurosieve_plugins.graders.announced import bare

__all__ = ["Box", "begins_a_box", "boxes", "in_a_row", "normalised", "truths"]

# Two backslashes are one that was escaped on its way. A brace after a backslash does not count.
_PART = re.compile(
    r"(?P<open>\\{1,2}(?:boxed|fbox)\s*\{)|\\{1,2}(?:boxed|fbox)(?![A-Za-z])\s*(?P<bare>[^\s${}\\]+)|\\.|(?P<brace>[{}])",
    re.DOTALL,
)
_BETWEEN = re.compile(r"[\s$,;.()\[\]\\]*(?:and|or|\\text\s?\{\s?(?:and|or)\s?\})?[\s$,;()\[\]\\]*")
_FINAL = re.compile(r"^[ \t]*#{4}(?!#)[ \t]*(\S[^\n]*)\s*\Z", re.MULTILINE)
"""The last line of a solution of GSM8K."""
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ROW_GAP = 30
"""No more characters than this stand between the boxes of a row."""


class Box(NamedTuple):
    """A boxed answer, and where in the text it stands."""

    start: int
    end: int
    answer: str


def boxes(text: str) -> list[Box]:
    r"""Return the boxes of a text that hold something and are closed, by their ends; braces may be nested.

    >>> [box.answer for box in boxes(r"\boxed{} is \boxed{\frac{3}{4}}, \boxed 5 or \boxed{\frac{")]
    ['\\frac{3}{4}', '5']
    """
    return [box for box in _closed(text) if box.answer.strip()]


def begins_a_box(text: str) -> bool:
    r"""Return whether a text begins an answer in a box that holds something; it may never be closed.

    >>> begins_a_box(r"so it is \boxed{\frac{"), begins_a_box(r"Put it in \boxed{}.")
    (True, False)
    """
    return any(part["open"] and text[part.end() :][:1].strip(" }") for part in _PART.finditer(text))


def _closed(text: str) -> Iterator[Box]:
    opened: list[tuple[int, int] | None] = []  # None for a brace that opens no box.
    for part in _PART.finditer(text):
        if part["open"]:
            opened.append((part.start(), part.end()))
        elif part["bare"]:
            yield Box(part.start(), part.end(), part["bare"])
        elif part["brace"] == "{":
            opened.append(None)
        elif part["brace"] and opened:
            box = opened.pop()
            if box is not None:
                yield Box(box[0], part.end(), text[box[1] : part.start()])


def in_a_row(text: str) -> list[str]:
    r"""Return the boxed answers of a text, those that stand in a row as one; a box within a box is left out.

    >>> in_a_row(r"First \boxed{4}. The radii are $\boxed{1}$ and $\boxed{9}$.")
    ['4', '1, 9']
    """
    rows: list[list[Box]] = []
    for box in boxes(text):
        while rows and rows[-1][-1].start >= box.start:  # It is within this one, which ends later.
            rows[-1].pop()
            if not rows[-1]:
                rows.pop()
        between = text[rows[-1][-1].end : box.start] if rows else ""
        if rows and len(between) <= _ROW_GAP and "\n\n" not in between and _BETWEEN.fullmatch(between):
            rows[-1].append(box)
        else:
            rows.append([box])
    return [", ".join(dict.fromkeys(box.answer.strip() for box in row)) for row in rows]


def normalised(answer: str) -> str:
    """Return an answer in lower case and without spaces, as the founding notebook compares them."""
    return re.sub(r"\s+", "", answer.lower())


def truths(truth: str, answers: list[str]) -> tuple[list[str], str]:
    """Return the right answers, and why there are none.

    A number that GSM8K writes as `1,080` is right without its comma too.

    Args:
        truth: the right answer, or a solution that gives it in boxes, or, as GSM8K does, in a last line `#### 112`.
        answers: those in its boxes.

    >>> truths("He walks 2 * 540 miles.\\n#### 1,080", [])
    (['1,080', '1080'], '')
    """
    if answers:
        return answers, ""
    if not truth.strip():
        return [], "there is no right answer to compare with"
    if "\\boxed" in truth:
        return [], "the right answer's box is empty, or is never closed"
    final = _FINAL.search(truth)
    if final is not None:
        answer = bare(final[1])
        return list(dict.fromkeys([answer, _THOUSANDS.sub("", answer)])), ""
    return [truth.strip()], ""
