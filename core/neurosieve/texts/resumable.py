"""The documents of a source, one by one, also where it breaks off for a while."""

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

__all__ = ["Unbroken"]

_TRIES = 6
_LONGEST_WAIT = 60.0
"""Seconds; the first is about one, and each is about twice as long as the one before."""
_PASSING = (BrokenOffError, ConnectionError, TimeoutError)


class Unbroken:
    """The documents of a source. Where it breaks off it is opened again, and goes on behind the last that came.

    A source yields the same documents in the same order each time, which is what makes that right. `number` says how
    many have come, `digest` stands for them: it tells whether another reading has come by the same ones.
    """

    def __init__(self, source: Iterable[Document], first_wait: float = 1.0) -> None:
        self._source = source
        self._open: Iterator[Document] | None = None
        # Of what can be read once alone, such as a generator, nothing comes again.
        self._tries = 1 if iter(source) is source else _TRIES
        self._first_wait = first_wait
        self.number = 0
        self.digest = ""
        self.broken = 0
        """How often it broke off."""

    def __iter__(self) -> Iterator[Document]:
        retrying = Retrying(
            retry=retry_if_exception_type(_PASSING),
            stop=stop_after_attempt(self._tries),
            wait=wait_exponential(self._first_wait, max=_LONGEST_WAIT) + wait_random(0, self._first_wait),
            before_sleep=self._broke_off,
            reraise=True,
        )
        while True:
            try:
                document = retrying(self._next)
            except _PASSING as error:
                raise DataError(
                    f"the texts broke off after {self.number:,} documents, and could not be read on in {self._tries} "
                    f"tries ({error}): check the network or the disk, and run the same command again"
                ) from error
            if document is None:
                return
            yield document

    def _next(self) -> Document | None:
        # A generator that has raised gives nothing more: it is kept only once it has given something.
        with failures_of(self._source):
            source, self._open = self._open or islice(iter(self._source), self.number, None), None
            document = next(source, None)
        self._open = source
        if document is None:
            return None
        if not isinstance(document, Document):
            raise DataError(
                f"the source gave {document!r:.80}, which is no `neurosieve.Document`: wrap each text in one"
            )
        self.number += 1
        self.digest = xxhash.xxh3_64_hexdigest(f"{self.digest}\0{document.id}\0{document.text}".encode())
        return document

    def _broke_off(self, _: RetryCallState) -> None:
        self.broken += 1
