import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest

from neurosieve import Document, Passage, Skipped, Source, Span
from neurosieve.testing import PLUGIN_CHECKS, SOURCE_CHECKS, check_source


@dataclass(frozen=True)
class Sound(Source):
    """Some numbers, one after the other."""

    count: int = 5

    def __iter__(self) -> Iterator[Document]:
        for n in range(self.count):
            yield Document(f"n{n}", f"{n} is a number", f"g{n // 2}", completion_start=2, annotations=(Span(0, 1),))


@dataclass(frozen=True)
class Unsound(Sound):
    """Numbers whose last document has something amiss."""

    amiss: str = "id"
    to: Any = ""

    def __iter__(self) -> Iterator[Document]:
        *sound, last = super().__iter__()
        yield from [*sound, replace(last, **{self.amiss: self.to})]


@dataclass(frozen=True)
class MisplacedAnnotation(Sound):
    """Numbers with an annotation behind the text."""

    def __iter__(self) -> Iterator[Document]:
        for document in super().__iter__():
            yield replace(document, annotations=(Span(3, 99),))


@dataclass(frozen=True)
class OverlappingPassages(Sound):
    """Numbers of which two authors wrote the same character."""

    def __iter__(self) -> Iterator[Document]:
        for document in super().__iter__():
            yield replace(document, passages=(Passage(0, 5, "user"), Passage(4, 13, "answer")))


@dataclass(frozen=True)
class Bare(Sound):
    """Numbers as bare strings."""

    def __iter__(self) -> Iterator[Any]:
        return (document.text for document in super().__iter__())


@dataclass(frozen=True)
class Skipping(Sound):
    """Numbers of which every third makes no document."""

    def __iter__(self) -> Iterator[Any]:
        for number, document in enumerate(super().__iter__()):
            yield Skipped(f"record {number}", "no number") if number % 3 == 1 else document


@dataclass(frozen=True)
class Mute(Sound):
    """Numbers, one of which makes no document for no reason."""

    def __iter__(self) -> Iterator[Any]:
        yield Skipped("record 0", "")
        yield from super().__iter__()


@dataclass(frozen=True)
class Draining(Sound):
    """Numbers that can be read once."""

    left: ClassVar[dict[int, Iterator[Document]]] = {}

    def __iter__(self) -> Iterator[Document]:
        return self.left.setdefault(id(self), super().__iter__())


@dataclass(frozen=True)
class Shuffling(Sound):
    """Numbers in any order."""

    chance: ClassVar[random.Random] = random.Random(0)

    def __iter__(self) -> Iterator[Document]:
        documents = list(super().__iter__())
        self.chance.shuffle(documents)
        return iter(documents)


@dataclass(frozen=True)
class OneCursor(Sound):
    """Numbers with one place where reading is, whoever reads."""

    at: ClassVar[list[int]] = [0]

    def __iter__(self) -> Iterator[Document]:
        documents = list(super().__iter__())
        self.at[0] = 0
        while self.at[0] < len(documents):
            self.at[0] += 1
            yield documents[self.at[0] - 1]


@dataclass(frozen=True)
class Chosen(Source):
    """Some documents of a source."""

    documents: tuple[Document, ...] = field(default=())

    def __iter__(self) -> Iterator[Document]:
        return iter(self.documents)


@dataclass(frozen=True)
class Dropping(Sound):
    """Numbers whose shards are of equal size."""

    def shard(self, rank: int, world_size: int) -> Source:
        documents, size = tuple(self), self.count // world_size
        return Chosen(documents[rank * size : (rank + 1) * size])


@dataclass(frozen=True)
class Repeating(Sound):
    """Numbers that are whole in each shard."""

    def shard(self, rank: int, world_size: int) -> Source:
        return self


@dataclass(frozen=True)
class Renaming(Sound):
    """Numbers that are named after their shard."""

    def shard(self, rank: int, world_size: int) -> Source:
        return Chosen(
            tuple(replace(document, id=f"{rank}/{document.id}") for document in super().shard(rank, world_size))
        )


@dataclass(frozen=True)
class Restless(Sound):
    """Numbers whose shards are shuffled each time."""

    def shard(self, rank: int, world_size: int) -> Source:
        return Shuffling(self.count) if world_size == 1 else super().shard(rank, world_size)


ALL = {check.__name__ for check in SOURCE_CHECKS if check not in PLUGIN_CHECKS}

BROKEN = [
    (Sound(count=0), ALL, "yields no document: check it on one that does"),
    (Unsound(), {"documents_are_sound"}, "yields as number 4 a document without an id: '4 is a number'"),
    (Unsound(to="n1"), {"documents_are_sound", "shards_partition"}, "`n1`|n1"),
    (Unsound(amiss="group"), {"documents_are_sound"}, "number 4 a document without a group: `n4`"),
    (
        Unsound(amiss="completion_start", to=99),
        {"documents_are_sound"},
        "starts at 99, outside its 13 characters",
    ),
    (Unsound(amiss="completion_start", to=-1), {"documents_are_sound"}, "completion starts at -1, outside"),
    (MisplacedAnnotation(), {"documents_are_sound"}, r"`n0`.*annotation \(3, 99, ''\) is not a stretch"),
    (
        OverlappingPassages(),
        {"documents_are_sound"},
        r"passages 0 to 5 \(`user`\) and 4 to 13 \(`answer`\) overlap",
    ),
    (Mute(), ALL, "does not say where or why"),
    (Bare(), ALL, "yields as number 0 '0 is a number', which is not a `neurosieve.Document`"),
    (Draining(), {"it_replays_the_same", "shards_partition"}, "yields no document.* each time it is read"),
    (Shuffling(), {"it_replays_the_same", "shards_partition"}, "yields as number|differs when replayed"),
    (OneCursor(), {"it_replays_the_same"}, "read twice at once"),
    (Dropping(), {"shards_partition"}, "the 2 shards of .* hold the document `n4` 0 times"),
    (Repeating(), {"shards_partition"}, "the 2 shards of .* hold the document `n0` 2 times"),
    (Renaming(), {"shards_partition"}, "shard 0 of 1 of .* which the whole does not"),
    (Restless(), {"shards_partition"}, "shard 0 of 1 of .* differs when replayed"),
]


@pytest.mark.parametrize(("source", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_a_source_that_breaks_a_promise_fails_the_checks_of_that_promise(
    source: Source, checks: set[str], message: str, failures: Any
) -> None:
    failed = failures(SOURCE_CHECKS, source)
    assert failed.keys() == checks
    assert all(re.search(message, text) for text in failed.values()), failed
    with pytest.raises(AssertionError, match=message):
        check_source(source)


def test_every_check_has_a_source_that_fails_it() -> None:
    assert set().union(*(checks for _, checks, _ in BROKEN)) == ALL


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_source_that_keeps_its_promises_passes(count: int) -> None:
    check_source(Sound(count))
    check_source(Skipping(count))
