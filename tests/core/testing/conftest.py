"""What the tests of the checks share."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

Failures = Callable[[Iterable[Callable[[Any], None]], object], Mapping[str, str]]


@pytest.fixture
def failures() -> Failures:
    """Return the message of every check that fails on a plugin, by the check's name."""

    def failures(checks: Iterable[Callable[[Any], None]], plugin: object) -> Mapping[str, str]:
        messages = {}
        for check in checks:
            try:
                check(plugin)
            except AssertionError as error:
                messages[check.__name__] = str(error)
        return messages

    return failures
