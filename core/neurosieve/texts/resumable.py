"""The documents of a source, also if it breaks off for a while."""

from collections.abc import Iterable, Iterator
from itertools import islice

import xxhash
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from neurosieve.data import Document
from neurosieve.errors import BrokenOffError, DataError
from neurosieve.registry import failures_of
from neurosieve.texts.spans import check_document

__all__ = ["ResumableSource"]

_TRIES = 6
_LONGEST_WAIT = 60.0
"""Seconds; the first is about one, and each is about twice as long as the one before."""
_TEMPORARY = (BrokenOffError, ConnectionError, TimeoutError)


class ResumableSource:
    """The documents of a source. If it breaks off, it is opened again, and goes on behind the last document.

    That is right because a source yields the same documents in the same order each time. `number` is how many documents
    have come, `digest` is a hash of them: another reading with the same hash has read the same documents.
    """

    def __init__(self, source: Iterable[Document], first_wait: float = 1.0) -> None:
        self._source = source
        self._open: Iterator[Document] | None = None
        # An iterator, such as a generator, can be read only once.
        self._tries = 1 if iter(source) is source else _TRIES
        self._first_wait = first_wait
        self.number = 0
        self.digest = ""
        self.interruptions = 0

    def __iter__(self) -> Iterator[Document]:
        retrying = Retrying(
            retry=retry_if_exception_type(_TEMPORARY),
            stop=stop_after_attempt(self._tries),
            wait=wait_exponential(self._first_wait, max=_LONGEST_WAIT) + wait_random(0, self._first_wait),
            before_sleep=self._count_interruption,
            reraise=True,
        )
        while True:
            try:
                document = retrying(self._next)
            except _TEMPORARY as error:
                raise DataError(
                    f"the texts broke off after {self.number:,} documents, and could not be read on in {self._tries} "
                    f"tries ({error}): check the network or the disk, and run the same command again"
                ) from error
            if document is None:
                return
            yield document

    def _next(self) -> Document | None:
        # A generator that has raised gives nothing more: it is stored only after it has given a document.
        with failures_of(self._source):
            source, self._open = self._open or islice(iter(self._source), self.number, None), None
            document = next(source, None)
        self._open = source
        if document is None:
            return None
        check_document(document)
        self.number += 1
        self.digest = xxhash.xxh3_64_hexdigest(f"{self.digest}\0{document.id}\0{document.text}".encode())
        return document

    def _count_interruption(self, _: RetryCallState) -> None:
        self.interruptions += 1
