import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from neurosieve import Control, Present, TokenizedDocument
from neurosieve.testing import CONTROL_CHECKS, PLUGIN_CHECKS, check_control


def free(document: TokenizedDocument, present: Present) -> list[int]:
    usable = np.flatnonzero(document.usable).tolist()
    return [token for token in usable if not any(token in span for span in present.here)]


@dataclass(frozen=True)
class Sound(Control):
    """Any tokens outside the behaviour."""

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        return [int(token) for token in rng.permutation(np.array(free(document, present), dtype=int))[:count]]


@dataclass(frozen=True)
class Generous(Sound):
    """All tokens outside the behaviour, whatever the count."""

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        return free(document, present)


@dataclass(frozen=True)
class Doubling(Sound):
    """As many tokens as asked for, over and over."""

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        tokens = free(document, present)
        return [] if not tokens else [int(token) for token in rng.choice(tokens, size=count)]


@dataclass(frozen=True)
class Unusable(Sound):
    """Tokens outside the behaviour, of the prompt too."""

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        if not free(document, present):
            return []
        return [t for t in range(len(document.token_ids)) if not any(t in span for span in present.here)][:count]


@dataclass(frozen=True)
class Overlapping(Sound):
    """Any usable tokens, of the behaviour too."""

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        return np.flatnonzero(document.usable).tolist()[:count] if free(document, present) else []


@dataclass(frozen=True)
class Outside(Sound):
    """Tokens behind the document."""

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        return [len(document.token_ids)][:count] if free(document, present) else []


@dataclass(frozen=True)
class Careless(Sound):
    """The first token, where there is no other."""

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        return super().choose(document, present, count, rng) or [0][:count]


@dataclass(frozen=True)
class Whimsical(Sound):
    """Tokens by a chance of its own."""

    chance: ClassVar[np.random.Generator] = np.random.default_rng(0)

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        return super().choose(document, present, count, self.chance)


@dataclass(frozen=True)
class Scribbling(Sound):
    """Tokens that cannot be chosen twice."""

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        chosen = super().choose(document, present, count, rng)
        document.usable[chosen] = False
        return chosen


@dataclass(frozen=True)
class Sorting(Sound):
    """Tokens, with the onsets put in order."""

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        present.anchor_relative.sort()
        return super().choose(document, present, count, rng)


@dataclass(frozen=True)
class Needy(Sound):
    """Tokens outside the behaviour, said to depend on other documents."""

    needs_other_documents: ClassVar[bool] = True


@dataclass(frozen=True)
class Anchored(Sound):
    """Tokens outside the behaviour, as long as it shows in some document."""

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        return super().choose(document, present, count, rng) if len(present.anchor_token_ids) else []


@dataclass(frozen=True)
class Crashing(Sound):
    """Tokens of documents that have any."""

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        return sorted(rng.choice(free(document, present), size=1).tolist())[:count]


ALL = {check.__name__ for check in CONTROL_CHECKS if check not in PLUGIN_CHECKS}
AT_MOST, OUTSIDE = "it_chooses_at_most_so_many_different_tokens", "it_chooses_usable_tokens_outside_the_spans"
DECLARED = "need_of_other_documents_is_declared"
NOTHING = "nothing_is_chosen_where_nothing_is_usable"

BROKEN = [
    (Generous(), {AT_MOST}, r"Generous\(\), asked for 0 tokens of a document with the behaviour, gives"),
    (Doubling(), {AT_MOST}, "some of them twice"),
    (Unusable(), {OUTSIDE}, "token 0 is not usable"),
    (Overlapping(), {OUTSIDE}, r"token 60 is in the span range\(60, 64\)"),
    (Outside(), {OUTSIDE}, "300 is not a token of its 300"),
    (Careless(), {OUTSIDE, NOTHING}, "token 0 is not usable|chooses .0. of a document without a usable token"),
    (Whimsical(), {"the_same_seed_gives_the_same"}, "and by the same seed"),
    (Scribbling(), {"choosing_leaves_the_document_alone"}, "changes `usable` of a document with the behaviour"),
    (Sorting(), {"choosing_leaves_the_document_alone"}, "changes `anchor_relative` of the `Present` that it gets"),
    (Needy(), {DECLARED}, "`needs_other_documents = True`, and chooses 1000 of 1000 tokens"),
    (Anchored(), {DECLARED}, "`needs_other_documents = False`, and chooses 0 of 1000 tokens"),
    (Crashing(), ALL - {DECLARED}, "raises ValueError as . tokens of a document .* are asked for: a cannot be empty"),
]


@pytest.mark.parametrize(("control", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_a_control_that_breaks_a_promise_fails_the_checks_of_that_promise(
    control: Control, checks: set[str], message: str, failures: Any
) -> None:
    failed = failures(CONTROL_CHECKS, control)
    assert failed.keys() == checks
    assert all(re.search(message, text) for text in failed.values()), failed
    with pytest.raises(AssertionError, match=message):
        check_control(control)


def test_every_check_has_a_control_that_fails_it() -> None:
    assert set().union(*(checks for _, checks, _ in BROKEN)) == ALL


def test_a_control_that_keeps_its_promises_passes() -> None:
    check_control(Sound())
