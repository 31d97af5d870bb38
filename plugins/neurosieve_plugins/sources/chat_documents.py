"""How conversations make documents."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from neurosieve import Assumption, ConfigError, Document
from neurosieve_plugins.layout import Layout, OnBadRecord
from neurosieve_plugins.records import Record, RecordError, name_of
from neurosieve_plugins.sources.chat_conversations import Conversation, ConversationFields
from neurosieve_plugins.sources.chat_messages import Message
from neurosieve_plugins.sources.chat_template import template_text
from neurosieve_plugins.sources.chat_text import ChatText, joined_text
from neurosieve_plugins.sources.chat_thoughts import with_thought_once
from neurosieve_plugins.sources.thought_marks import MarkerFamily

__all__ = ["ChatLayout"]


@dataclass(frozen=True)
class ChatLayout(Layout[Document]):
    """Where records hold conversations, and how these become texts."""

    key = "source"
    group_field: str | None
    markers: MarkerFamily | None
    template: str
    template_variables: Mapping[str, Any]
    id_field: str | None = None
    on_bad_record: OnBadRecord = "error"
    fields: ConversationFields = field(default_factory=ConversationFields)

    def __post_init__(self) -> None:
        if self.template_variables and self.template in ("plain", "none"):
            raise ConfigError("`source.template_variables` are given without a chat template: set `source.template`")

    def items_of(self, record: Record) -> list[Document]:
        """Return the documents of a record: one, or one for each completion.

        Raises:
            RecordError: the record is not like the first, or the model says nothing in it.
        """
        named = {name for name in vars(self.fields).values() if isinstance(name, str)}
        named |= {name for name in (self.id_field, self.group_field) if name is not None}
        metadata = {name: value for name, value in record.fields.items() if name not in named}
        return [self._document(conversation, record, metadata) for conversation in self.fields.conversations(record)]

    def _document(self, conversation: Conversation, record: Record, metadata: Mapping[str, Any]) -> Document:
        messages = tuple(with_thought_once(message, self.markers) for message in conversation.messages)
        conversation = conversation._replace(messages=messages)
        made = self._text(conversation, record)
        own = [passage.start for passage in made.passages if passage.role in ("thought", "answer", "completion")]
        if not own:
            raise RecordError(record.where, "holds no text of the model", "correct the record, or leave it out")
        identity = self.id(record)
        return Document(
            identity if conversation.number is None else f"{identity}/{conversation.number}",
            made.text,
            self._group(conversation, record) or identity,
            own[0],
            (),
            {**metadata, **conversation.metadata},
            made.passages,
            (*self._assumptions(conversation), *made.assumptions),
        )

    def _group(self, conversation: Conversation, record: Record) -> str:
        """Return what splits keep together; an empty text where nothing but the record's own id says it."""
        if self.group_field is not None:
            return name_of(record, "source.group_field", self.group_field)
        problem = _problem_turn(conversation.messages)
        if problem is not None:
            return "".join(piece.text for piece in problem.pieces).strip()
        request = record.fields.get("custom_id")  # Of OpenAI's batches, which hold no problem.
        return request if isinstance(request, str) else ""

    def _text(self, conversation: Conversation, record: Record) -> ChatText:
        messages = conversation.messages
        if self.template in ("plain", "none"):
            return joined_text(messages, self.markers, labels=self.template == "plain" and not conversation.direct)
        return template_text(messages, self.template, self.template_variables, self.markers, record.where)

    def _assumptions(self, conversation: Conversation) -> Iterator[Assumption]:
        """Yield what was assumed of a conversation before it became a text."""
        yield from conversation.assumptions
        messages = conversation.messages
        yield from dict.fromkeys(assumption for message in messages for assumption in message.assumptions)
        authors = [message.author for message in messages]
        if authors.count("user") > 1 and self.group_field is None:
            if any(message.given for message in messages):
                yield Assumption("its prompt holds several turns of a user, and the last is its group")
            elif authors.count("assistant") > 1:
                yield Assumption(
                    "holds several turns of the model, which were all taken as its words, and its first turn of a "
                    "user is its group"
                )
        if any(pair == ("assistant", "assistant") for pair in pairwise(authors)):
            yield Assumption("two turns of the model follow one another: both were taken as its words")
        if conversation.direct:
            yield Assumption("its completion was put right after its prompt, as in dumps of texts rather than chats")
        if "user" not in authors:
            alone = "holds no turn of a user: the model's words stand without their prompt"
            if self.group_field in (None, self.id_field):
                alone += (
                    ", and each record is a group of its own; where several are samples of one problem, set "
                    "`source.group_field=...`"
                )
            yield Assumption(alone)


def _problem_turn(messages: Sequence[Message]) -> Message | None:
    """Return the turn with the problem: the last one of a user in a prompt, where examples may stand before it."""
    turns = [message for message in messages if message.author == "user"]
    given = [message for message in turns if message.given]
    return given[-1] if given else turns[0] if turns else None
