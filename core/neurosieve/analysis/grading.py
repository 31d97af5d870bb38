"""Which completions answer their problems right, as a grader says."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from neurosieve.contracts import Grader
from neurosieve.data import Document, TokenizedDocument, Verdict
from neurosieve.errors import DataError, PluginError
from neurosieve.wording import plural

__all__ = ["TRUTH_FIELDS", "grade_documents", "truth_of", "verdict_on", "why_ungradable"]

TRUTH_FIELDS = ("ground_truth_solution", "ground_truth", "gold", "gold_answer", "answer")
"""Where a document's metadata holds the right answer: in the first of these that is there. `answer` comes last, as some
records hold the answer of a model there."""


def truth_of(document: Document | TokenizedDocument, fields: Sequence[str] = TRUTH_FIELDS) -> str:
    """Return the right answer, or the solution that ends with it, as the first of some fields gives it; "" if none.

    A field may be a path into nested ones, such as `reward_model.ground_truth`.
    """
    values = (_value_at(document.metadata, field) for field in fields)
    return next((str(value) for value in values if isinstance(value, str | int | float) and str(value).strip()), "")


def _value_at(metadata: Mapping[str, Any], field: str) -> Any:
    if field in metadata:
        return metadata[field]
    value: Any = metadata
    for step in field.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def why_ungradable(documents: Sequence[Document], fields: Sequence[str] = TRUTH_FIELDS) -> str:
    """Return why none of some documents can be graded; "" where there is a right answer to one."""
    if not documents or any(truth_of(document, fields) for document in documents):
        return ""
    names = ", ".join(f"`{name}`" for name in documents[0].metadata) or "nothing"
    return (
        f"there are no right answers to grade by: none of {plural(len(documents), 'document')} has "
        f"{' or '.join(f'`{field}`' for field in fields)} in its metadata, which holds "
        f"{textwrap.shorten(names, 300, placeholder=' …')}; name the field with `truth_fields=[...]`, or switch "
        "grading off with `grader=none`"
    )


def grade_documents(
    documents: Sequence[Document],
    grader: Grader,
    fields: Sequence[str] = TRUTH_FIELDS,
    announce: Callable[..., Any] | None = None,
) -> list[Verdict]:
    """Return the verdict on each document's completion, as `verdict_on` gives it.

    Raises:
        DataError: no document has a right answer.
        PluginError: the grader returns something else than a verdict.
    """
    if reason := why_ungradable(documents, fields):
        raise DataError(reason)
    verdicts = []
    for number, document in enumerate(documents, 1):
        verdicts.append(verdict_on(document, grader, fields))
        if announce is not None:
            announce("stage_progressed", stage="grading", done=number, total=len(documents), unit="answers")
    return verdicts


def verdict_on(document: Document | TokenizedDocument, grader: Grader, fields: Sequence[str] = TRUTH_FIELDS) -> Verdict:
    """Return the verdict on what a document answers; without one, and with the reason, where the grader fails.

    The grader sees all that the model wrote: some traces give their answer in the thought alone.

    Raises:
        PluginError: the grader returns something else than a verdict.
    """
    truth = truth_of(document, fields)
    if not truth:
        return Verdict(None, reason="there is no right answer to compare with")
    try:
        verdict: Any = grader.grade(document.text_of(), truth)
    except Exception as error:
        # Whatever a grader raises on one answer is counted with its reason, and costs the others nothing.
        return Verdict(None, reason=f"the grader failed ({type(error).__name__}: {error})")
    if not isinstance(verdict, Verdict):
        raise PluginError(
            f"the grader {grader!r} returned {verdict!r:.80} for `{document.id}`, which is not a `neurosieve.Verdict`: "
            "correct it"
        )
    return verdict
