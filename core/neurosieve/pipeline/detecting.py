"""The documents of a source with their spans, as a run reports its progress over them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from neurosieve.contracts import Detector
from neurosieve.data import Document, Skipped
from neurosieve.errors import DataError
from neurosieve.models.loading import LanguageModel
from neurosieve.texts.intake import scope_warnings
from neurosieve.texts.near_misses import near_miss_warnings
from neurosieve.texts.spans import check_labels
from neurosieve.texts.tokens import LabelledDocument, label_documents
from neurosieve.wording import plural

__all__ = ["label_all", "near_misses", "no_text"]


def label_all(
    documents: Iterable[Document | Skipped],
    detectors: Mapping[str, Detector],
    lm: LanguageModel,
    context: int | None,
    counts: Counter[str],
    announce: Callable[..., None],
) -> list[LabelledDocument]:
    """Return every document with text to read, with its spans; `counts` gains what was left out.

    Raises:
        DataError: a document is not sound, or the settings of a detector fit none of them.
    """
    labelled = []
    each = label_documents(documents, detectors, lm.tokenizer, context, counts, announce)
    for number, document in enumerate(each, 1):
        announce("stage_progressed", stage="detecting", done=number, total=None, unit="documents")
        labelled.append(document)
    announce("stage_progressed", stage="detecting", done=len(labelled), total=len(labelled), unit="documents")
    check_labels([document.tokens for document in labelled], detectors, counts)
    return labelled


def near_misses(documents: Iterable[LabelledDocument], behaviours: Iterable[str]) -> list[str]:
    """Return a warning for each behaviour that is nearly found in some of the documents."""
    labelled = list(documents)
    return near_miss_warnings(
        {name: [near for document in labelled for near in document.near_misses.get(name, ())] for name in behaviours}
    )


def no_text(counts: Counter[str], context: int | None) -> DataError:
    """Return the error of a source without text to read, within the context of the model if that is bounded."""
    if filled := counts["prompts_fill_context"]:
        return DataError(
            f"the source gave {plural(counts['documents'], 'document')}, and no completion can be read: in {filled:,} "
            f"the prompt alone fills the {context or 0:,} tokens that the model can read: take a model with a longer "
            "context, or texts with shorter prompts"
        )
    return DataError(
        f"the source gave {counts['documents']:,} documents, and none with text to read"
        f"{''.join(f' ({reason})' for reason in scope_warnings(counts))}: check its path and the fields that it reads"
    )
