"""What a source promises."""

from collections import Counter
from typing import Any

from neurosieve.contracts import Source
from neurosieve.data import Document
from neurosieve.errors import NeurosieveError
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, shown, trying

__all__ = ["SOURCE_CHECKS", "check_source"]


def _read(source: Source) -> list[Any]:
    """Return all of a source, having checked that there is something."""
    documents = _part(source)
    if not documents:
        raise AssertionError(
            f"{shown(source)} yields no document: check it on one that does, each time that it is read"
        )
    return documents


def _part(source: Source) -> list[Any]:
    # A file that is not there is a mistake of whoever checks.
    with trying(source, "as it is read", but=NeurosieveError):
        documents = list(source)
    for number, document in enumerate(documents):
        if not isinstance(document, Document):
            raise AssertionError(
                f"{shown(source)} yields as number {number} {shown(document)}, which is no `neurosieve.Document`"
            )
    return documents


def documents_are_sound(source: Source) -> None:
    """Assert that each document has an id of its own and a group, and that what is said of its text lies in it."""
    documents = _read(source)
    for number, document in enumerate(documents):
        what = f"{shown(source)} yields as number {number}"
        if not document.id:
            raise AssertionError(f"{what} a document without an id: {shown(document.text)}")
        if not document.group:
            raise AssertionError(f"{what} a document without a group: `{document.id}`")
        length = len(document.text)
        if not (0 <= document.completion_start <= length):
            raise AssertionError(
                f"{what} `{document.id}`, whose {length} characters hold no completion from {document.completion_start}"
            )
        for span in document.annotations:
            if not (0 <= span.start < span.end <= length):
                raise AssertionError(f"{what} `{document.id}`: its {length} characters hold no {span}")
    [(most, times)] = Counter(document.id for document in documents).most_common(1)
    if times != 1:
        raise AssertionError(f"{shown(source)} yields {times} documents with the id `{most}`")


def it_replays_the_same(source: Source) -> None:
    """Assert that the documents are the same ones in the same order each time, even when read twice at once."""
    first, second = _read(source), _read(source)
    if len(first) != len(second):
        raise AssertionError(f"{shown(source)} yields {len(first)} documents, and {len(second)} the next time")
    with trying(source, "as it is read twice at once"):
        at_once = list(zip(source, source, strict=False))
    if len(at_once) != len(first):
        raise AssertionError(f"{shown(source)} yields {len(at_once)} documents, read twice at once, of {len(first)}")
    for number, (once, again, (left, right)) in enumerate(zip(first, second, at_once, strict=True)):
        for other, way in ((again, "the next time"), (left, "read twice at once"), (right, "read twice at once")):
            if once != other:
                raise AssertionError(
                    f"{shown(source)} yields as number {number} {shown(once)}, and {way} {shown(other)}"
                )


def shards_partition(source: Source) -> None:
    """Assert that the shards hold every document once between them, and that each is a source too."""
    whole = {document.id: document for document in _read(source)}
    for world_size in (1, 2, 3, min(len(whole) + 1, 16)):
        seen: Counter[str] = Counter()
        for rank in range(world_size):
            with trying(source, f"as shard {rank} of {world_size} is asked for"):
                shard = source.shard(rank, world_size)
            documents = _part(shard)
            if documents != _part(shard):
                raise AssertionError(f"shard {rank} of {world_size} of {shown(source)} differs when replayed")
            for document in documents:
                if whole.get(document.id) != document:
                    raise AssertionError(
                        f"shard {rank} of {world_size} of {shown(source)} holds {shown(document)}, "
                        "which the whole does not"
                    )
            seen.update(document.id for document in documents)
        for id_ in whole:
            if seen[id_] != 1:
                raise AssertionError(
                    f"the {world_size} shards of {shown(source)} hold the document `{id_}` {seen[id_]} times"
                )


SOURCE_CHECKS: tuple[Check, ...] = (*PLUGIN_CHECKS, documents_are_sound, it_replays_the_same, shards_partition)
"""What a source promises."""


def check_source(source: Source) -> None:
    """Check all that a source promises. Reads all of it a dozen times: give it something small to read.

    Raises:
        AssertionError: it breaks a promise; the message says which, and with what document.
    """
    for check in SOURCE_CHECKS:
        check(source)
