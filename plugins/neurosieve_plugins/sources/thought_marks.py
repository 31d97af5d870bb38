"""The marks between which models think, and what they part."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from neurosieve import Assumption, Passage

__all__ = ["FAMILIES", "MarkerFamily", "ThoughtMarks", "family_in", "model_passages", "with_answers"]


class ThoughtMarks(NamedTuple):
    """What stands before a thought and behind it."""

    start: str
    end: str | None
    """None where nothing is known to end it: thought and answer are not told apart then."""


MarkerFamily = Literal[
    "think", "thinking", "thought", "reasoning", "open_thoughts", "magistral", "seed", "kimi", "command", "harmony"
]
"""The names of the known families. `harmony` has channels in place of one pair of marks: see `turn_marks`."""

FAMILIES: Mapping[str, ThoughtMarks] = {
    "think": ThoughtMarks("<think>", "</think>"),
    "thinking": ThoughtMarks("<thinking>", "</thinking>"),
    "thought": ThoughtMarks("<thought>", "</thought>"),
    "reasoning": ThoughtMarks("<reasoning>", "</reasoning>"),
    "open_thoughts": ThoughtMarks("<|begin_of_thought|>", "<|end_of_thought|>"),
    "magistral": ThoughtMarks("[THINK]", "[/THINK]"),
    "seed": ThoughtMarks("<seed:think>", "</seed:think>"),
    "kimi": ThoughtMarks("◁think▷", "◁/think▷"),
    "command": ThoughtMarks("<|START_THINKING|>", "<|END_THINKING|>"),
}
"""The marks of each family that has one pair of them."""


def family_in(text: str) -> str | None:
    """Return the family whose opening mark a text holds, the first where there are several; None where there is none.

    >>> family_in("<reasoning>So 7.</reasoning><answer>7</answer>")
    'reasoning'
    """
    return min(
        (name for name, marks in FAMILIES.items() if marks.start in text),
        key=lambda name: text.index(FAMILIES[name].start),
        default=None,
    )


def model_passages(
    text: str, start: int, end: int, marks: ThoughtMarks, inside: bool = False
) -> tuple[list[Passage], list[Assumption]]:
    """Return the passages of `text[start:end]`, which the model wrote, and what was assumed of them.

    An opening mark is in no passage. The mark that ends a thought is part of it, so that thought and answer touch. A
    text in which no thought starts or ends is one `completion`.

    Args:
        inside: whether a thought has started right before `start`.

    >>> text = "<think> 3 + 4 </think> 7"
    >>> passages, _ = model_passages(text, 0, len(text), FAMILIES["think"])
    >>> [(text[start:end], role) for start, end, role in passages]
    [(' 3 + 4 </think>', 'thought'), (' 7', 'answer')]
    """
    passages: list[Passage] = []
    assumptions: list[Assumption] = []
    if marks.end is None:
        opening = text.find(marks.start, start, end)
        begins = opening >= 0 and not text[start:opening].strip()
        return [Passage(opening + len(marks.start) if begins else start, end, "completion")], assumptions
    at, thinking = start, inside
    first_end = text.find(marks.end, start, end)
    if not thinking and first_end >= 0 and text.find(marks.start, start, first_end) < 0:
        thinking = True
        what = f"holds `{marks.end}` before any `{marks.start}`: the model was taken to start inside a thought"
        assumptions.append(Assumption(what))
    while at < end:
        if thinking:
            stop = text.find(marks.end, at, end)
            behind = end if stop < 0 else stop + len(marks.end)
            passages.append(Passage(at, behind, "thought"))
            at, thinking = behind, False
            continue
        opening = text.find(marks.start, at, end)
        # Behind other words, a mark that nothing closes is rather spoken of than meant.
        starts = opening >= 0 and (not text[at:opening].strip() or text.find(marks.end, opening, end) >= 0)
        before = opening if starts else end
        if not starts or text[at:before].strip():
            passages.append(Passage(at, before, "answer"))
        if not starts:
            break
        at, thinking = opening + len(marks.start), True
    if all(passage.role == "answer" for passage in passages):
        return [Passage(start, end, "completion")], assumptions
    return passages, assumptions


def with_answers(passages: list[Passage]) -> tuple[Passage, ...]:
    """Return the passages of a document; where the model thinks in one of its turns, its other turns are answers."""
    if any(passage.role == "thought" for passage in passages):
        passages = [
            passage._replace(role="answer") if passage.role == "completion" else passage for passage in passages
        ]
    return tuple(passages)
