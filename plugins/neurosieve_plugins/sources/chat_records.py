"""The conversations that a record holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from neurosieve import Assumption
from neurosieve_plugins.records import Record, RecordError, kind_of, text_of, value_at, value_of
from neurosieve_plugins.sources.chat_columns import columns_of
from neurosieve_plugins.sources.chat_messages import Message, Piece, Spelling, message_of, spelling_of, with_thoughts

__all__ = ["Conversation", "RecordLayout"]

_MESSAGES = ("messages", "conversations", "conversation", "dialog", "dialogue", "turns", "chat")
_COMPLETIONS = ("generations", "completions", "samples", "choices", "responses", "outputs", "resps")
_DEEP_COMPLETIONS, _DEEP_MESSAGES = "response.body.choices", "response.body.output"
"""Where the answers of OpenAI's batches stand: of its Chat Completions, and of its Responses."""
_PROMPTS = ("prompt", "problem", "question", "instruction", "query", "input", "problem_text")
_TEXTS = ("text", "content", "generation", "completion", "response", "output")
_DEFAULT = Spelling("role", "content")


class Conversation(NamedTuple):
    """One conversation, with the turns of the model in it."""

    messages: tuple[Message, ...]
    number: int | None = None
    """Which completion of the record it ends with, from 1; None where the record holds one conversation."""
    metadata: Mapping[str, Any] = {}
    """What is said of this completion alone."""
    direct: bool = False
    """Whether the completion is the very continuation of its prompt's text, with nothing between."""
    assumptions: tuple[Assumption, ...] = ()


