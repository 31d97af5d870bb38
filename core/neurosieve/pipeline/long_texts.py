"""Positions, and units that end, behind the length that a model was made for: they are counted, and told."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from neurosieve.activations.row_tokens import row_tokens
from neurosieve.models.context import context_of
from neurosieve.models.loading import LanguageModel
from neurosieve.texts.positions import Positions, UnitKind
from neurosieve.texts.units.unit import units_in_words
from neurosieve.wording import plural

__all__ = ["beyond_context", "count_long_texts", "tokens_of_documents"]


def tokens_of_documents(positions: Positions) -> list[npt.NDArray[np.int64]]:
    """Return the last token that each row reads, in order, of each document."""
    bounds = np.searchsorted(positions.document_of_row, np.arange(1, len(positions.documents)))
    return [np.sort(of_document) for of_document in np.split(row_tokens(positions).last, bounds)]


def count_long_texts(lm: LanguageModel, tokens: Iterable[npt.NDArray[np.integer]], counts: Counter[str]) -> None:
    """Add to `counts` how many of the tokens that are read of each document lie behind what the model was made for."""
    context = context_of(lm.config)
    for of_document in tokens:
        if not len(of_document):
            continue
        if context.made_for is not None and (beyond := int((of_document >= context.made_for).sum())):
            counts["positions_beyond_context"] += beyond
            counts["documents_beyond_context"] += 1
        if context.switches_at is not None and int(of_document[-1]) >= context.switches_at:
            counts["documents_that_switch_positions"] += 1


def beyond_context(lm: LanguageModel, counts: Counter[str], unit: UnitKind = "token") -> list[str]:
    """Return a warning where positions lie, or units end, behind the length that a model was made for."""
    context, warnings = context_of(lm.config), []
    if beyond := counts["positions_beyond_context"]:
        verb = ("lies" if beyond == 1 else "lie") if unit == "token" else "ends" if beyond == 1 else "end"
        warnings.append(
            f"{units_in_words(unit, beyond)} in {plural(counts['documents_beyond_context'], 'document')} "
            f"{verb} behind the {context.made_for or 0:,} tokens that `{lm.name}` was made "
            "for: what its neurons do there was never trained; give shorter texts, or a model with a longer context"
        )
    if switching := counts["documents_that_switch_positions"]:
        warnings.append(
            f"{plural(switching, 'document')} {'is' if switching == 1 else 'are'} longer than "
            f"{context.switches_at or 0:,} tokens, where `{lm.name}` turns its rotary positions otherwise for all "
            "texts of a batch: a text's activations depend on what it is read with; `tokens_per_batch=1` reads each "
            "text alone"
        )
    return warnings
