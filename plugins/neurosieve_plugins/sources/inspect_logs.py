"""Documents from the logs of Inspect."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from neurosieve import ConfigError, DataError, Document, Skipped, Source, check_fields
from neurosieve_plugins.layout import OnBadRecord
from neurosieve_plugins.records import Record, same_fields
from neurosieve_plugins.sources.chat_conversations import ConversationFields
from neurosieve_plugins.sources.chat_documents import ChatLayout
from neurosieve_plugins.sources.thought_marks import MarkerFamily

__all__ = ["InspectLogs"]

_ENDINGS = (".eval", ".json")


@dataclass(frozen=True)
class InspectLogs(Source):
    """The samples of evaluations that Inspect has logged, each epoch of a sample a document (extra `inspect`).

    They are read by Inspect itself. What splits keep together is what the user says first, so that all epochs and all
    models that answer a sample are one group. Scores are in the metadata: `score_match` is what the scorer `match`
    gave. The target is `answer` there, as graders read it, `stop_reason` is why the model stopped, and what broke a
    sample off is `error`.

    >>> InspectLogs("logs", template="plain").path
    'logs'
    """

    path: str
    """A log, which ends in `.eval` or `.json`, or a folder of logs."""
    group_field: str | None = None
    """The field of a document's metadata with what splits keep together, such as `sample`; null for what the user says
    first."""
    markers: MarkerFamily | None = None
    """Between which marks the model thinks; null for those that begin its turn, or else `<think>`."""
    template: str = "plain"
    """How turns become one text, as in the source `chat`: `plain`, `none`, or a chat template."""
    template_variables: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What the chat template is given besides the turns, as in `{enable_thinking: true}`."""
    on_bad_record: OnBadRecord = "error"
    """What becomes of a sample that makes no document, as it ended in an error: `skip` leaves it out, and the run
    counts it."""

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ConfigError("`path` of the source `inspect_logs` is empty: give a log, or a folder of logs")
        check_fields(self, "the source `inspect_logs`: ")
        _ = self._layout

    @property
    def _layout(self) -> ChatLayout:
        layout = same_fields(ChatLayout, self)
        return replace(layout, id_field="id", fields=ConversationFields(messages_field="messages"))

    def __iter__(self) -> Iterator[Document | Skipped]:
        return self._layout.items(self._records())

    def _records(self) -> Iterator[Record]:
        """Yield the samples as records, in the order of the logs."""
        number = 0
        files = self._files()
        for file in files:
            log = _read(file)
            prefix = f"{file.stem}/" if len(files) > 1 else ""
            for sample in log.samples or ():
                number += 1
                where = f"sample `{sample.id}`, epoch {sample.epoch}, of {file}"
                yield Record(_fields(log, sample), number, where, prefix)
        if not number:
            raise DataError(f"the logs of `{self.path}` hold no sample: take a log that was written with its samples")

    def _files(self) -> list[Path]:
        path = Path(self.path).expanduser()
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix in _ENDINGS)
            if not files:
                raise DataError(f"{path} holds no log, which ends in {' or '.join(_ENDINGS)}: give another folder")
            return files
        if not path.is_file():
            raise DataError(f"cannot read `{path}`: there is no such log: correct the path")
        return [path]


def _read(file: Path) -> Any:
    """Return a log as Inspect reads it."""
    try:
        from inspect_ai.log import read_eval_log
    except ImportError as error:
        raise ConfigError(
            "Inspect is not installed, which reads its logs: `pip install 'neurosieve[inspect]'`"
        ) from error
    try:
        return read_eval_log(str(file), resolve_attachments=True)
    except Exception as error:  # Whatever Inspect's readers raise: of zip files, of JSON, of their own.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{file} cannot be read as a log of Inspect ({reason}): get the whole log") from error


def _fields(log: Any, sample: Any) -> dict[str, Any]:
    """Return a sample as a record."""
    target = sample.target if isinstance(sample.target, str) else "\n".join(sample.target)
    scores = {f"score_{name}": score.value for name, score in (sample.scores or {}).items()}
    error = {} if sample.error is None else {"error": sample.error.message}
    stopped = {"stop_reason": sample.output.stop_reason} if sample.output.choices else {}
    return {
        **sample.metadata,
        **scores,
        **error,
        **stopped,
        "id": f"{sample.id}/{sample.epoch}",
        "sample": str(sample.id),
        "epoch": sample.epoch,
        "task": log.eval.task,
        "model": log.eval.model,
        "answer": target,
        "messages": [message.model_dump(exclude_none=True) for message in sample.messages],
    }
