"""What passes at a server, how long to wait before it is tried again, and what the server says of it."""

import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from tenacity import RetryCallState, wait_random_exponential

__all__ = ["EndedError", "PassingError", "first_line", "retry_after", "seconds_to_wait", "words_of"]

_BACKOFF = wait_random_exponential(multiplier=0.5, max=60)
"""Seconds before a request is sent again, at random up to 0.5, 1, 2, 4, ...; more where the server wants more."""
_SHOWN = 200


class PassingError(Exception):
    """The server could not serve a request, for a reason that may pass."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class EndedError(Exception):
    """A request was not sent, because the run ends for another reason."""


def seconds_to_wait(state: RetryCallState) -> float:
    """Return how long to wait after a failure."""
    error = state.outcome.exception() if state.outcome is not None else None
    wait = error.wait if isinstance(error, PassingError) else None
    # No sooner than without its word: a server that says 0 again and again is not to be flooded.
    return max(_BACKOFF(state), wait or 0.0)


def retry_after(value: str) -> float | None:
    """Return for how many seconds a server wants to be left alone, by its header; None where that does not say.

    >>> retry_after("2.5"), retry_after("soon")
    (2.5, None)
    """
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def words_of(body: object) -> str:
    """Return what a server says of an error, by the body of its response: JSON in one of the usual forms, or text.

    >>> words_of({"error": {"message": "too long", "code": 7}}), words_of({"detail": "no such field"}), words_of("oh")
    ('too long', 'no such field', 'oh')
    """
    if isinstance(body, Mapping):
        for key in ("error", "message", "detail"):
            if body.get(key):
                return words_of(body[key])
    return body if isinstance(body, str) else "" if body is None else json.dumps(body, default=str)


def first_line(said: str) -> str:
    r"""Return the first line of what a server says, shortened, without signs that control a terminal.

    >>> first_line("out of \x1b[1mmemory\nTraceback")
    'out of [1mmemory'
    """
    line = next(iter(said.strip().splitlines()), "")
    return "".join(sign for sign in line if sign.isprintable()).strip()[:_SHOWN]
