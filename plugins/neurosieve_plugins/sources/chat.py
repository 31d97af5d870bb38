"""Documents from conversations."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from neurosieve import ConfigError, Document, Skipped, Source, check_fields
from neurosieve_plugins.layout import OnBadRecord
from neurosieve_plugins.record_files import records_at
from neurosieve_plugins.records import Record, RecordError, same_fields
from neurosieve_plugins.sources.authors import AUTHORS
from neurosieve_plugins.sources.chat_conversations import ConversationFields
from neurosieve_plugins.sources.chat_documents import ChatLayout
from neurosieve_plugins.sources.chat_first_record import read_off
from neurosieve_plugins.sources.thought_marks import MarkerFamily

__all__ = ["Chat"]


@dataclass(frozen=True)
class Chat(Source):
    """Conversations, or the answers of a model to prompts, from files of records.

    Only the turns of the model are looked at; its thoughts and its answers are told apart, by fields or by marks. The
    first record shows where turns stand (`messages`, `conversations`, `generations`, `choices` and the like, with
    `role` and `content` or `from` and `value`), and all others must be like it. A list may be JSON text, as in the
    cells of a table. Several completions of a problem are documents of one group, `7/1` and `7/2`.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "chats.jsonl")
    ...     turns = '[{"from": "human", "value": "1 + 1?"}, {"from": "gpt", "value": "<think>Easy.</think>Two."}]'
    ...     _ = file.write_text(f'{{"conversations": {turns}}}')
    ...     [document] = Chat(str(file))
    >>> document.text
    'User: 1 + 1?\\n\\nAssistant: <think>Easy.</think>Two.'
    >>> [(document.text[start:end], role) for start, end, role in document.passages]
    [('1 + 1?', 'user'), ('Easy.</think>', 'thought'), ('Two.', 'answer')]
    """

    path: str
    """A file, a folder, or a pattern such as `chats/**/*.jsonl.gz`; of several files, `file` in the metadata holds the
    name of each, without its endings."""
    messages_field: str | None = None
    """The field with the turns, or a path such as `request.messages`; null to find it in the first record."""
    completions_field: str | None = None
    """The field with several completions of the problem, or a path such as `response.body.choices`; null to find it."""
    prompt_field: str | None = None
    """The field with what the user says, or with the turns before the completion; null to find it."""
    thought_field: str | None = None
    """The field with what the model thinks, where thought and answer have fields of their own."""
    answer_field: str | None = None
    """The field with what the model answers, where it has a field of its own."""
    system_field: str | None = None
    """The field with the system's text, if that is no turn; null for `system`, where the first record has it."""
    prompts_only: bool = False
    """Whether prompts alone are read, for detectors with `scope=prompt`: each text ends where the model's turn would
    begin, with what the template puts before it. What a record holds of the model's words is left out."""
    group_field: str | None = None
    """The field with what splits keep together; null for what the user says first."""
    id_field: str | None = None
    """The field with the id; null for the record's number."""
    roles: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Who speaks in turns of other names, as in `{narrator: user}`: system, user, assistant or tool."""
    markers: MarkerFamily | None = None
    """Between which marks the model thinks; null for those that begin its turn, or else `<think>`."""
    template: str = "plain"
    """How turns become one text. `plain`: `User: `, `Assistant: ` and so on before each, and a blank line between two.
    `none`: prompt and completion as they stand, one right after the other. Or a chat template: a file such as
    `chat.jinja`, or the folder or the name of the model whose tokenizer has it."""
    template_variables: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What the chat template is given besides the turns, as in `{enable_thinking: true}`."""
    on_bad_record: OnBadRecord = "error"
    """What becomes of a record that makes no document: `skip` leaves it out, and the run counts it."""

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ConfigError("`path` of the source `chat` is empty: give a file of conversations")
        check_fields(self, "the source `chat`: ")
        for name, author in self.roles.items():
            if author not in AUTHORS:
                raise ConfigError(
                    f"`source.roles` says that `{name}` is `{author}`: take system, user, assistant or tool for it"
                )
        _ = self._layout

    @property
    def _layout(self) -> ChatLayout:
        return same_fields(ChatLayout, self)

    def __iter__(self) -> Iterator[Document | Skipped]:
        records = records_at(self.path)
        read: list[Record | RecordError] = []
        layout = replace(self._layout, fields=self._fields_of_first(records, read))
        return layout.items(chain(read, records))

    def _fields_of_first(
        self, records: Iterator[Record | RecordError], read: list[Record | RecordError]
    ) -> ConversationFields:
        """Return what the first record shows, or, where records may be skipped, the first that shows it.

        Args:
            read: what is taken of the records for it is put in here.

        Raises:
            RecordError: none shows where its conversations are.
        """
        settings = same_fields(ConversationFields, self)
        first_error: RecordError | None = None
        for record in records:
            read.append(record)
            try:
                if isinstance(record, RecordError):
                    raise record
                return read_off(record, settings)
            except RecordError as error:
                if self.on_bad_record == "error":
                    raise self._layout.with_way_out(error) from error
                first_error = first_error or error
        assert first_error is not None  # There is a record in any file that can be read.
        raise first_error
