"""Models of Hugging Face that classify texts: how likely a sentence has each of their labels."""

import inspect
import json
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from neurosieve.errors import ModelError
from neurosieve.gc_pause import without_gc
from neurosieve.models.batches import batch_budget
from neurosieve.models.context import context_of
from neurosieve.models.gguf import hide_progress_bars
from neurosieve.models.kept_arrays import KeptArrays
from neurosieve.models.loading import LanguageModel, Model
from neurosieve.models.loading_errors import check_head, explained
from neurosieve.models.memory import in_halves, memory_errors
from neurosieve.models.reading_hooks import evaluation_mode
from neurosieve.models.shared import place_of, shared_model
from neurosieve.wording import plural

__all__ = ["TextClassifier", "shared_classifier"]

_DOCUMENTS = 256
"""The sentences of so many documents are sorted by length together."""

Probabilities = Float32[np.ndarray, "sentences labels"]


class TextClassifier:
    """A model that says how likely a text has each of its labels; its weights are loaded when they are first needed."""

    def __init__(self, opened: LanguageModel) -> None:
        """`opened` has the config and the tokenizer; its own weights, with the head of a language model, stay unread.

        Raises:
            ModelError: the model gives a number and no labels, or has two labels of one name.
        """
        config = opened.config
        self.name = opened.name
        self.labels: tuple[str, ...] = tuple(str(name) for _, name in sorted(config.id2label.items()))
        """The labels, in the order of the probabilities."""
        problem = getattr(config, "problem_type", None)
        self.multi_label = problem == "multi_label_classification" or len(self.labels) == 1
        """Whether a text may have several labels, or none: each has a probability of its own."""
        if problem == "regression":
            raise ModelError(f"`{self.name}` gives a number for a text, and no labels: take a model that classifies")
        if len({*self.labels}) < len(self.labels):
            twice = next(label for label in self.labels if self.labels.count(label) > 1)
            raise ModelError(
                f"`{self.name}` has two labels of the name `{twice}`: give each a name of its own in `id2label` of its "
                "config"
            )
        self._opened = opened
        self._kept = KeptArrays("classifications", opened)

    @cached_property
    def _module(self) -> Any:
        from transformers import AutoModelForSequenceClassification

        origin = dict(self._opened.origin or {})
        where = str(origin.pop("model"))
        hide_progress_bars()
        with (
            explained(where, "load the weights of", self._opened.config, "that classifies texts"),
            without_gc(),
            _no_report(),
        ):
            module, info = AutoModelForSequenceClassification.from_pretrained(
                where, dtype=self._opened.dtype, output_loading_info=True, use_safetensors=True, **origin
            )
        check_head(where, module, info)
        config = module.config.get_text_config()
        if config.pad_token_id is None:
            # Nothing is padded here. Without it, causal models classify one text at a time.
            config.pad_token_id = -1
        return module.eval().to(self._opened.device)

    def is_kept(self, sentences: Sequence[str]) -> bool:
        """Return whether the sentences of a document were rated before, so that the weights are not needed."""
        return not sentences or self._kept.get(_content(sentences)) is not None

    def rate(
        self,
        documents: Sequence[Sequence[str]],
        tokens_per_batch: int | None = None,
        progress: Callable[[int], object] = lambda _: None,
    ) -> Iterator[Probabilities]:
        """Yield, for the sentences of each document, the probability of each label; nan where a sentence is too long.

        Only sentences of as many tokens are read together, so that none is padded. What is read is kept in the user's
        cache. `progress` hears how many documents are done.

        Raises:
            ModelError: the model cannot be loaded, has no trained head, or gives no numbers.
        """
        remaining, done = iter(documents), 0
        while part := list(islice(remaining, _DOCUMENTS)):
            rated = [self._kept.get(_content(sentences)) if sentences else None for sentences in part]
            unread = [n for n, sentences in enumerate(part) if sentences and rated[n] is None]
            read = self._read([part[number] for number in unread], tokens_per_batch)
            for number, values in zip(unread, read, strict=True):
                self._kept.keep(_content(part[number]), values)
                rated[number] = values
            empty = np.empty((0, len(self.labels)), dtype=np.float32)
            yield from (empty if values is None else values for values in rated)
            done += len(part)
            progress(done)

    def _read(self, documents: Sequence[Sequence[str]], tokens_per_batch: int | None) -> list[Probabilities]:
        sentences = [sentence for document in documents for sentence in document]
        rated = np.full((len(sentences), len(self.labels)), np.nan, dtype=np.float32)
        if sentences:
            window, encoded = self._window, self._opened.tokenizer(sentences, verbose=False)
            lengths = [len(ids) for ids in encoded["input_ids"]]
            readable = [n for n, length in enumerate(lengths) if 0 < length <= (window or length)]
            budget = batch_budget(tokens_per_batch, self._opened)
            for numbers, probabilities in in_halves(
                list(_alike(readable, lengths, budget)),
                lambda numbers: self._forward({name: [rows[n] for n in numbers] for name, rows in encoded.items()}),
                self._opened.device,
                lambda number: (
                    f"a sentence of {plural(lengths[number], 'token')} does not fit into the memory of "
                    f"{self._opened.device} with `{self.name}`: take a smaller model"
                ),
            ):
                rated[numbers] = probabilities.numpy()
        bounds = np.cumsum([len(document) for document in documents])[:-1]
        return np.split(rated, bounds) if len(documents) else []

    def _forward(self, encoded: dict[str, list[list[int]]]) -> Tensor:
        module = self._module
        inputs = {name: torch.tensor(rows, device=self._opened.device) for name, rows in encoded.items()}
        once = {"use_cache": False} if "use_cache" in inspect.signature(module.forward).parameters else {}
        with torch.inference_mode(), memory_errors(), evaluation_mode(module):
            logits = module(**inputs, **once).logits.float().cpu()
        if not torch.isfinite(logits).all():
            raise ModelError(f"`{self.name}` in {self._opened.dtype_name} gave logits that are NaN: take float32")
        probabilities: Tensor = logits.sigmoid() if self.multi_label else logits.softmax(dim=-1)
        return probabilities

    @property
    def _window(self) -> int | None:
        """How many tokens the model reads at once; None where neither its config nor its tokenizer says."""
        limits = [limit for limit in (self._opened.tokenizer.model_max_length,) if limit < 10**9]
        if (made_for := context_of(self._opened.config).made_for) is not None:
            # RoBERTa and its like count positions from behind the padding token's.
            taken = [
                (module.padding_idx or -1) + 1
                for name, module in self._module.named_modules()
                if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None
            ]
            limits.append(made_for - max(taken, default=0))
        return min(limits, default=None)


@contextmanager
def _no_report() -> Iterator[None]:
    """Let transformers say nothing of weights that do not fit: `check_head` does, in one message."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _content(sentences: Sequence[str]) -> bytes:
    return json.dumps(list(sentences)).encode()


def _alike(numbers: Sequence[int], lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield sentences of as many tokens together, so many that they fit the budget."""
    by_length: dict[int, list[int]] = {}
    for number in numbers:
        by_length.setdefault(lengths[number], []).append(number)
    for length, alike in sorted(by_length.items(), reverse=True):
        at_once = max(1, budget // length)
        for start in range(0, len(alike), at_once):
            yield alike[start : start + at_once]


_CLASSIFIERS: "weakref.WeakValueDictionary[Any, TextClassifier]" = weakref.WeakValueDictionary()


def shared_classifier(model: Model) -> TextClassifier:
    """Return the classifier of a config: the same object to all who ask for it, for as long as one of them holds it.

    Raises:
        ModelError: it does not exist, cannot be opened, or gives no labels.
        ConfigError: there is no such device here.
    """
    place = place_of(model)
    if (classifier := _CLASSIFIERS.get(place)) is None:
        classifier = _CLASSIFIERS[place] = TextClassifier(shared_model(model))
    return classifier
