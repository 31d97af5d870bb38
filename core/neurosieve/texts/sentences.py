"""Where sentences begin and end."""

import re
from collections.abc import Iterator
from itertools import pairwise

import regex

__all__ = ["sentences"]

_SHORTEST = 10
_TAG = regex.compile(r"</?think>")
_ABBREVIATIONS = "al|approx|cf|Dr|e\\.g|Eqs?|Figs?|i\\.e|Mrs?|Ms|Prof|resp|Sec|St|viz|vs"
# A search for signs alone is many times as fast as one for all that may stand at them.
_SIGNS = re.compile(r"(?P<mark>[.?!](?=\s)|[。！？])|[\r\n`\\$]")
_BEHIND_A_MARK = regex.compile(
    # A full stop, a question mark or an exclamation mark before a space, unless it ends an abbreviation or a number
    # that begins an item of a list.
    rf"(?<=[.?!])(?<!\b(?:{_ABBREVIATIONS})\.)(?<!(?:^|\n)[ \t]*\d{{1,3}}\.)(?=\s)"
    r"|(?<=[。！？])",  # Chinese and Japanese put no space there.
    regex.MULTILINE,
)
_AT_A_SIGN = regex.compile(
    r"(?P<end>"
    r"(?=\r?\n\r?\n)"  # An empty line.
    r"|(?=\n[ \t]*\d{1,3}\.[ \t])"  # An item of a numbered list.
    r")"
    r"|(?P<code>^```.{0,20000}?^```)"
    # What stands in a formula or in code of one line ends no sentence.
    r"|\\\[.{0,1000}?\\\]|\\\([^\n]{0,500}?\\\)|\$\$.{0,1000}?\$\$|`[^`\n]{1,500}`"
    # A price has a space, or the end of the line, before the next sign.
    r"|(?<![\\$\w])\$(?=[^\s$])[^$\n]{1,500}(?<=[^\s$\\])\$(?![\d$])",
    regex.DOTALL | regex.MULTILINE,
)


def sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    r"""Return where each sentence of `text` begins and ends, from character `start` on and as far as `end`, without the
    space around it.

    A sentence ends with a full stop, a question mark or an exclamation mark that white space follows, at an empty line,
    and before an item of a numbered list; not after an abbreviation such as "e.g.", nor within a formula of LaTeX or
    code between backticks. A block of code is a sentence. A piece of fewer than ten characters, such as "Wait.",
    belongs to the next sentence, or to the one before where it is the last. The tags `<think>` and `</think>` belong to
    none, and no sentence goes across.
    So, but for abbreviations, formulas, lists and code, were the sentences of Thought Anchors cut
    (https://github.com/interp-reasoning/thought-anchors) before they were annotated; the Chinese and Japanese marks are
    ours.

    >>> text = "Hmm, i.e. $a = 3. $ So, 3.5 is odd. Wait.\n\n2. Try again!</think>Done, at last"
    >>> [text[begin:end] for begin, end in sentences(text)]
    ['Hmm, i.e. $a = 3. $ So, 3.5 is odd.', 'Wait.\n\n2. Try again!', 'Done, at last']
    """
    bounds: list[tuple[int, int]] = []
    at, behind = start, len(text) if end is None else end
    for tag in _TAG.finditer(text, pos=start, endpos=behind):
        bounds += _between(text, at, tag.start())
        at = tag.end()
    return bounds + _between(text, at, behind)


def _between(text: str, start: int, end: int) -> list[tuple[int, int]]:
    edges = [start, *_ends(text, start, end), end]
    bounds: list[tuple[int, int]] = []
    waiting: int | None = None  # Where the short pieces begin that belong to the next sentence.
    for left, right in pairwise(edges):
        piece = text[left:right]
        if not piece.strip():
            continue
        begin = left + len(piece) - len(piece.lstrip()) if waiting is None else waiting
        behind = left + len(piece.rstrip())
        if behind - begin < _SHORTEST:
            waiting = begin
        else:
            bounds.append((begin, behind))
            waiting = None
    if waiting is not None:
        begin = bounds.pop()[0] if bounds else waiting
        bounds.append((begin, start + len(text[start:end].rstrip())))
    return bounds


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    """Yield where a piece ends, and the next begins."""
    at = start
    while sign := _SIGNS.search(text, at, end):
        at = sign.end()
        if sign.lastgroup == "mark":
            if _BEHIND_A_MARK.match(text, pos=at, endpos=end):
                yield at
        elif match := _AT_A_SIGN.match(text, pos=sign.start(), endpos=end):
            if match.lastgroup == "end":
                yield match.start()
            elif match.lastgroup == "code":
                yield from match.span()
            at = max(at, match.end())
