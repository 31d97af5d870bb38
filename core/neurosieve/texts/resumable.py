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

from neurosieve.data import Document, Skipped
from neurosieve.errors import BrokenOffError, DataError
from neurosieve.registry import failures_of
from neurosieve.texts.intake import check_item

__all__ = ["ResumableSource"]

_TRIES = 6
_LONGEST_WAIT = 60.0
"""Seconds; the first is about one, and each is about twice as long as the one before."""
_TEMPORARY = (BrokenOffError, ConnectionError, TimeoutError)


class ResumableSource:
    """The items of a source. If it breaks off, it is opened again, and goes on behind the last item.

    That is right because a source yields the same ones in the same order each time. `number` is how many have come,
    skipped records among them; `digest` is a hash of them: another reading with the same hash has read the same.
    """

    def __init__(self, source: Iterable[Document | Skipped], first_wait: float = 1.0) -> None:
        self._source = source
        self._open: Iterator[Document | Skipped] | None = None
        # An iterator, such as a generator, can be read only once.
        self._tries = 1 if iter(source) is source else _TRIES
        self._first_wait = first_wait
        self.number = 0
        self.digest = ""
        self.interruptions = 0

    def __iter__(self) -> Iterator[Document | Skipped]:
        retrying = Retrying(
            retry=retry_if_exception_type(_TEMPORARY),
            stop=stop_after_attempt(self._tries),
            wait=wait_exponential(self._first_wait, max=_LONGEST_WAIT) + wait_random(0, self._first_wait),
            before_sleep=self._count_interruption,
            reraise=True,
        )
        while True:
            try:
                item = retrying(self._next)
            except _TEMPORARY as error:
                raise DataError(
                    f"the texts broke off after {self.number:,} documents, and could not be read on in {self._tries} "
                    f"tries ({error}): check the network or the disk, and run the same command again"
                ) from error
            if item is None:
                return
            yield item

    def _next(self) -> Document | Skipped | None:
        # A generator that has raised gives nothing more: it is stored only after it has given a document.
        with failures_of(self._source):
            source, self._open = self._open or islice(iter(self._source), self.number, None), None
            item = next(source, None)
        self._open = source
        if item is None:
            return None
        check_item(item)
        self.number += 1
        identity = (item.id, item.text) if isinstance(item, Document) else item
        self.digest = xxhash.xxh3_64_hexdigest("\0".join((self.digest, *identity)).encode())
        return item

    def _count_interruption(self, _: RetryCallState) -> None:
        self.interruptions += 1
