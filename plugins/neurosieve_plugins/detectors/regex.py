"""Detect regular expressions."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import regex
from annotated_types import Gt

from neurosieve import ConfigError, DataError, Detector, Document, Scope, Span, check_fields

__all__ = ["Regex"]


@dataclass(frozen=True)
class Regex(Detector):
    r"""Matches of regular expressions, of the `regex` library's kind.

    A span is labelled with its pattern. Empty matches are left out. A pattern that takes too long is stopped.

    >>> document = Document(id="a", group="a", text="Wait. No, wait, 7 is odd.")
    >>> for span in Regex(("wait", r"no(?=,)")).detect(document):
    ...     print(*span)
    0 4 wait
    10 14 wait
    6 8 no(?=,)
    """

    patterns: tuple[str, ...]
    ignore_case: bool = True
    seconds: Annotated[float, Gt(0)] = 1.0
    """How much processor time all patterns together may take for one document."""
    scope: Scope = "completion"
    """Where to look: `completion`, all that the model wrote; `thought` or `answer` alone; or `prompt`, what others
    wrote."""

    def __post_init__(self) -> None:
        if not self.patterns:
            raise ConfigError("`patterns` of the detector `regex` is empty: give at least one pattern")
        if isinstance(self.patterns, str):  # Each letter would be a pattern.
            raise ConfigError(f"`patterns` of the detector `regex` is a text: give a list, [{self.patterns}]")
        check_fields(self, "the detector `regex`: ")
        for number, pattern in enumerate(self.patterns, start=1):
            which = f"pattern {number} of the detector `regex`"
            if not pattern:
                raise ConfigError(f"{which} is empty, and would find nothing: leave it out")
            try:
                _compiled(pattern, self.ignore_case)
            except regex.error as error:
                at = "" if error.pos is None else f" at position {error.pos}"
                raise ConfigError(
                    f"{which}, `{pattern}`, is not a regular expression: {error.msg}{at}; correct it there, "
                    "or put a backslash before a character that is meant literally"
                ) from error

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield the matches in the scope, pattern by pattern.

        Raises:
            DataError: the time is up.
        """
        # Processor time, as `regex` counts it: a busy machine stops nothing.
        until = time.process_time() + self.seconds
        # All patterns come before the first span is yielded: the time of whoever takes it is not counted.
        spans: list[Span] = []
        for pattern in self.patterns:
            compiled = _compiled(pattern, self.ignore_case)
            bounds: list[tuple[int, int]] = []
            try:
                # One by one: no match runs across what another wrote in between.
                for start, end in document.stretches(self.scope):
                    # A timeout that is not above 0 would be none at all.
                    left = max(1e-6, until - time.process_time())
                    bounds += (match.span() for match in compiled.finditer(document.text, start, end, timeout=left))
            except TimeoutError:
                raise DataError(
                    f"the pattern `{pattern}` of the detector `regex` has not ended after {self.seconds:g} seconds on "
                    f"document `{document.id}`, of {len(document.text)} characters: rewrite what is repeated and can "
                    "match the same text in several ways, such as `(a|aa)+`, or raise `seconds`"
                ) from None
            spans += (Span(start, end, pattern) for start, end in bounds if start < end)
        yield from spans


@lru_cache(maxsize=1024)
def _compiled(pattern: str, ignore_case: bool) -> Any:
    return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
