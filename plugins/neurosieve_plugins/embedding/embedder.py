"""Sentences become vectors: those of a document in one go, and each document's kept while there is room."""

import hashlib
import json
import math
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Embedded", "Embedder"]

_BATCH = 32
_KEPT = 512 * 2**20
"""So many bytes of embeddings are kept, for other detectors of a run and the trainings of a cross-validation."""


class Embedded(NamedTuple):
    """The embeddings of some sentences."""

    vectors: npt.NDArray[np.float32]
    """A row a sentence, of length 1, or 0 where the model knows no token of it."""
    whole: npt.NDArray[np.bool_]
    """Which of them the model has read to their end; the others are longer than its window."""


class Embedder:
    """An embedding model, open.

    The same sentences in the same order give the same numbers. Among other sentences a sentence's numbers differ in the
    seventh decimal, as matrices of other shapes are multiplied: who wants a judgement that depends on the document
    alone embeds the sentences of one document in one call.
    """

    def __init__(self, name: str, model: Any, weights: Sequence[Path] = ()) -> None:
        self.name = name
        self._model, self._weights = model, weights
        self._kept: OrderedDict[bytes, Embedded] = OrderedDict()
        self._kept_bytes = 0
        longest = model.max_seq_length
        self.window = int(longest) if longest is not None and math.isfinite(longest) else None
        """How many tokens of a sentence it reads, None where it reads all."""
        if self.window is None and hasattr(model.tokenizer, "no_truncation"):
            model.tokenizer.no_truncation()  # The file of a tokenizer may hold a limit that its model does not need.

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the files of its weights."""
        digest = hashlib.sha256()
        for path in self._weights:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:24]

    @cached_property
    def dimension(self) -> int:
        """How many numbers an embedding has."""
        return int(self.embed(["a"]).vectors.shape[1])

    def embed(self, texts: Sequence[str]) -> Embedded:
        """Return the embeddings of some sentences, such as those of one document."""
        key = hashlib.sha256(json.dumps(list(texts)).encode()).digest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        embedded = self._embedded(texts)
        self._kept[key] = embedded
        self._kept_bytes += embedded.vectors.nbytes
        while self._kept_bytes > _KEPT:
            self._kept_bytes -= self._kept.popitem(last=False)[1].vectors.nbytes
        return embedded

    def _embedded(self, texts: Sequence[str]) -> Embedded:
        # Tokenizers take no lone surrogates.
        sound = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        vectors = np.asarray(
            self._model.encode(
                sound,
                batch_size=_BATCH,
                show_progress_bar=False,
                convert_to_numpy=True,
                normalize_embeddings=True,
            ),
            dtype=np.float32,
        )
        # Two people who hold the same array must not change it for each other.
        vectors.flags.writeable = False
        return Embedded(vectors, np.array([self._is_whole(text) for text in sound], dtype=bool))

    def _is_whole(self, text: str) -> bool:
        """Return whether the model reads a text to its end."""
        if self.window is None:
            return True
        prompt = (self._model.prompts or {}).get(self._model.default_prompt_name) or ""
        text = prompt + text
        # A character of ASCII is one token at most, and few tokens mark the ends.
        if text.isascii() and len(text) + 8 <= self.window:
            return True
        tokens = self._model.tokenizer(text, truncation=False, padding=False, verbose=False)["input_ids"]
        return len(tokens) <= self.window
