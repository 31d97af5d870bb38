"""Records from Hugging Face `datasets`."""

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from neurosieve import BrokenOffError, ConfigError, DataError
from neurosieve_plugins.records import Record

__all__ = ["DatasetRecords"]

# `datasets` reads local files of these formats; without their names, it reads any that lie in the working folder.
_FORMATS = frozenset({"arrow", "csv", "json", "parquet", "text"})

_NETWORK_PACKAGES = frozenset({"aiohttp", "botocore", "httpcore", "httpx", "requests", "urllib3"})
"""`datasets` reaches the network with these: their errors are errors of a connection."""


@dataclass(frozen=True)
class DatasetRecords:
    """The records of a split of a data set of the Hugging Face hub, or of local files that `datasets` can read."""

    dataset: str
    subset: str | None
    data_files: tuple[str, ...]
    split: str
    revision: str | None
    streaming: bool
    part: tuple[int, ...] | None = None
    """The number of a part, and of how many: whole files where they can be shared out evenly, else one record
    in so many; None for all."""

    def __post_init__(self) -> None:
        if not self.dataset.strip():
            raise ConfigError("`dataset` of `huggingface` is empty: name one of the hub, or `json` with `data_files`")
        if self.dataset in _FORMATS and not self.data_files:
            raise ConfigError(f"`data_files` of `huggingface` is empty: give the files to read as `{self.dataset}`")
        if not self.split.strip():
            raise ConfigError("`split` of `huggingface` is empty: name one, such as `train`")

    def __iter__(self) -> Iterator[Record]:
        number = 0
        try:
            for number, fields in enumerate(self._load(), start=1):
                yield Record(fields, number, f"record {number} of {self._origin}")
        except Exception as error:
            # `datasets` raises the errors of a dozen libraries, of networks, file systems and parsers; often the cause
            # has the reason.
            cause = error.__cause__ or error
            reason = textwrap.shorten(f"{type(cause).__name__}: {cause}", 300, placeholder=" …")
            after = f" after record {number}" if number else ""
            if number and _is_network_error(error):
                raise BrokenOffError(f"{self._origin} broke off{after} ({reason})") from error
            advice = (
                "`split` and `data_files`" if self.dataset in _FORMATS else "its names, and the network or the cache"
            )
            raise DataError(f"{self._origin} cannot be read{after} ({reason}): check {advice}") from error
        if number == 0 and self.part is None:
            raise DataError(f"{self._origin} holds no record: choose another split or other files")

    @property
    def _origin(self) -> str:
        """The name of the data, for messages."""
        parts = ", ".join(([] if self.subset is None else [self.subset]) + list(self.data_files))
        name = f"`{self.dataset}` ({textwrap.shorten(parts, 200, placeholder=' …')})" if parts else f"`{self.dataset}`"
        return f"split `{self.split}` of {name}"

    def _load(self) -> Any:
        import datasets

        if not sys.stderr.isatty():
            datasets.disable_progress_bars()
        records = datasets.load_dataset(
            self.dataset,
            self.subset,
            data_files=list(self.data_files) or None,
            split=self.split,
            revision=self.revision,
            streaming=self.streaming,
        )
        if self.part is None:
            return records
        from datasets.distributed import split_dataset_by_node

        return split_dataset_by_node(records, rank=self.part[0], world_size=self.part[1])


def _is_network_error(error: BaseException) -> bool:
    """Return whether an error, or one of its causes, is that of a connection."""
    cause: BaseException | None = error
    while cause is not None:
        package = type(cause).__module__.partition(".")[0]
        if isinstance(cause, ConnectionError | TimeoutError) or package in _NETWORK_PACKAGES:
            return True
        cause = cause.__cause__ or cause.__context__
    return False
