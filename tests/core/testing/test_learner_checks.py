"""Every check of learners fails on a learner that breaks its promise."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from safetensors.numpy import safe_open, save_file

from neurosieve import DataError, Document, Fitted, Learner, Scope, Span, sentences
from neurosieve.testing import LEARNER_CHECKS, PLUGIN_CHECKS, check_learner


class Share(Fitted):
    """The share of a sentence's words that stood in sentences with the behaviour, and in no others."""

    def __init__(self, words: Collection[str], threshold: float = 0.5, about: Mapping[str, Any] | None = None) -> None:
        self.words, self.threshold, self.about = sorted(words), threshold, about or {}

    def rate(self, document: Document, scope: Scope = "completion") -> Iterator[tuple[Span, float]]:
        for stretch in document.stretches(scope):
            for start, end in sentences(document.text, *stretch):
                words = re.findall(r"\w+|[?.]", document.text[start:end])
                yield Span(start, end, "doubt"), sum(word in self.words for word in words) / max(1, len(words))

    def save(self, path: Path, threshold: float, about: Mapping[str, Any]) -> None:
        record = {"format": "shares", "threshold": threshold, "about": dict(about), "words": self.words}
        save_file({"none": np.zeros(100)}, path, metadata={"neurosieve": json.dumps(record)})


@dataclass(frozen=True)
class Sound(Learner):
    """Words of sentences with the behaviour."""

    format: ClassVar[str] = "shares"
    fitted: ClassVar[type[Share]] = Share

    def fit(self, documents: Sequence[Document], labels: Collection[str]) -> Fitted:
        words: dict[bool, set[str]] = {True: set(), False: set()}
        for document in documents:
            for span in document.annotations:
                shows = span.label in labels
                words[shows] |= set(re.findall(r"\w+|[?.]", document.text[span.start : span.end]))
        if not words[True] or not words[False]:
            raise DataError("all or none")
        return self.fitted(words[True] - words[False])

    @classmethod
    def load(cls, path: Path) -> Fitted:
        try:
            with safe_open(path, "numpy") as file:
                record = json.loads(file.metadata()["neurosieve"])
        except Exception as error:
            raise DataError("broken") from error
        return cls.fitted(record["words"], record["threshold"], record["about"])


class Percent(Share):
    """Ratings that are percentages."""

    def rate(self, document: Document, scope: Scope = "completion") -> Iterator[tuple[Span, float]]:
        for span, rating in super().rate(document, scope):
            yield span, 100 * rating


class Everywhere(Share):
    """The whole text, whatever the scope."""

    def rate(self, document: Document, scope: Scope = "completion") -> Iterator[tuple[Span, float]]:
        yield from super().rate(Document(document.id, document.text, document.group))


class Crashing(Share):
    """Texts with a first character."""

    def rate(self, document: Document, scope: Scope = "completion") -> Iterator[tuple[Span, float]]:
        assert document.text[0]
        yield from super().rate(document, scope)


class Opposite(Share):
    """The less, the likelier."""

    def rate(self, document: Document, scope: Scope = "completion") -> Iterator[tuple[Span, float]]:
        for span, rating in super().rate(document, scope):
            yield span, 1 - rating


class Unlabelled(Share):
    """Spans without a label."""

    def rate(self, document: Document, scope: Scope = "completion") -> Iterator[tuple[Span, float]]:
        for span, rating in super().rate(document, scope):
            yield Span(span.start, span.end), rating


class Nameless(Share):
    """A file that does not say whose it is."""

    def save(self, path: Path, threshold: float, about: Mapping[str, Any]) -> None:
        record = {"threshold": threshold, "about": dict(about), "words": self.words}
        save_file({"none": np.zeros(100)}, path, metadata={"neurosieve": json.dumps(record)})


class Forgetful(Share):
    """A file without the words."""

    def save(self, path: Path, threshold: float, about: Mapping[str, Any]) -> None:
        Share(self.words[:1], threshold).save(path, threshold, about)


