"""What a baseline knows of a unit: its words, its place, its length, and what the record says of its problem."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from neurosieve.data import Scope
from neurosieve.evidence.exchange import null_of
from neurosieve.evidence.settings import DEFAULT_BASELINE_FIELDS, Evidence
from neurosieve.texts.kept_positions import last_tokens
from neurosieve.texts.positions import WHOLE_TEXTS, Positions
from neurosieve.texts.record_fields import field_values, missing_field, same_value
from neurosieve.texts.token_kinds import token_kinds

__all__ = ["baseline_features", "check_baseline_fields"]

_BEFORE = 20
_RANGES = 20
"""A place or a length is coded as the twentieth that holds it, so that its effect may have any shape."""

Features = dict[str, csr_matrix]
_Ids = npt.NDArray[np.integer[Any]]


def baseline_features(positions: Positions, settings: Evidence) -> dict[Scope, Features]:
    """Return, for each scope that behaviours are looked for in, what each baseline knows of every row: sparse columns.

    Of a token these are its words and its place. Of what has several tokens they are its length and its tokens, and
    those fields of the records that the settings name and some record has; at a prompt's end, length and tokens are
    those of the whole prompt, which the model has read there. A completion has the length and the tokens of its prompt
    too, where texts with other prompts are compared. What has words before it, and a place in a text, has these too.
    """
    scopes = {positions.scope(behaviour) for behaviour in positions.behaviours}
    if positions.unit == "token":
        words = _words(positions)
        before = {"previous tokens": _before(positions)}
        return {scope: {**words, "position": _places(positions, scope), **before} for scope in scopes}
    units = _tokens_of_units(positions)
    of_units = {**_lengths(units), "bag of tokens": _bag(units), **_of_records(positions, settings.baseline_fields)}
    if positions.unit == "completion":
        of_units |= _of_prompts(positions, settings)
    if positions.unit in WHOLE_TEXTS:
        return dict.fromkeys(scopes, of_units)
    of_units["previous tokens"] = _before(positions)
    return {scope: {**of_units, "position": _places(positions, scope)} for scope in scopes}


def check_baseline_fields(positions: Positions, settings: Evidence) -> None:
    """Raise where a field that was asked for is in no record; those of the default need not be.

    Raises:
        ConfigError: the message names the nearest field.
    """
    if positions.unit == "token":
        return
    for field in settings.baseline_fields:
        if field not in DEFAULT_BASELINE_FIELDS and not _known(field_values(positions.documents, field)):
            raise missing_field("baseline_fields", field, positions.documents)


def _known(values: Sequence[Any]) -> bool:
    return any(value is not None for value in values)


def _words(positions: Positions) -> Features:
    kinds_of = [token_kinds(document) for document in positions.documents]
    places = zip(positions.document_of_row, positions.token_of_row, strict=True)
    kinds = np.array([kinds_of[number][token] for number, token in places], dtype=np.int64)
    ends = np.arange(len(kinds) + 1)
    return {"token": _ones(ends, positions.token_ids), "token kind": _ones(ends, kinds)}


def _before(positions: Positions) -> csr_matrix:
    rows = zip(positions.document_of_row, positions.token_of_row, strict=True)
    documents = positions.documents
    before = [np.unique(documents[n].token_ids[max(0, token - _BEFORE) : token]) for n, token in rows]
    return _ones(np.cumsum([0, *map(len, before)]), np.concatenate(before))


def _places(positions: Positions, scope: Scope) -> csr_matrix:
    narrowed = [d if scope == "completion" else d.within(scope) for d in positions.documents]
    rows = zip(positions.document_of_row, positions.token_of_row, strict=True)
    relative = np.array([narrowed[document].relative[token] for document, token in rows])
    place = np.clip((np.nan_to_num(relative) * _RANGES).astype(np.int64), 0, _RANGES - 1)
    return _ones(np.arange(len(place) + 1), place)


def _lengths(units: Sequence[_Ids]) -> Features:
    """Return the length of each unit, as a number, in whose order it may tell, and as a range, in any shape."""
    length = np.log([len(tokens) for tokens in units])
    spread = float(length.std())
    standard = (length - length.mean()) / (spread or 1.0)
    return {"length": csr_matrix(standard[:, None]), "length range": _ranges(length)}


def _bag(units: Sequence[_Ids]) -> csr_matrix:
    """Return how often each token is in each unit: log2(1 + times), which is 1 for one that is there once."""
    counted = [np.unique(tokens, return_counts=True) for tokens in units]
    bag = _ones(np.cumsum([0, *(len(ids) for ids, _ in counted)]), np.concatenate([ids for ids, _ in counted]))
    bag.data = np.log2(1.0 + np.concatenate([times for _, times in counted]))
    return bag


def _of_prompts(positions: Positions, settings: Evidence) -> Features:
    """Return the length and the tokens of each prompt; nothing where all texts that are compared have the same one.

    A null within groups compares texts of one group.
    """
    documents = [positions.documents[number] for number in positions.document_of_row]
    ends = zip(documents, positions.token_of_row.tolist(), strict=True)
    prompts = [d.token_ids[:first][d.starts[:first] < d.completion_start] for d, first in ends]
    apart = null_of(settings, positions.unit) == "within_groups"
    groups = positions.groups[positions.document_of_row].tolist() if apart else [0] * len(prompts)
    different = {(group, prompt.tobytes()) for group, prompt in zip(groups, prompts, strict=True)}
    if len(different) == len(set(groups)):
        return {}
    length = np.log1p([len(prompt) for prompt in prompts])
    return {"prompt length": _ranges(length), "bag of prompt tokens": _bag(prompts)}


def _of_records(positions: Positions, fields: Sequence[str]) -> Features:
    """Return what the records say of each unit, for the fields that some record has."""
    features = {}
    for field in fields:
        values = field_values(positions.documents, field)
        if not _known(values):
            continue
        of_rows = [values[number] for number in positions.document_of_row]
        numbers = [float(value) for value in of_rows if isinstance(value, int | float)]
        if len(numbers) == len(of_rows) and len(set(numbers)) > _RANGES:
            features[field] = _ranges(np.array(numbers))
        else:
            codes = np.unique([same_value(value) for value in of_rows], return_inverse=True)[1]
            features[field] = _ones(np.arange(len(codes) + 1), codes)
    return features


def _tokens_of_units(positions: Positions) -> list[_Ids]:
    """Return the token ids of each row's unit; at a prompt's end, those of the whole prompt."""
    documents = [positions.documents[number] for number in positions.document_of_row]
    if positions.unit == "prompt_end":
        return [
            document.token_ids[: last + 1] for document, last in zip(documents, last_tokens(positions), strict=True)
        ]
    return [document.token_ids[tokens] for document, tokens in zip(documents, positions.unit_tokens, strict=True)]


def _ranges(values: npt.NDArray[np.float64]) -> csr_matrix:
    """Return which twentieth of all values holds each; equal values are in one."""
    edges = np.unique(np.quantile(values, np.arange(1, _RANGES) / _RANGES))
    return _ones(np.arange(len(values) + 1), np.searchsorted(edges, values, side="right"))


def _ones(ends: npt.NDArray[np.int64], values: npt.NDArray[np.integer[Any]]) -> csr_matrix:
    """Return a row for each stretch of `values`, which `ends` bound, with a 1 in the column of each value in it."""
    _, columns = np.unique(values, return_inverse=True)
    shape = (len(ends) - 1, int(columns.max(initial=-1)) + 1)
    return csr_matrix((np.ones(len(values)), columns.astype(np.int32), ends), shape=shape)
