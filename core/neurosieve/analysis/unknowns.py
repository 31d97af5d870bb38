"""What traces do not tell: where an answer, a mark or a box is found in none of them, there is no share to give."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from neurosieve.wording import plural

__all__ = ["mark_unknown", "unanswered_warning"]

CUT_OFF = "no answer was found: it ran out of tokens"
_THOUGHT_ENDS = (
    "</think>",
    "</thinking>",
    "</thought>",
    "</reasoning>",
    "<|end_of_thought|>",
    "<|channel|>final<|message|>",
    "[/THINK]",
    "</seed:think>",
    "◁/think▷",
)
"""What models of the common families write as their thought ends."""


def mark_unknown(traces: pd.DataFrame, texts: Sequence[str], thought_end: str) -> list[str]:
    """Set to unknown, in the table of traces, what no trace tells; return a warning about each such column.

    A mark that stands in no trace does not show that no thought ended: it may be another mark. A box that no trace
    begins does not show that all were cut off. A trace without an answer is not right where it is known to have been
    cut off; else it may have an answer in a form that the grader cannot read, and whether it is right is unknown.
    """
    warnings, total = [], len(traces)
    if not traces.thought_ended.any():
        traces.loc[:, "thought_ended"] = pd.NA
        others = Counter(mark for text in texts for mark in _THOUGHT_ENDS if mark in text)
        others.pop(thought_end, None)
        hint = "; ".join(f"`{mark}` stands in {count:,}" for mark, count in others.most_common(2))
        warnings.append(
            f"`{thought_end}` ends a thought in none of {plural(total, 'trace')}, so how many thoughts ended is not "
            f"known: name what ends one with `thought_end=...`{f' ({hint})' if hint else ''}"
        )
    by_answer = traces.ended_known_by == "answer"
    if by_answer.any() and traces.out_of_tokens[by_answer].all():
        traces.loc[by_answer, "out_of_tokens"] = pd.NA
        traces.loc[by_answer, "ended_known_by"] = ""
        warnings.append(
            f"none of {plural(int(by_answer.sum()), 'trace')} whose prompt or solution has a boxed answer begins one, "
            "so how many of them ran out of tokens is not known"
        )
    if traces.unanswered.all():
        traces.loc[:, "right"] = pd.NA
        return warnings
    cut_off = traces.unanswered & traces.out_of_tokens.fillna(False)
    traces.loc[cut_off, "right"] = False
    traces.loc[cut_off, "reason"] = CUT_OFF
    return warnings


def unanswered_warning(traces: pd.DataFrame) -> list[str]:
    """Return a warning where traces have no answer that the grader finds."""
    total, unanswered = len(traces), int(traces.unanswered.sum())
    if not unanswered:
        return []
    found = f"no answer was found in {unanswered:,} of {total:,}"
    if unanswered == total:
        return [
            f"{found} traces, so how many are right is not known: look at how they end, and choose a grader that reads "
            "such answers"
        ]
    cut_off = int((traces.unanswered & traces.right.notna()).sum())
    unread = unanswered - cut_off
    parts = [f"{cut_off:,} ran out of tokens and count as not right"] * (cut_off > 0)
    parts += [f"{unread:,} are counted neither as right nor as wrong"] * (unread > 0)
    return [f"{found} traces: {', '.join(parts)}"]