class Careless(Share):
    """A file without its threshold."""

    def save(self, path: Path, threshold: float, about: Mapping[str, Any]) -> None:
        super().save(path, 0.5, about)


def learner(cls: type[Share]) -> Learner:
    """Return a learner that keeps all promises but those that what it learns breaks."""
    return type("Teaching", (Sound,), {"fitted": cls, "__doc__": cls.__doc__})()


@dataclass(frozen=True)
class Formless(Sound):
    """No name for its files."""

    format: ClassVar[str] = ""


@dataclass(frozen=True)
class Lenient(Sound):
    """Learns from anything."""

    def fit(self, documents: Sequence[Document], labels: Collection[str]) -> Fitted:
        try:
            return super().fit(documents, labels)
        except DataError:
            return Share(())


@dataclass(frozen=True)
class Trusting(Sound):
    """Opens anything."""

    @classmethod
    def load(cls, path: Path) -> Fitted:
        try:
            return super().load(path)
        except DataError:
            return Share(())


@dataclass(frozen=True)
class Remembering(Sound):
    """What it learned before has a part in what it learns."""

    trainings: ClassVar[list[int]] = []

    def fit(self, documents: Sequence[Document], labels: Collection[str]) -> Fitted:
        self.trainings.append(1)
        words: list[str] = super().fit(documents, labels).words  # type: ignore[attr-defined]
        return Share(words[len(self.trainings) % 3 :])


@dataclass(frozen=True)
class Marking(Sound):
    """Writes into the documents."""

    def fit(self, documents: Sequence[Document], labels: Collection[str]) -> Fitted:
        for document in documents:
            document.metadata["seen"] = True  # type: ignore[index]
        return super().fit(documents, labels)


BROKEN = [
    (learner(Percent), {"ratings_are_sound"}, "give a number from 0 to 1"),
    (learner(Everywhere), {"ratings_are_sound"}, "that is not in its"),
    (learner(Crashing), {"ratings_are_sound", "a_file_holds_what_was_learned"}, "raises IndexError"),
    (learner(Opposite), {"a_behaviour_is_learned"}, "rates a doubt higher than other work in"),
    (learner(Unlabelled), {"a_behaviour_is_learned"}, "and was taught `doubt`"),
    (learner(Nameless), {"a_file_holds_what_was_learned"}, "says that its format is ``, and not `shares`"),
    (learner(Forgetful), {"a_file_holds_what_was_learned"}, "opened from its file"),
    (learner(Careless), {"a_file_holds_what_was_learned"}, r"keeps \(0.5, "),
    (Formless(), {"a_file_holds_what_was_learned"}, "has no `format`"),
    (Lenient(), {"too_little_is_refused"}, "raise a `DataError`"),
    (Trusting(), {"a_broken_file_is_refused"}, "opens a file that was cut off"),
    (Remembering(), {"learning_again_gives_the_same"}, "after it has learned again"),
    (Marking(), {"learning_leaves_the_documents_alone"}, "changes the documents"),
]


@pytest.mark.parametrize(
    ("broken", "checks", "message"), BROKEN, ids=lambda value: value.__doc__ if isinstance(value, Learner) else ""
)
def test_a_learner_that_breaks_a_promise_fails_the_checks_of_that_promise(
    broken: Learner, checks: set[str], message: str, failures: Any
) -> None:
    own = [check for check in LEARNER_CHECKS if check not in PLUGIN_CHECKS]
    failed = failures(own, broken)
    assert failed.keys() == checks
    assert all(re.search(message, text) for text in failed.values()), failed


def test_every_check_has_a_learner_that_fails_it() -> None:
    own = {check.__name__ for check in LEARNER_CHECKS if check not in PLUGIN_CHECKS}
    assert own == set().union(*(checks for _, checks, _ in BROKEN))


def test_a_learner_that_keeps_its_promises_passes() -> None:
    check_learner(Sound())
