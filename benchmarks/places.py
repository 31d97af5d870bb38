"""Texts of a wanted length and the positions in them, and the one place where benchmarks call `capture`."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosieve import Document, Span
from neurosieve.activations.capture import Capture, capture, document_batches
from neurosieve.activations.store import Space
from neurosieve.data import TokenizedDocument
from neurosieve.models.architectures import Atlas
from neurosieve.models.batches import Reader
from neurosieve.models.loading import LanguageModel
from neurosieve.texts.positions import Positions
from neurosieve.texts.selection import Selection, choose_positions
from neurosieve.texts.tokens import LabelledDocument, tokenize
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.executors.local import Local
from neurosieve_plugins.sources.arithmetic import Arithmetic

__all__ = ["batches_of", "captured", "random_texts", "worked_solutions"]

CONTROLS = 20.0
"""Positions are read at the last token of each text, and at so many before it."""


def worked_solutions(model: LanguageModel, texts: int, length: int) -> Positions:
    """Return positions in texts of exactly `length` tokens each, made of embedded solutions one after the other."""
    source, ids = iter(Arithmetic(documents=10**6)), []
    for _ in range(texts):
        text, token_ids = "", np.zeros(0, dtype=np.int64)
        while len(token_ids) < length:
            text += next(source).text
            tokens = tokenize(Document("text", text, "group"), model.tokenizer, None)
            token_ids = tokens.token_ids if tokens is not None else token_ids
        ids.append(token_ids[:length])
    return _positions(ids)


def random_texts(vocabulary: int, lengths: Sequence[int]) -> Positions:
    """Return positions in texts of random tokens."""
    rng = np.random.default_rng(0)
    return _positions([rng.integers(4, vocabulary, length) for length in lengths])


def _positions(texts: Sequence[npt.NDArray[np.int64]]) -> Positions:
    labelled = []
    for number, ids in enumerate(texts):
        last, place = len(ids) - 1, np.arange(len(ids))
        tokens = TokenizedDocument(
            f"d{number:04}", f"g{number}", "x" * len(ids), ids, place, place + 1, place > 0, place / max(1, last)
        )
        labelled.append(LabelledDocument(tokens, {"last": [Span(last, last + 1)]}, {"last": [range(last, last + 1)]}))
    # The last token is read, so that the whole text is.
    selection = Selection(controls_per_position=CONTROLS, held_out_fraction=0.0, extra_positions=())
    return choose_positions(labelled, ["last"], Distant(), selection, 0, Counter())


def batches_of(positions: Positions, budget: int) -> list[npt.NDArray[np.int64]]:
    """Return the token ids of the batches that `capture` forms, padded."""
    batches = []
    for batch in document_batches(positions, budget):
        texts = [positions.documents[number].token_ids for number in batch]
        ids = np.zeros((len(texts), max(map(len, texts))), dtype=np.int64)
        for line, text in zip(ids, texts, strict=True):
            line[: len(text)] = text
        batches.append(ids)
    return batches


def captured(model: LanguageModel, atlas: Atlas, positions: Positions, budget: int) -> Capture:
    """Read the positions into a fresh store, which is then removed."""

    def nobody(*_: Any, **__: Any) -> None:
        pass

    with tempfile.TemporaryDirectory() as folder:
        space = Space("benchmark", atlas.sites, model.dtype, Path(folder))
        return capture(Reader(model, atlas, atlas.sites), space, positions, budget, nobody, Local())