@dataclass(frozen=True)
class RecordLayout:
    """Where a record holds its turns. It is read off the first record, and holds for all."""

    messages_field: str | None = None
    completions_field: str | None = None
    prompt_field: str | None = None
    thought_field: str | None = None
    answer_field: str | None = None
    system_field: str | None = None
    input_field: str | None = None
    """The field with what an `instruction` is about, which stands behind it in the prompt."""
    spelling: Spelling = _DEFAULT
    roles: Mapping[str, str] = field(default_factory=dict)
    guessed: tuple[Assumption, ...] = ()

    def understood(self, first: Record) -> "RecordLayout":
        """Return the layout with what its settings leave open read off the first record.

        Raises:
            RecordError: that cannot be told.
        """
        messages, completions, prompt = self.messages_field, self.completions_field, self.prompt_field
        guessed: list[str] = []
        columns = self.thought_field is not None or self.answer_field is not None
        if messages is None and not columns:
            messages = _only(first, _MESSAGES, "messages_field", _is_turns)
        if completions is None and not columns and self.messages_field is None:
            completions = _only(first, _COMPLETIONS, "completions_field", lambda value: isinstance(value, list | tuple))
            if completions is None and isinstance(value_at(first.fields, _DEEP_COMPLETIONS), list | tuple):
                completions = _DEEP_COMPLETIONS
            elif completions is None and messages is None and _is_turns(value_at(first.fields, _DEEP_MESSAGES)):
                messages = _DEEP_MESSAGES
                guessed.append(f"its turns were read from `{messages}`")
        thought, answer = self.thought_field, self.answer_field
        if messages is None and completions is None and not columns:
            known = columns_of(first, prompt)
            if known is not None:
                answer, thought, columns = known.answer, known.thought, True
                guessed.append(f"what the model says was read from `{answer}`")
                if thought is not None:
                    guessed.append(f"what the model thinks was read from `{thought}`")
        about = None
        if prompt is None and columns and _are_texts(first, "instruction", "input"):
            prompt, about = "instruction", "input"
            guessed.append("its prompt was read from `instruction` and `input`")
        if prompt is None and messages is None and (columns or completions is not None):
            prompt = _only(first, _PROMPTS, "prompt_field", lambda value: isinstance(value, str) or _is_turns(value))
            if prompt is not None:
                guessed.append(f"its prompt was read from `{prompt}`")
        if messages is None and completions is None and not columns:
            names = ", ".join(f"`{name}`" for name in first.fields)
            raise RecordError(
                first.where,
                f"holds no conversation under a known name; it has {names or 'no field at all'}",
                "set `messages_field`, or `completions_field` for several completions, or `prompt_field` with "
                "`thought_field` and `answer_field`",
            )
        if completions is not None and self.completions_field is None:
            guessed.append(f"its completions were read from `{completions}`")
        system = self.system_field
        if system is None and isinstance(first.fields.get("system"), str):
            system = "system"
        turns = value_at(first.fields, messages or prompt or "", ())
        spelling = spelling_of(turns[0]) if _is_turns(turns) else None
        return RecordLayout(
            messages,
            completions,
            prompt,
            thought,
            answer,
            system,
            about,
            spelling or _DEFAULT,
            self.roles,
            tuple(Assumption(what) for what in guessed),
        )

    def conversations(self, record: Record) -> list[Conversation]:
        """Return the conversations of a record: one, or one for each completion of its problem.

        Raises:
            RecordError: the record is not laid out like the first.
        """
        system = self._system(record)
        if self.completions_field is not None:
            prompt = self._prompt(record)
            return [
                conversation._replace(messages=_with_system(system, prompt + conversation.messages))
                for conversation in self._completions(record)
            ]
        if self.messages_field is not None:
            messages = self._messages(record, "messages_field", self.messages_field)
            return [Conversation(_with_system(system, messages), assumptions=self.guessed)]
        pieces = []
        if self.thought_field is not None:
            pieces.append(Piece("thought", text_of(record, "thought_field", self.thought_field)))
        if self.answer_field is not None:
            pieces.append(Piece("text", text_of(record, "answer_field", self.answer_field)))
        answer = Message("assistant", tuple(piece for piece in pieces if piece.text.strip()))
        return [Conversation(_with_system(system, (*self._prompt(record), answer)), assumptions=self.guessed)]

    def _system(self, record: Record) -> str:
        value = None if self.system_field is None else value_at(record.fields, self.system_field)
        return value if isinstance(value, str) else ""

    def _prompt(self, record: Record) -> tuple[Message, ...]:
        """Return the turns that a completion answers. No word in them is taken as the model's own."""
        return tuple(turn._replace(given=True) for turn in self._prompt_turns(record))

    def _prompt_turns(self, record: Record) -> tuple[Message, ...]:
        if self.messages_field is not None:
            turns = self._messages(record, "messages_field", self.messages_field)
            while turns and turns[-1].author == "assistant":
                turns = turns[:-1]
            return turns
        if self.prompt_field is None:
            return ()
        if _is_turns(value_of(record, "prompt_field", self.prompt_field)):
            return self._messages(record, "prompt_field", self.prompt_field)
        text = text_of(record, "source.prompt_field", self.prompt_field)
        about = record.fields.get(self.input_field) if self.input_field is not None else None
        if isinstance(about, str) and about.strip():
            text += f"\n\n{about}"
        return (Message("user", (Piece("text", text),)),)

    def _messages(self, record: Record, setting: str, name: str) -> tuple[Message, ...]:
        turns = value_of(record, setting, name)
        if not isinstance(turns, list | tuple) or not turns:
            what = "an empty list" if isinstance(turns, list | tuple) else kind_of(turns)
            advice = f"correct the record, or set `{setting}`"
            raise RecordError(record.where, f"holds {what} in `{name}`, not a list of turns", advice)
        return with_thoughts([message_of(turn, record.where, self.spelling, self.roles) for turn in turns])

    def _completions(self, record: Record) -> list[Conversation]:
        name = str(self.completions_field)
        items = value_of(record, "completions_field", name)
        if not isinstance(items, list | tuple) or not items:
            what = "an empty list" if isinstance(items, list | tuple) else kind_of(items)
            advice = "leave the record out, or set `completions_field`"
            raise RecordError(record.where, f"holds {what} in `{name}`, not a list of completions", advice)
        if all(isinstance(item, list | tuple) and not _is_turns(item) for item in items):
            items = [text for item in items for text in item]  # As lm-eval nests them.
        return [self._completion(item, number, record) for number, item in enumerate(items, start=1)]

    def _completion(self, item: Any, number: int, record: Record) -> Conversation:
        """Return the turns of one completion."""
        what = f"completion {number} of `{self.completions_field}`"
        metadata: Mapping[str, Any] = {}
        direct = False
        if isinstance(item, str):
            messages: tuple[Message, ...] = (
                message_of({"role": "assistant", "content": item}, record.where, _DEFAULT, {}),
            )
        elif _is_turns(item):
            spelling = spelling_of(item[0]) or _DEFAULT
            messages = with_thoughts([message_of(turn, record.where, spelling, self.roles) for turn in item])
        elif isinstance(item, Mapping):
            message = item.get("message")
            key = next((key for key in _TEXTS if isinstance(item.get(key), str | list)), None)
            if not isinstance(message, Mapping) and key is None and spelling_of(item) is None:
                names = ", ".join(f"`{name}`" for name in item)
                raise RecordError(record.where, f"has no text in {what}; that has {names}", "correct the record")
            direct = not isinstance(message, Mapping) and key == "text"
            turn = message if isinstance(message, Mapping) else {**item, "content": item.get(key or "content")}
            turn = {"content": turn.get("content"), **turn, "role": "assistant"}
            messages = (message_of(turn, record.where, _DEFAULT, {}),)
            metadata = {name: value for name, value in item.items() if name not in (key, "message", *_TEXTS)}
        else:
            raise RecordError(record.where, f"holds {kind_of(item)} as {what}, not a completion", "correct the record")
        return Conversation(messages, number, metadata, direct, self.guessed)


def _are_texts(record: Record, *names: str) -> bool:
    return all(isinstance(record.fields.get(name), str) for name in names)


def _is_turns(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and spelling_of(value[0]) is not None


def _only(first: Record, names: Sequence[str], setting: str, fits: Any) -> str | None:
    """Return the one of the names under which the first record holds what fits; None where there is none.

    Raises:
        RecordError: there are several.
    """
    held = [name for name in names if fits(first.fields.get(name))]
    if len(held) > 1:
        shown = " and ".join(f"`{name}`" for name in held)
        raise RecordError(first.where, f"holds {shown}, and one of them is needed", f"set `{setting}`")
    return held[0] if held else None


def _with_system(system: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    if not system.strip() or any(message.author == "system" for message in messages):
        return messages
    return (Message("system", (Piece("text", system),)), *messages)
