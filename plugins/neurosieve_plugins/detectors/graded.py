"""Detect right and wrong answers."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from neurosieve import (
    TRUTH_FIELDS,
    ConfigError,
    DataError,
    Detector,
    Document,
    Grader,
    Scope,
    Span,
    TokenizedDocument,
    Verdict,
    check_fields,
    nearest,
    plural,
    truth_of,
    verdict_on,
)
from neurosieve_plugins.detectors.field_values import field_names
from neurosieve_plugins.graders.math_verify import MathVerify

__all__ = ["Graded"]

_KEPT = 200_000
"""So many verdicts are kept, so that several detectors grade each answer once."""
_verdicts: dict[tuple[Grader, bytes], Verdict] = {}


@dataclass(frozen=True)
class Graded(Detector):
    r"""Whole texts whose answer a grader finds wrong, or right.

    The texts with the other verdict are those to compare with. Of a text without a verdict nothing is known, as where
    no answer is found or there is no right one to compare with: it counts neither as the behaviour nor as a control.

    >>> answer = Document(id="a", group="a", text=r"It is \boxed{41}.", metadata={"answer": "42"})
    >>> list(Graded("wrong").detect(answer)), list(Graded("right").detect(answer))
    ([Span(start=0, end=17, label='wrong')], [])
    """

    whole_texts = True

    verdict: Literal["wrong", "right"] = "wrong"
    """Which answers show the behaviour."""
    grader: Grader = field(default_factory=MathVerify)
    """What compares an answer with the right one: the name of a grader, or a grader with its fields."""
    truth_fields: tuple[str, ...] = TRUTH_FIELDS
    """Where a document's metadata holds the right answer, or a solution that ends with it: the first that is there."""
    unanswered: Literal["unknown", "wrong"] = "unknown"
    """What a text is in which no answer is found: it may be cut off, or give its answer in a form that the grader does
    not read."""
    scope: Scope = "completion"
    """What is marked: all that the model wrote (`completion`), its `thought` or `answer` alone, or the `prompt`. All
    that the model wrote is graded in any case."""

    def __post_init__(self) -> None:
        if isinstance(self.truth_fields, str):
            raise ConfigError(f"`truth_fields` of the detector `graded` is a text: give a list, [{self.truth_fields}]")
        check_fields(self, "the detector `graded`: ")
        if not self.truth_fields:
            raise ConfigError("`truth_fields` of the detector `graded` is empty: name at least one field")

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield each stretch of the scope of a document with the verdict that is looked for."""
        if self._verdict(document).right is (self.verdict == "right"):
            yield from (Span(start, end, self.verdict) for start, end in document.stretches(self.scope))

    def near_misses(self, document: Document) -> Iterator[Span]:
        """Yield each stretch of the scope of a document without a verdict, labelled with the reason."""
        verdict = self._verdict(document)
        if verdict.right is None:
            yield from (Span(start, end, verdict.reason) for start, end in document.stretches(self.scope))

    def check(self, documents: Sequence[Document | TokenizedDocument]) -> None:
        """Raise where no document has a right answer, none has a verdict, or all have the same one.

        Raises:
            DataError: the message names the fields that there are, or counts the verdicts and their reasons.
        """
        if not documents:
            return
        where, names = plural(len(documents), "document"), field_names([document.metadata for document in documents])
        if not any(truth_of(document, self.truth_fields) for document in documents):
            wanted = " or ".join(f"`{name}`" for name in self.truth_fields)
            hints = (nearest(name, names) for name in self.truth_fields)
            listed = ", ".join(f"`{name}`" for name in names) or "nothing"
            near = next((f"; {hint}" for hint in hints if hint.startswith("did")), "")
            raise DataError(
                f"there are no right answers to grade by: none of {where} has {wanted} in its metadata, which holds "
                f"{listed}; name the field with `detectors.<name>.truth_fields=[...]`{near}"
            )
        verdicts = [self._verdict(document) for document in documents]
        if all(verdict.right is None for verdict in verdicts):
            reasons = Counter(verdict.reason for verdict in verdicts).most_common(3)
            raise DataError(
                f"none of {where} has a verdict ({'; '.join(f'{count:,}: {reason}' for reason, count in reasons)}): "
                "look at how they end, and choose a `detectors.<name>.grader` that reads such answers"
            )
        numbers = Counter(verdict.right for verdict in verdicts)
        if lacking := next((name for name, right in (("right", True), ("wrong", False)) if not numbers[right]), ""):
            raise DataError(
                f"no answer of {where} is {lacking} (graded: {numbers[True]:,} right, {numbers[False]:,} wrong, "
                f"{numbers[None]:,} without a verdict): give texts with right and with wrong answers"
            )

    def _verdict(self, document: Document | TokenizedDocument) -> Verdict:
        completion, truth = document.text_of(), truth_of(document, self.truth_fields)
        key = self.grader, hashlib.blake2b(f"{len(truth)} {truth} {completion}".encode(), digest_size=16).digest()
        if key not in _verdicts:
            if len(_verdicts) >= _KEPT:
                _verdicts.clear()
            _verdicts[key] = verdict_on(document, self.grader, self.truth_fields)
        verdict = _verdicts[key]
        if verdict.unanswered and self.unanswered == "wrong":
            return verdict._replace(right=False)
        return verdict
