"""Which documents are shown, which stretch of each, and the activations of some neurons there."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float

from neurosieve.data import Neuron, Site
from neurosieve.errors import ModelError
from neurosieve.models.architectures import Atlas
from neurosieve.models.loading import LanguageModel
from neurosieve.models.reading_hooks import read
from neurosieve.texts.positions import PARTS
from neurosieve.texts.tokens import LabelledDocument
from neurosieve.wording import plural

__all__ = ["Excerpt", "choose_documents", "excerpt", "read_at", "tokens_table"]

_BATCH_BYTES = 256 * 2**20


class Excerpt(NamedTuple):
    """A stretch of a document's tokens."""

    document: LabelledDocument
    tokens: npt.NDArray[np.int64]
    """Those that stand for some text; the token that begins a document does not."""
    readable: int
    """The tokens of the document that the model can read."""


def choose_documents(
    documents: Sequence[LabelledDocument], behaviour: str, count: int, parts: Mapping[str, str], seed: int
) -> list[LabelledDocument]:
    """Return at most `count` documents that show a behaviour, held-out ones first, else as the seed draws them.

    The order of the documents does not matter; `parts` gives the part that each group is in.
    """
    showing = sorted((each for each in documents if each.ranges[behaviour]), key=lambda each: each.tokens.id)
    order = np.random.default_rng(seed).permutation(len(showing))
    drawn = [showing[place] for place in order]
    drawn.sort(key=lambda each: parts.get(each.tokens.group) != PARTS[1])  # Stable: within a part, as drawn.
    return drawn[:count]


def excerpt(document: LabelledDocument, behaviours: Iterable[str], size: int, context: int | None) -> Excerpt:
    """Return the stretch of at most `size` tokens in which most spans of some behaviours begin, the first such.

    A span stands a quarter into it, where the document allows; without one, the stretch begins with the completion.
    """
    tokens = document.tokens
    length = min(len(tokens.token_ids), context or len(tokens.token_ids))
    latest = max(0, length - size)
    onsets = np.array(
        [span.start for name in behaviours for span in document.ranges.get(name, ()) if span.start < length]
    )
    wanted = sorted(onsets - size // 4) if len(onsets) else [int(np.argmax(tokens.usable))]
    firsts = [int(min(max(0, first), latest)) for first in wanted]
    first = max(firsts, key=lambda first: int(((onsets >= first) & (onsets < first + size)).sum()))
    within = np.arange(first, min(first + size, length))
    return Excerpt(document, within[tokens.ends[within] > tokens.starts[within]], length)


def read_at(
    model: LanguageModel,
    atlas: Atlas,
    excerpts: Sequence[Excerpt],
    neurons: Sequence[Neuron],
    tokens_per_batch: int,
    announce: Callable[..., None],
) -> list[Float[np.ndarray, "_ neurons"]]:
    """Return the activation of each neuron at each token of each excerpt; nan at special tokens, which are never read.

    A document is read from its beginning to the end of its excerpt.

    Raises:
        ModelError: a batch does not fit into memory, or activations are not finite.
    """
    sites = [Site(layer, atlas.kind) for layer in sorted({neuron.layer for neuron in neurons})]
    special = np.asarray(model.tokenizer.all_special_ids, dtype=np.int64)
    activations: dict[int, npt.NDArray[np.float32]] = {}
    for batch in _batches(excerpts, tokens_per_batch, _BATCH_BYTES // (4 * atlas.neurons * len(sites))):
        some = [excerpts[number] for number in batch]
        ids = [document.tokens.token_ids[: tokens[-1] + 1] for document, tokens, _ in some]
        try:
            at_sites = read(model, atlas, sites, ids, [excerpt.tokens for excerpt in some])
        except MemoryError as error:
            raise ModelError(
                f"the memory of {model.device} cannot hold {plural(len(ids), 'document')} of up to "
                f"{max(map(len, ids)):,} tokens: give a smaller `tokens_per_batch` than {tokens_per_batch:,}, "
                "or fewer `tokens`"
            ) from error
        # Copies: of a layer's thousands of columns, a few are kept.
        columns = np.stack(
            [at_sites[Site(layer, atlas.kind)][:, index].float().numpy() for layer, index in neurons], axis=1
        )
        of_each = np.split(columns, np.cumsum([len(excerpt.tokens) for excerpt in some])[:-1])
        for number, (document, tokens, _), values in zip(batch, some, of_each, strict=True):
            values[np.isin(document.tokens.token_ids[tokens], special)] = np.nan
            activations[number] = values
        announce("batch_read", documents=len(some), tokens=len(ids) * max(map(len, ids)), positions=len(columns))
        announce("stage_progressed", stage="reading", done=len(activations), total=len(excerpts), unit="documents")
    return [activations[number] for number in range(len(excerpts))]


def _batches(excerpts: Sequence[Excerpt], tokens_per_batch: int, positions: int) -> Iterable[list[int]]:
    """Yield excerpts of like length together, longest first, so many that neither bound is passed."""
    lengths = np.array([excerpt.tokens[-1] + 1 for excerpt in excerpts])
    batch: list[int] = []
    for number in np.argsort(-lengths, kind="stable").tolist():
        together = [*batch, number]
        kept = sum(len(excerpts[place].tokens) for place in together)
        if batch and (len(together) * lengths[together[0]] > tokens_per_batch or kept > positions):
            yield batch
            together = [number]
        batch = together
    yield batch


def tokens_table(
    excerpts: Sequence[Excerpt],
    activations: Sequence[Float[np.ndarray, "_ neurons"]],
    neurons: Sequence[Neuron],
    behaviours: Sequence[str],
) -> pd.DataFrame:
    """Return a row per document, token and neuron.

    The columns are `document, token, start, end, text, behaviour_spans, layer, neuron, activation`. The texts of a
    document's tokens, one after another, are its text from the first token to the last: what a tokenizer leaves out
    between tokens goes with the next one, and of tokens that share a character the first has it.
    """
    tables = []
    for (document, tokens, _), values in zip(excerpts, activations, strict=True):
        # A text begins where the last one ended.
        bounds = [int(document.tokens.starts[tokens[0]]), *document.tokens.ends[tokens].tolist()]
        rows = pd.DataFrame(
            {
                "document": document.tokens.id,
                "token": tokens,
                "start": document.tokens.starts[tokens],
                "end": document.tokens.ends[tokens],
                "text": [document.tokens.text[start:end] for start, end in pairwise(bounds)],
                "behaviour_spans": [_covering(document, behaviours, token) for token in tokens.tolist()],
            }
        )
        tables += [
            rows.assign(layer=neuron.layer, neuron=neuron.neuron, activation=values[:, place])
            for place, neuron in enumerate(neurons)
        ]
    return pd.concat(tables, ignore_index=True)


def _covering(document: LabelledDocument, behaviours: Sequence[str], token: int) -> str:
    return ",".join(name for name in behaviours if any(token in span for span in document.ranges.get(name, ())))
