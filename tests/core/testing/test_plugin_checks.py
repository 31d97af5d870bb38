import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from neurosieve.testing import PLUGIN_CHECKS, check_plugin


@dataclass(frozen=True)
class Sound:
    """A plugin that keeps every promise."""

    name: str = "wait"
    words: tuple[str, ...] = ("yes", "no", "1e3", "- ", "İ\n")
    pairs: tuple[tuple[int, ...], ...] = ((1, 2), (3,))
    share: float = 0.1
    limit: int | None = None


@dataclass
class Thawed:
    """A plugin that can change."""

    name: str = "wait"

    def __hash__(self) -> int:
        return hash(self.name)


class Plain(Sound):
    """A plain class that derives from a frozen dataclass."""


@dataclass(frozen=True)
class Undocumented:
    name: str = "wait"


@dataclass(frozen=True)
class Hiding:
    """A plugin with state that no config knows of."""

    name: str = "wait"

    def __post_init__(self) -> None:
        object.__setattr__(self, "seen", 0)


@dataclass(frozen=True)
class HidingAField:
    """A plugin with a field that no config can set."""

    name: str = "wait"
    seen: int = field(default=3, init=False)


@dataclass(frozen=True)
class Unsayable:
    """A plugin with a field that no config can hold."""

    names: Any = frozenset({"wait"})


@dataclass(frozen=True)
class Listing:
    """A plugin with a list."""

    names: list[str] = field(default_factory=lambda: ["wait"])


@dataclass(frozen=True)
class Loose:
    """A plugin whose field's type does not say that it holds a tuple."""

    names: Any = ("wait",)


@dataclass(frozen=True, eq=False)
class Unequal:
    """A plugin that equals itself alone."""

    name: str = "wait"


@dataclass(frozen=True)
class Mangling:
    """A plugin that doubles what it is given."""

    count: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", 2 * self.count)


def a_local_plugin() -> object:
    @dataclass(frozen=True)
    class Local:
        """A plugin that no other process can find."""

        name: str = "wait"

    return Local()


BROKEN = [
    (Thawed(), {"is_a_frozen_dataclass"}, "Thawed is not a frozen dataclass"),
    (Plain(), {"is_a_frozen_dataclass"}, "Plain is not a frozen dataclass"),
    (Undocumented(), {"is_documented"}, "Undocumented has no docstring"),
    (Hiding(), {"is_rebuilt_from_its_fields_alone"}, "holds `seen`, which no config can set"),
    (HidingAField(), {"is_rebuilt_from_its_fields_alone"}, "holds `seen`, which no config can set"),
    (Unsayable(), {"is_rebuilt_from_its_fields_alone"}, "raises UnsupportedValueType as its fields are written"),
    (Listing(), {"is_rebuilt_from_its_fields_alone"}, "raises TypeError as it is hashed"),
    (Loose(), {"is_rebuilt_from_its_fields_alone"}, r"`names` of Loose is \('wait',\), and comes back .* \['wait'\]"),
    (Unequal(), {"is_rebuilt_from_its_fields_alone", "is_picklable"}, "is not equal to it"),
    (Mangling(), {"is_rebuilt_from_its_fields_alone"}, "`count` of Mangling is 2, and comes back from a config as 4"),
    (a_local_plugin(), {"is_picklable"}, "raises .* as it is pickled"),
]


@pytest.mark.parametrize(("plugin", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_a_plugin_that_breaks_a_promise_fails_the_checks_of_that_promise(
    plugin: object, checks: set[str], message: str, failures: Any
) -> None:
    failed = failures(PLUGIN_CHECKS, plugin)
    assert failed.keys() == checks
    assert all(re.search(message, text) for text in failed.values()), failed
    with pytest.raises(AssertionError, match=message):
        check_plugin(plugin)


def test_every_check_has_a_plugin_that_fails_it() -> None:
    assert {check.__name__ for check in PLUGIN_CHECKS} == set().union(*(checks for _, checks, _ in BROKEN))


def test_a_plugin_that_keeps_its_promises_passes() -> None:
    check_plugin(Sound())
    check_plugin(Sound(name="", words=(), limit=3))


@pytest.mark.slow
def test_a_check_fails_even_where_python_leaves_out_assertions() -> None:
    code = "from neurosieve.testing import check_plugin; check_plugin(object())"
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=False)
    assert "AssertionError: object is not a frozen dataclass" in done.stderr
