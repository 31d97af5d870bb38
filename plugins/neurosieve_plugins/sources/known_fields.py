"""Under which names records are known to hold what a model and others say."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from neurosieve import Assumption
from neurosieve_plugins.records import Record, RecordError, kind_of, value_at, value_of
from neurosieve_plugins.sources.chat_columns import response_columns
from neurosieve_plugins.sources.chat_messages import spelling_of

__all__ = [
    "COMPLETIONS",
    "MESSAGES",
    "PROMPTS",
    "conversation_fields",
    "is_list",
    "is_turns",
    "list_at",
    "unpacked",
]

MESSAGES = ("messages", "conversations", "conversation", "dialog", "dialogue", "turns", "chat", "response.body.output")
COMPLETIONS = (
    *("generations", "completions", "samples", "choices", "responses", "outputs", "resps"),
    "response.body.choices",
)
"""The last of either is where the answers of OpenAI's batches stand: of its Responses, and of its Chat Completions."""
PROMPTS = ("prompt", "problem", "question", "instruction", "query", "input", "problem_text")
_LIST_AS_TEXT = re.compile(r"""\s*\[\s*(?:[\[{"']|\]\s*\Z)""")
"""How a text begins that holds a list, as JSON or as Python writes it; no mark such as `[THINK]` does."""


def conversation_fields(fields: Mapping[str, Any]) -> list[str]:
    """Return under which known names a record holds turns, completions, or a response beside its prompt.

    >>> conversation_fields({"id": 7, "messages": [{"role": "user", "content": "1 + 1?"}]})
    ['messages']
    """
    turns = [name for name in MESSAGES if is_turns(value_at(fields, name))]
    completions = [name for name in COMPLETIONS if is_list(value_at(fields, name)) and name not in turns]
    return [*turns, *completions] or response_columns(fields)


def is_turns(value: Any) -> bool:
    """Return whether a value is a list of turns, or one as JSON text."""
    value = unpacked(value)
    return isinstance(value, list | tuple) and bool(value) and spelling_of(value[0]) is not None


def is_list(value: Any) -> bool:
    """Return whether a value is a list, or one as JSON text."""
    return isinstance(unpacked(value), list | tuple)


def unpacked(value: Any) -> Any:
    """Return the list that a JSON text is, as the cells of a table hold it; any other value as it is."""
    if isinstance(value, str) and _LIST_AS_TEXT.match(value):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):  # It stays a text: who needs a list of it says what is wrong.
            return value
    return value


def list_at(record: Record, setting: str, field: str, items: str) -> tuple[Sequence[Any], tuple[Assumption, ...]]:
    """Return the list that stands in `field` of a record, and what to know of how it was read.

    Args:
        setting: the setting that names the field, for messages.
        items: what the list holds, for messages.

    Raises:
        RecordError: there is no list, or nothing is in it.
    """
    held = value_of(record, setting, field)
    value = unpacked(held)
    if isinstance(value, list | tuple) and value:
        noted = Assumption(f"`{field}` is JSON text, and was read as the list that it holds", known=True)
        return value, (noted,) if isinstance(held, str) else ()
    what, advice = kind_of(value), f"correct the record, or set `{setting}`"
    if isinstance(value, list | tuple):
        what, advice = "an empty list", "correct the record"
    elif isinstance(value, str) and _LIST_AS_TEXT.match(value):
        what = "a list that is written as text, but is no JSON, as `str()` in Python makes it,"
        advice = "write it with `json.dumps`, or save the records as JSON lines or as Parquet"
    elif isinstance(value, str):
        advice = f"if it is what the model wrote, set `source.answer_field={field}`; else {advice}"
    raise RecordError(record.where, f"holds {what} in `{field}`, not a list of {items}", advice)
