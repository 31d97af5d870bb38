"""The conversations that a record holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from neurosieve import Assumption
from neurosieve_plugins.records import Record, RecordError, kind_of, text_of, value_at, value_of
from neurosieve_plugins.sources.chat_messages import Message, Piece, Spelling, message_of, spelling_of, with_thoughts
from neurosieve_plugins.sources.known_fields import conversation_fields, is_turns, list_at, unpacked

__all__ = ["DEFAULT_SPELLING", "Conversation", "ConversationFields"]

_TEXTS = ("text", "content", "generation", "completion", "response", "output")
DEFAULT_SPELLING = Spelling("role", "content")
"""As most records have it."""


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
class ConversationFields:
    """Which fields of a record hold its conversations. What is not set is read off the first, and holds for all."""

    messages_field: str | None = None
    completions_field: str | None = None
    prompt_field: str | None = None
    thought_field: str | None = None
    answer_field: str | None = None
    system_field: str | None = None
    input_field: str | None = None
    """The field with what an `instruction` is about, which stands behind it in the prompt."""
    prompts_only: bool = False
    """Whether what the model says is left out, if there is any."""
    spelling: Spelling = DEFAULT_SPELLING
    roles: Mapping[str, str] = field(default_factory=dict)
    assumptions: tuple[Assumption, ...] = ()
    """What was assumed of all records as the first was read."""
    first: str | None = None
    """Where the first record stands; None where nothing was read off it."""

    @property
    def words(self) -> str | None:
        """The field with the words of the model; None where it is not known yet."""
        return self.completions_field or self.messages_field or self.answer_field or self.thought_field

    def conversations(self, record: Record) -> list[Conversation]:
        """Return the conversations of a record: one, or one for each completion of its problem.

        Raises:
            RecordError: the record does not hold them as the first does.
        """
        system = self._system(record)
        if self.prompts_only:
            return [Conversation(_with_system(system, self._prompt(record)), assumptions=self.assumptions)]
        self._check_alike(record)
        if self.completions_field is not None:
            prompt = self._prompt(record)
            return [
                conversation._replace(messages=_with_system(system, prompt + conversation.messages))
                for conversation in self._completions(record)
            ]
        if self.messages_field is not None:
            messages = self._messages(record, "source.messages_field", self.messages_field)
            return [Conversation(_with_system(system, messages), assumptions=self.assumptions)]
        pieces = []
        if self.thought_field is not None:
            pieces.append(Piece("thought", text_of(record, "source.thought_field", self.thought_field)))
        if self.answer_field is not None:
            pieces.append(Piece("text", text_of(record, "source.answer_field", self.answer_field)))
        answer = Message("assistant", tuple(piece for piece in pieces if piece.text.strip()))
        return [Conversation(_with_system(system, (*self._prompt(record), answer)), assumptions=self.assumptions)]

    def _check_alike(self, record: Record) -> None:
        """Raise RecordError where a record holds conversations, but not in the field in which the first does."""
        if self.first in (None, record.where) or value_at(record.fields, str(self.words)) is not None:
            return
        if others := conversation_fields(record.fields):
            shown = " and ".join(f"`{name}`" for name in others)
            why = (
                f"holds what the model says in {shown}, while {self.first} has it in `{self.words}`, so that the "
                "records have several layouts"
            )
            raise RecordError(record.where, why, "put those of each into a file of their own")

    def _system(self, record: Record) -> str:
        value = None if self.system_field is None else value_at(record.fields, self.system_field)
        return value if isinstance(value, str) else ""

    def _prompt(self, record: Record) -> tuple[Message, ...]:
        """Return the turns that a completion answers. No word in them is taken as the model's own."""
        return tuple(turn._replace(given=True) for turn in self._prompt_turns(record))

    def _prompt_turns(self, record: Record) -> tuple[Message, ...]:
        if self.messages_field is not None:
            turns = self._messages(record, "source.messages_field", self.messages_field)
            while turns and turns[-1].author == "assistant":
                turns = turns[:-1]
            return turns
        if self.prompt_field is None:
            return ()
        if is_turns(value_of(record, "source.prompt_field", self.prompt_field)):
            return self._messages(record, "source.prompt_field", self.prompt_field)
        text = text_of(record, "source.prompt_field", self.prompt_field)
        about = record.fields.get(self.input_field) if self.input_field is not None else None
        if isinstance(about, str) and about.strip():
            text += f"\n\n{about}"
        return (Message("user", (Piece("text", text),)),)

    def _messages(self, record: Record, setting: str, name: str) -> tuple[Message, ...]:
        turns, assumptions = list_at(record, setting, name, "turns")
        first, *others = with_thoughts([message_of(turn, record.where, self.spelling, self.roles) for turn in turns])
        return (first._replace(assumptions=(*assumptions, *first.assumptions)), *others)

    def _completions(self, record: Record) -> list[Conversation]:
        items, assumptions = list_at(record, "source.completions_field", str(self.completions_field), "completions")
        if all(isinstance(item, list | tuple) and not is_turns(item) for item in items):
            items = [text for item in items for text in item]  # As lm-eval nests them.
        beside = self._lists_beside(record, len(items))
        noted = (Assumption(f"of {_named(beside)} it took the item of its own completion", known=True),)
        made = []
        for number, item in enumerate(items, start=1):
            conversation = self._completion(item, number, record)
            own = {name: values[number - 1] for name, values in beside.items()}
            made.append(
                conversation._replace(
                    metadata={**own, **conversation.metadata},
                    assumptions=(*self.assumptions, *assumptions, *(noted if beside else ())),
                )
            )
        return made

    def _lists_beside(self, record: Record, completions: int) -> dict[str, Sequence[Any]]:
        """Return the fields of a record that list a plain value for each of its completions, such as its grade."""
        named = {value for value in vars(self).values() if isinstance(value, str)}
        lists = {name: unpacked(value) for name, value in record.fields.items() if name not in named}
        return {
            name: values
            for name, values in lists.items()
            if isinstance(values, list | tuple)
            and len(values) == completions
            and all(value is None or isinstance(value, str | int | float) for value in values)
        }

    def _completion(self, item: Any, number: int, record: Record) -> Conversation:
        """Return the turns of one completion."""
        what = f"completion {number} of `{self.completions_field}`"
        metadata: Mapping[str, Any] = {}
        direct = False
        if isinstance(item, str):
            messages: tuple[Message, ...] = (
                message_of({"role": "assistant", "content": item}, record.where, DEFAULT_SPELLING, {}),
            )
        elif is_turns(item):
            spelling = spelling_of(item[0]) or DEFAULT_SPELLING
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
            messages = (message_of(turn, record.where, DEFAULT_SPELLING, {}),)
            metadata = {name: value for name, value in item.items() if name not in (key, "message", *_TEXTS)}
        else:
            raise RecordError(record.where, f"holds {kind_of(item)} as {what}, not a completion", "correct the record")
        return Conversation(messages, number, metadata, direct)


def _named(fields: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in fields)


def _with_system(system: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    if not system.strip() or any(message.author == "system" for message in messages):
        return messages
    return (Message("system", (Piece("text", system),)), *messages)
