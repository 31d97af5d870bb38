"""What a reader of precision and recall must know first: what they leave out, and which texts they are of."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from neurosieve.data import Document, Span
from neurosieve.detection.agreement.annotated_sentences import Annotations, Marks, mark_sentences
from neurosieve.wording import plural

__all__ = ["agreement_warnings", "count_outside", "not_known_warnings", "sample_remarks"]


def agreement_warnings(
    truth: Annotations, compared: Mapping[str, Sequence[str]], min_groups: int, documents: int
) -> list[str]:
    """Return what a reader of the agreement must know first."""
    warnings = []
    groups, annotated, _ = truth.size
    if groups < min_groups:
        warnings.append(
            f"annotations are of {plural(groups, 'group')}: with fewer than {min_groups} there is no interval"
        )
    if annotated < documents:
        warnings.append(
            f"{documents - annotated:,} of {documents:,} documents are not annotated, and do not count in precision "
            "and recall"
        )
    warnings += [
        f"every annotated sentence is `{name}`: only recall can be measured, as no mark could be wrong"
        for name, labels in compared.items()
        if truth.any_of(labels).all()
    ]
    return warnings


def not_known_warnings(truth: Annotations, not_known: Mapping[str, Marks], min_groups: int) -> list[str]:
    """Return of how many annotated sentences each detector does not know whether they show the behaviour."""
    warnings = []
    for name, unknown in not_known.items():
        if not unknown.any():
            continue
        left, annotated = truth.sentences["group"][~unknown].nunique(), truth.size[0]
        no_interval = (
            f"; sentences of {plural(left, 'group')} are left, and with fewer than {min_groups} there is no interval"
            if left < min_groups <= annotated
            else ""
        )
        warnings.append(
            f"`{name}` does not know of {plural(int(unknown.sum()), 'annotated sentence')} whether the behaviour shows "
            f"there: they are left out of precision and recall{no_interval}"
        )
    return warnings


def sample_remarks(truth: Annotations, documents: Iterable[Document]) -> tuple[list[str], list[str]]:
    """Return notes and warnings on what annotations of a sample of sentences say of all the texts."""
    unweighted = sum(
        document.metadata.get("unlabelled") == "not known" and not document.annotation_weights
        for document in documents
        if document.annotations
    )
    notes, warnings = [], []
    if (truth.weights != 1).any():
        notes.append(
            f"the {plural(len(truth.sentences), 'annotated sentence')} are a sample, and stand for "
            f"{truth.weights.sum():,.0f} of the texts that they were drawn from: precision and recall are weighted, "
            "and are those of these texts"
        )
    if unweighted:
        warnings.append(
            f"of {plural(unweighted, 'document')} only some sentences were labelled, and nothing says how many others "
            "each stands for: precision and recall are of the sample, and not of the texts; the run of `neurosieve "
            "annotate read=...` has those of the texts"
        )
    return notes, warnings


def count_outside(truth: Annotations, spans: Mapping[str, Sequence[Span]]) -> int:
    """Return how many spans of the annotated documents overlap no annotated sentence."""
    annotated = set(truth.sentences["document"])
    places = pd.DataFrame(
        [(name, span.start, span.end) for name in annotated for span in spans[name]],
        columns=["document", "start", "end"],
    )
    by_document = truth.sentences.groupby("document")[["start", "end"]]
    sentences = {str(name): [Span(*ends) for ends in rows.to_numpy().tolist()] for name, rows in by_document}
    return int((~mark_sentences(places, sentences)).sum())
