"""How likely a language model finds each token of a text, given the text before it."""

import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from neurosieve.data import Document, TokenizedDocument
from neurosieve.errors import ModelError
from neurosieve.models.context import context_of
from neurosieve.models.head import before_head, log_p_at_head
from neurosieve.models.kept_arrays import KeptArrays
from neurosieve.models.loading import LanguageModel
from neurosieve.models.memory import memory_errors
from neurosieve.models.reading_hooks import evaluation_mode
from neurosieve.models.sample_texts import sample_texts
from neurosieve.texts.tokens import tokenize
from neurosieve.wording import plural

__all__ = ["TokenLogProbabilities", "has_log_probabilities", "token_log_probabilities"]

_TOLERANCE = 1e-3
"""Nats: so much the log-probability of a token may change by rounding when the end of the text changes, in float32."""


class TokenLogProbabilities(NamedTuple):
    """The tokens of a document that stand for text, special ones left out, in order."""

    starts: npt.NDArray[np.integer[Any]]
    """The character where each token starts."""
    ends: npt.NDArray[np.integer[Any]]
    log_probabilities: npt.NDArray[np.float32]
    """In nats, given all tokens before; nan for a token with none before it, and behind the length of text that the
    model was made for."""


def token_log_probabilities(document: Document, model: LanguageModel) -> TokenLogProbabilities:
    """Return how likely a model finds each token of a document.

    Each text is read by itself, so that what it is read with changes nothing, not even by rounding. The numbers are
    kept in the user's cache: the weights are loaded only for a text that is new.

    Raises:
        ModelError: the model gives no probabilities of tokens, attends both ways, or the text does not fit into memory.
    """
    tokens = tokenize(document, model.tokenizer)
    ids = _readable_ids(tokens, model)
    kept = _kept(model)
    log_p = kept.get(ids.tobytes())
    if log_p is None or len(log_p) != max(0, len(ids) - 1):
        log_p = _read(document, ids, model)
        kept.keep(ids.tobytes(), log_p)
    whole = np.full(len(tokens.token_ids), np.nan, dtype=np.float32)
    whole[1 : len(ids)] = log_p
    special = np.isin(tokens.token_ids, np.asarray(model.tokenizer.all_special_ids, dtype=np.int64))
    text = (tokens.ends > tokens.starts) & ~special
    return TokenLogProbabilities(tokens.starts[text], tokens.ends[text], whole[text])


def has_log_probabilities(document: Document, model: LanguageModel) -> bool:
    """Return whether the model has read a document before, so that its weights are not needed."""
    ids = _readable_ids(tokenize(document, model.tokenizer), model)
    return len(ids) < 2 or _kept(model).get(ids.tobytes()) is not None


def _readable_ids(tokens: TokenizedDocument, model: LanguageModel) -> npt.NDArray[np.int32]:
    """Return the ids of the tokens within the length of text that the model was made for."""
    return np.asarray(tokens.token_ids[: context_of(model.config).made_for], dtype=np.int32)


def _kept(model: LanguageModel) -> KeptArrays:
    return KeptArrays("log_probabilities", model)


def _read(document: Document, ids: npt.NDArray[np.int32], model: LanguageModel) -> npt.NDArray[np.float32]:
    if len(ids) < 2:
        return np.empty(0, dtype=np.float32)
    _check_attends_one_way(model)
    try:
        log_p = _forward(ids, model)
    except MemoryError as error:
        raise ModelError(
            f"document `{document.id}`, {plural(len(ids), 'token')}, does not fit into the memory of {model.device}: "
            "leave it out, or take a smaller dtype or model"
        ) from error
    if np.isnan(log_p).any():
        raise ModelError(
            f"`{model.name}` in {model.dtype_name} gave log-probabilities that are NaN in document `{document.id}`: "
            "run it in float32"
        )
    return log_p


def _forward(ids: Sequence[int] | npt.NDArray[Any], model: LanguageModel) -> npt.NDArray[np.float32]:
    """Return the log-probability of each token but the first.

    Raises:
        MemoryError: the text does not fit.
    """
    module = model.module
    row = torch.as_tensor(np.asarray(ids, dtype=np.int64))[None]
    places = torch.arange(row.shape[1] - 1)[None, None]
    with torch.inference_mode(), memory_errors(), evaluation_mode(module):
        hidden = before_head(model, row.to(model.device), places)[0, 0]
        return np.asarray(log_p_at_head(model, hidden, row[0, 1:]).numpy(), dtype=np.float32)


_ONE_WAY: "weakref.WeakSet[LanguageModel]" = weakref.WeakSet()
"""The models that were seen to attend one way."""


def _check_attends_one_way(model: LanguageModel) -> None:
    """Make sure that a token's probability does not depend on the tokens behind it, or on the token itself.

    Raises:
        ModelError: it does.
    """
    if model in _ONE_WAY:
        return
    texts = sample_texts(model, context_of(model.config).made_for)
    [whole], shared = texts.whole, len(texts.batch[0])
    first = _forward(whole, model)[: shared - 1]
    other = _forward(texts.other_endings[0], model)[: shared - 1]
    change = float(np.abs(first - other).max(initial=0))
    if change > (_TOLERANCE if model.dtype == torch.float32 else 100 * _TOLERANCE):
        raise ModelError(
            f"`{model.name}` attends both ways: when the end of a text changes, so does the probability of the tokens "
            f"before it, by up to {change:.2g} nats. It sees what it is to foretell: take a causal language model"
        )
    _ONE_WAY.add(model)
