"""Where records hold their conversations, read off the first of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from neurosieve import Assumption
from neurosieve_plugins.records import Record, RecordError, value_at
from neurosieve_plugins.sources.chat_columns import columns_of
from neurosieve_plugins.sources.chat_conversations import DEFAULT_SPELLING, ConversationFields
from neurosieve_plugins.sources.chat_messages import spelling_of
from neurosieve_plugins.sources.known_fields import COMPLETIONS, MESSAGES, PROMPTS, is_list, is_turns, list_at, unpacked

__all__ = ["read_off"]


def read_off(first: Record, settings: ConversationFields) -> ConversationFields:
    """Return the fields of the settings, with what they leave open read off the first record.

    Raises:
        RecordError: that cannot be told.
    """
    fields = replace(settings, first=first.where)
    if settings.prompts_only:
        fields = _with_prompt(first, _with_turns_of_prompts(first, fields))
        _check_prompt(first, fields)
    else:
        if settings.thought_field is None and settings.answer_field is None:
            fields = _with_lists(first, fields)
        if fields.words is None:
            fields = _with_columns(first, fields)
        fields = _with_prompt(first, fields)
    if fields.system_field is None and isinstance(first.fields.get("system"), str):
        fields = replace(fields, system_field="system")
    turns = unpacked(value_at(first.fields, fields.messages_field or fields.prompt_field or "", ()))
    spelling = spelling_of(turns[0]) if is_turns(turns) else None
    return replace(fields, spelling=spelling or DEFAULT_SPELLING)


def _with_lists(first: Record, fields: ConversationFields) -> ConversationFields:
    """Add the field with the turns, and the one with several completions, where the record has them."""
    if fields.messages_field is not None:
        return fields
    *shallow, deep = MESSAGES
    messages = _only(first, shallow, "source.messages_field", is_turns)
    completions = fields.completions_field
    if completions is None:
        *names, deep_completions = COMPLETIONS
        completions = _only(first, names, "source.completions_field", is_list) or _only(
            first, [deep_completions], "source.completions_field", is_list
        )
        if completions is not None:
            fields = _noting(fields, f"its completions were read from `{completions}`")
        elif messages is None and is_turns(value_at(first.fields, deep)):
            messages = deep
            fields = _noting(fields, f"its turns were read from `{deep}`")
    return replace(fields, messages_field=messages, completions_field=completions)


def _with_turns_of_prompts(first: Record, fields: ConversationFields) -> ConversationFields:
    """Add the field with the turns, where no field with prompts is set."""
    if fields.messages_field is not None or fields.prompt_field is not None:
        return fields
    return replace(fields, messages_field=_only(first, MESSAGES, "source.messages_field", is_turns))


def _check_prompt(first: Record, fields: ConversationFields) -> None:
    """Raise RecordError where nothing says which field has the prompts."""
    if fields.messages_field is None and fields.prompt_field is None:
        names = ", ".join(f"`{name}`" for name in first.fields) or "no field at all"
        why = f"holds no prompt under a known name; it has {names}"
        raise RecordError(first.where, why, "set `source.prompt_field`, or `source.messages_field` for turns")


def _with_columns(first: Record, fields: ConversationFields) -> ConversationFields:
    """Add the columns with what the model says.

    Raises:
        RecordError: there are none that are known, or a field that is known to hold a list holds something else.
    """
    columns = columns_of(first, fields.prompt_field)
    if columns is None or not columns.known:
        _check_lists(first, str if columns else str | list | tuple | None)
    if columns is None:
        names = ", ".join(f"`{name}`" for name in first.fields)
        alone = "; where they hold prompts alone, set `source.prompts_only=true`"
        raise RecordError(
            first.where,
            f"holds no conversation under a known name; it has {names or 'no field at all'}",
            "set `source.messages_field`, or `source.completions_field` for several completions, or "
            "`source.prompt_field` with `source.thought_field` and `source.answer_field`"
            + alone
            * any(isinstance(first.fields.get(name), str) for name in PROMPTS),
        )
    fields = replace(fields, answer_field=columns.answer, thought_field=columns.thought)
    fields = _noting(fields, f"what the model says was read from `{columns.answer}`", columns.known)
    if columns.thought is not None:
        fields = _noting(fields, f"what the model thinks was read from `{columns.thought}`")
    return fields


def _check_lists(first: Record, kinds: Any) -> None:
    """Raise RecordError where a field that is known to hold turns or completions holds something else of some kinds.

    Without this, a text in `generations` would be passed over, and the right answer in `answer` taken for the model's.
    """
    for names, setting, items in (
        (MESSAGES, "source.messages_field", "turns"),
        (COMPLETIONS, "source.completions_field", "completions"),
    ):
        for name in names:
            if name in first.fields and isinstance(first.fields[name], kinds):
                list_at(first, setting, name, items)
                why = f"holds a list in `{name}`, and its first item does not say who speaks"
                raise RecordError(first.where, why, 'write turns as in {"role": "user", "content": "..."}')


def _with_prompt(first: Record, fields: ConversationFields) -> ConversationFields:
    """Add the field with the prompt, where completions or columns stand beside one."""
    if fields.prompt_field is not None or fields.messages_field is not None:
        return fields
    columns = fields.thought_field is not None or fields.answer_field is not None
    if columns and all(isinstance(first.fields.get(name), str) for name in ("instruction", "input")):
        fields = replace(fields, prompt_field="instruction", input_field="input")
        return _noting(fields, "its prompt was read from `instruction` and `input`")
    prompt = _only(first, PROMPTS, "source.prompt_field", lambda value: isinstance(value, str) or is_turns(value))
    if prompt is None:
        return fields
    return _noting(replace(fields, prompt_field=prompt), f"its prompt was read from `{prompt}`")


def _noting(fields: ConversationFields, what: str, known: bool = True) -> ConversationFields:
    return replace(fields, assumptions=(*fields.assumptions, Assumption(what, known=known)))


def _only(first: Record, names: Sequence[str], setting: str, fits: Callable[[Any], bool]) -> str | None:
    """Return the one of the names under which the first record holds what fits; None where there is none.

    Raises:
        RecordError: there are several.
    """
    held = [name for name in names if fits(value_at(first.fields, name))]
    if len(held) > 1:
        shown = " and ".join(f"`{name}`" for name in held)
        raise RecordError(first.where, f"holds {shown}, and one of them is needed", f"set `{setting}={held[0]}`")
    return held[0] if held else None
