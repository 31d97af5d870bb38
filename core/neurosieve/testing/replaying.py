"""What sources of documents and of problems both promise: ids of their own, and the same items each time."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from neurosieve.contracts import Problems
from neurosieve.data import Document, Problem, Skipped
from neurosieve.errors import NeurosieveError
from neurosieve.testing.plugins import require, shown, trying

__all__ = ["it_replays_the_same", "read", "require_different_ids"]


def read(plugin: Iterable[Any], some: bool = True) -> list[Any]:
    """Return all that a plugin yields, but for skipped records; check each item's class, and that there are `some`."""
    cls = Problem if isinstance(plugin, Problems) else Document
    # A file or a library that is not there is a mistake of the person who checks.
    with trying(plugin, "as it is read", but=NeurosieveError):
        items = list(plugin)
    kind = cls.__name__.lower()
    require(items or not some, f"{shown(plugin)} yields no {kind}: check it on one that does, each time it is read")
    for number, item in enumerate(items):
        what = f"{shown(plugin)} yields as number {number} {shown(item)}"
        if isinstance(item, Skipped) and cls is Document:
            require(item.where and item.why, f"{what}, which does not say where or why")
            continue
        require(isinstance(item, cls), f"{what}, which is not a `neurosieve.{cls.__name__}`")
    return [item for item in items if isinstance(item, cls)]


def require_different_ids(plugin: object, items: list[Any]) -> None:
    """Assert that no two items have the same id."""
    [(most, times)] = Counter(item.id for item in items).most_common(1)
    kind = type(items[0]).__name__.lower()
    require(times == 1, f"{shown(plugin)} yields {times} {kind}s with the id `{most}`")


def it_replays_the_same(plugin: Iterable[Any]) -> None:
    """Assert that the items are the same ones in the same order each time, even when read twice at once."""
    first, second = read(plugin), read(plugin)
    kind = type(first[0]).__name__.lower()
    with trying(plugin, "as it is read twice at once"):
        pairs = list(zip(plugin, plugin, strict=False))
    for way, items in (
        ("the next time", second),
        ("read twice at once", [left for left, _ in pairs if not isinstance(left, Skipped)]),
        ("read twice at once", [right for _, right in pairs if not isinstance(right, Skipped)]),
    ):
        same = len(items) == len(first)
        require(same, f"{shown(plugin)} yields {len(first)} {kind}s, and {len(items)} {way}")
        for number, (item, again) in enumerate(zip(first, items, strict=True)):
            what = f"{shown(plugin)} yields as number {number} {shown(item)}"
            require(item == again, f"{what}, and {way} {shown(again)}")
