"""Detectors that look at all texts of a run before the first is labelled."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import neurosieve
from neurosieve import ConfigError, Detector, Document, Span


@dataclass(frozen=True)
class Looking(Detector):
    """Marks the first word, and keeps which texts it was given at once."""

    looks_ahead = True

    given: list[list[str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterable[str]:
        self.given.append([document.id for document in documents])
        progress(stage="looking", done=len(documents), total=len(documents), unit="documents")
        yield f"looked at {len(documents)} documents"

    def estimate(self, documents: Sequence[Document]) -> str:
        return "" if self.given else f"{len(documents)} requests"

    def detect(self, document: Document) -> Iterator[Span]:
        if document.text:
            yield Span(0, len(document.text.split(" ")[0]))


def texts(number: int = 30) -> list[Document]:
    return [
        Document(str(n), f"Wait, it is {n}. So it is {n * n} or more. Then add {n}.", str(n)) for n in range(number)
    ]


def test_all_documents_are_looked_at_once_and_the_remark_is_a_note(tmp_path: Path) -> None:
    detector = Looking()
    run = neurosieve.detect(texts(), {"first": detector}, reports=(), folder=tmp_path / "run")
    assert detector.given == [[str(n) for n in range(30)]]
    assert "`first`: looked at 30 documents" in run.run["notes"]
    assert len(run.table("spans")) == 30


def test_find_looks_ahead_too(tmp_path: Path) -> None:
    detector = Looking()
    result = neurosieve.find(
        "tiny", texts(), {"first": detector}, reports=(), folder=tmp_path / "run", permutations=19, scorers=["cohens_d"]
    )
    assert len(detector.given) == 1
    assert "`first`: looked at 30 documents" in result.run["notes"]


def test_a_plan_says_what_looking_would_cost_and_does_not_look() -> None:
    detector = Looking()
    with pytest.raises(ConfigError, match="`first` cannot be planned before it has looked at the texts: 30 requests"):
        neurosieve.plan("tiny", texts(), {"first": detector})
    assert not detector.given


def test_a_plan_says_which_commands_do_what_it_does_not() -> None:
    """`detect` has no model: a detector that reads the one of the run has to be given its name there."""
    with pytest.raises(ConfigError) as error:
        neurosieve.plan("tiny", texts(), {"first": Looking()})
    assert "30 requests; `neurosieve find` does that itself, before it reads the model; or let" in str(error.value)
    assert "`${model.name}`, needs its name there: `detectors.first.model=<name>`" in str(error.value)
