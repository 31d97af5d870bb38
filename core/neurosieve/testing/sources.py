"""What a source promises."""

from collections import Counter

from neurosieve.contracts import Source
from neurosieve.errors import DataError
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, checker, require, shown, trying
from neurosieve.testing.replaying import it_replays_the_same, read, require_different_ids
from neurosieve.texts.intake import admit

__all__ = ["SOURCE_CHECKS", "check_source"]


def documents_are_sound(source: Source) -> None:
    """Assert that each document has an id of its own and a group, and that its ranges lie in its text and agree."""
    documents = read(source)
    for number, document in enumerate(documents):
        what = f"{shown(source)} yields as number {number}"
        require(document.id, f"{what} a document without an id: {shown(document.text)}")
        require(document.group, f"{what} a document without a group: `{document.id}`")
        try:
            admit(document, Counter())
        except DataError as error:
            raise AssertionError(f"{what} `{document.id}`, which cannot be read: {error}") from error
    require_different_ids(source, documents)


def shards_partition(source: Source) -> None:
    """Assert that the shards hold every document once between them, and that each is a source too.

    Skipped records are left aside: which shard tells of one does not matter.
    """
    whole = {document.id: document for document in read(source)}
    for world_size in (1, 2, 3, min(len(whole) + 1, 16)):
        times: Counter[str] = Counter()
        for rank in range(world_size):
            with trying(source, f"as shard {rank} of {world_size} is taken"):
                shard = source.shard(rank, world_size)
            what = f"shard {rank} of {world_size} of {shown(source)}"
            documents = read(shard, some=False)
            require(documents == read(shard, some=False), f"{what} differs when replayed")
            for document in documents:
                known = whole.get(document.id) == document
                require(known, f"{what} holds {shown(document)}, which the whole does not")
            times.update(document.id for document in documents)
        for id_ in whole:
            what = f"the {world_size} shards of {shown(source)} hold the document `{id_}` {times[id_]} times"
            require(times[id_] == 1, what)


# All of it is read a dozen times: check it on something small.
SOURCE_CHECKS: tuple[Check, ...] = (*PLUGIN_CHECKS, documents_are_sound, it_replays_the_same, shards_partition)
check_source = checker(SOURCE_CHECKS)
