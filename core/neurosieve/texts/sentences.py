"""Where sentences begin and end."""

from itertools import pairwise

import regex

__all__ = ["sentences"]

_SHORTEST = 10
_TAG = regex.compile(r"</?think>")
_BREAK = regex.compile(
    r"(?<=[.?!])(?=\s)"  # After a full stop, a question mark or an exclamation mark before a space.
    r"|(?<=[。！？])"  # Chinese and Japanese put no space there.
    r"|(?=\r?\n\r?\n)"  # At an empty line.
)


def sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    r"""Return where each sentence of `text` begins and ends, from character `start` on and as far as `end`, without the
    space around it.

    A sentence ends with a full stop, a question mark or an exclamation mark that white space follows, and at an empty
    line. A piece of fewer than ten characters, such as "2." of a list, belongs to the next sentence, or to the one
    before where it is the last. The tags `<think>` and `</think>` belong to none, and no sentence goes across.
    So were the sentences of Thought Anchors cut (https://github.com/interp-reasoning/thought-anchors) before they were
    annotated; the Chinese and Japanese marks are ours.

    >>> text = "Hmm, 3.5 is odd. Wait.\n\n2. Try again!</think>Done, at last"
    >>> [text[begin:end] for begin, end in sentences(text)]
    ['Hmm, 3.5 is odd.', 'Wait.\n\n2. Try again!', 'Done, at last']
    """
    bounds: list[tuple[int, int]] = []
    at, behind = start, len(text) if end is None else end
    for tag in _TAG.finditer(text, pos=start, endpos=behind):
        bounds += _between(text, at, tag.start())
        at = tag.end()
    return bounds + _between(text, at, behind)


def _between(text: str, start: int, end: int) -> list[tuple[int, int]]:
    edges = [start, *(match.start() for match in _BREAK.finditer(text, pos=start, endpos=end)), end]
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
