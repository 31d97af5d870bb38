"""Records with a problem, an answer and perhaps a thought in columns of their own, under known names."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from neurosieve_plugins.records import Record, RecordError

__all__ = ["Columns", "columns_of", "response_columns"]

_ATTEMPTS: Mapping[str, str] = {
    "deepseek_thinking_trajectory": "deepseek_attempt",
    "gemini_thinking_trajectory": "gemini_attempt",
    "thinking_trajectory": "attempt",
}
"""As s1K has them: where there are several, the first is taken, and a run says which."""
_PROBLEMS = ("prompt", "problem", "question", "instruction")
_RESPONSES = ("response", "completion", "output")
_SOLUTIONS = ("solution", "answer")
"""Beside a response, these are the right answers to grade by."""
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thought")


class Columns(NamedTuple):
    """The names of the columns."""

    answer: str
    thought: str | None = None
    known: bool = True
    """Whether the answer is the model's by its name: `answer` may be the right answer as well."""


def response_columns(fields: Mapping[str, Any]) -> list[str]:
    """Return in which columns a record holds what the model says, where their names leave no doubt that it is that."""
    attempts = [[*pair] for pair in _ATTEMPTS.items() if _texts(fields, pair) == [*pair]]
    if attempts:
        return attempts[0]
    return _texts(fields, _RESPONSES) if any(fields.get(name) for name in _PROBLEMS) else []


def columns_of(first: Record, prompt_field: str | None) -> Columns | None:
    """Return where the first record holds what the model says; None where that is under no known name.

    Raises:
        RecordError: several columns may hold it.
    """
    for thought, answer in _ATTEMPTS.items():
        if _texts(first.fields, (thought, answer)) == [thought, answer]:
            return Columns(answer, thought)
    if prompt_field is None and not any(first.fields.get(name) for name in _PROBLEMS):
        return None
    for names in (_RESPONSES, _SOLUTIONS):
        held = [name for name in _texts(first.fields, names) if name != prompt_field]
        if len(held) > 1:
            shown = " and ".join(f"`{name}`" for name in held)
            advice = f"set `source.answer_field={held[0]}`, or the other"
            raise RecordError(first.where, f"holds {shown}, and one of them is needed", advice)
        if held:
            thoughts = [name for name in _texts(first.fields, _THOUGHTS) if name != prompt_field]
            return Columns(held[0], thoughts[0] if thoughts else None, names == _RESPONSES)
    return None


def _texts(fields: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [name for name in names if isinstance(fields.get(name), str)]
