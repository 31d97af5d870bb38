"""What a reading promises."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neurosieve.contracts import Reading
from neurosieve.data import Site
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import hand_over
from neurosieve.models.pooling import Units
from neurosieve.models.readable import STREAMS, ReadableTexts
from neurosieve.models.reading_hooks import read
from neurosieve.models.sites import KINDS
from neurosieve.models.tiny import tiny_model
from neurosieve.registry import installed
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, checker, require, shown, trying

__all__ = ["READING_CHECKS", "check_reading"]

Ids = list[npt.NDArray[np.int64]]

_TOKENS = ([3, 8, 11], [2], [4, 5, 9])
"""The tokens of each text that are read: never the first, which follows nothing."""
_UNITS = ([2, 1], [1], [3])
"""How many of these tokens each unit has."""
_TOLERANCE = 1e-3
"""A batch is padded, and adds up in another order: as a share of the largest cell."""


@cache
def _texts() -> ReadableTexts:
    """Return three texts of different lengths before a tiny model."""
    lm = hand_over(*tiny_model(layers=2, width=32, neurons=24), name="tiny")
    atlas = atlas_of(lm)
    rng = np.random.default_rng(0)
    ids = [np.array([lm.tokenizer.bos_token_id, *rng.integers(2, 300, size=size)]) for size in (15, 4, 11)]
    tokens = [np.array(wanted) for wanted in _TOKENS]
    controls = read(lm, atlas, atlas.sites, ids, [np.arange(1, len(text)) for text in ids])
    means = {site: values.float().mean(dim=0) for site, values in controls.items()}
    return ReadableTexts(lm, atlas, atlas.sites, ids, tokens, means)


def _cells(reading: Reading, texts: ReadableTexts, what: str, rows: int | None = None) -> Mapping[Site, Tensor]:
    """Return the cells of some texts, which have a row a token, or so many, and a column a neuron at every site."""
    with trying(reading, f"as it reads {what}"):
        cells = reading.start(texts)()
    same = isinstance(cells, Mapping) and set(cells) == set(texts.sites)
    require(same, f"{shown(reading)} gives {shown(cells)}: give the cells of {shown(list(texts.sites))}")
    shape = (sum(map(len, texts.tokens)) if rows is None else rows, texts.atlas.neurons)
    for site, values in cells.items():
        given = f"{values.dtype} of shape {tuple(values.shape)}" if isinstance(values, Tensor) else shown(values)
        require(
            isinstance(values, Tensor) and values.is_floating_point() and tuple(values.shape) == shape,
            f"{shown(reading)} gives {given} at layer {site.layer} as it reads {what}: give floating-point numbers of "
            f"shape {shape}, a row a {'token' if rows is None else 'unit'} and a column a neuron",
        )
    return cells


def _require_same(
    reading: Reading, cells: Mapping[Site, Tensor], others: Mapping[Site, Tensor], rows: Sequence[int], what: str
) -> None:
    for site, expected in cells.items():
        gap = float((others[site].double() - expected[rows].double()).abs().max())
        near = gap <= _TOLERANCE * float(expected.double().abs().max())
        require(near, f"{shown(reading)} gives other cells at layer {site.layer}, by up to {gap:.3g}, {what}")


def cells_have_a_row_a_token_and_a_column_a_neuron(reading: Reading) -> None:
    """Assert that every site has finite numbers on the CPU, a row a token and a column a neuron."""
    for site, values in _cells(reading, _texts(), "three texts").items():
        require(values.device.type == "cpu", f"{shown(reading)} leaves its cells on {values.device}: give them on cpu")
        wrong = int((~torch.isfinite(values)).sum())
        require(not wrong, f"{shown(reading)} gives {wrong} cells of layer {site.layer} that are NaN or infinite")


def rows_are_in_the_order_of_the_texts(reading: Reading) -> None:
    """Assert that a text has the same cells alone as in a batch, and each token the same as among others."""
    texts = _texts()
    cells, first = _cells(reading, texts, "three texts"), 0
    for number, (ids, tokens) in enumerate(zip(texts.token_ids, texts.tokens, strict=True)):
        alone = _cells(reading, replace(texts, token_ids=[ids], tokens=[tokens]), f"text {number} alone")
        rows = list(range(first, first + len(tokens)))
        _require_same(reading, cells, alone, rows, f"where text {number} is read alone")
        last = _cells(reading, replace(texts, token_ids=[ids], tokens=[tokens[-1:]]), f"a token of text {number} alone")
        _require_same(reading, cells, last, rows[-1:], f"where token {tokens[-1]} of text {number} is read alone")
        first += len(tokens)


def reading_twice_gives_the_same(reading: Reading) -> None:
    """Assert that nothing is drawn at random, and nothing remembered."""
    texts = _texts()
    first, second = _cells(reading, texts, "three texts"), _cells(reading, texts, "three texts again")
    same = all(torch.equal(values, second[site]) for site, values in first.items())
    require(same, f"{shown(reading)} gives other cells when it reads the same texts again")


def reading_leaves_the_model_as_it_was(reading: Reading) -> None:
    """Assert that weights, their gradients, hooks and the mode of training are the same afterwards."""
    texts = _texts()
    module = texts.model.module
    weights = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    before = _state(module)
    _cells(reading, texts, "three texts")
    for name, value in _state(module).items():
        require(value == before[name], f"{shown(reading)} changes {name} of the model")
    changed = [name for name, parameter in module.named_parameters() if not torch.equal(weights[name], parameter)]
    require(not changed, f"{shown(reading)} changes the weights of the model: {shown(changed)}")


def _state(module: Any) -> dict[str, Any]:
    parameters, modules = list(module.parameters()), list(module.modules())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "which weights ask for gradients": [parameter.requires_grad for parameter in parameters],
        "the gradients of weights": [parameter.grad is None for parameter in parameters],
        "the mode of training": [part.training for part in modules],
        "the hooks": [len(getattr(part, name)) for part in modules for name in hooks],
        "the forward methods": ["forward" in vars(part) for part in modules],
    }


def tokens_after_are_all_it_looks_at(reading: Reading) -> None:
    """Assert that `tokens_after` is a whole number from 0 on, and that no later token changes a cell."""
    after = reading.tokens_after()
    whole = isinstance(after, int) and after >= 0
    require(whole, f"{shown(reading)} looks at {shown(after)} tokens behind a position: give a number from 0 on")
    texts = _texts()
    cells, first = _cells(reading, texts, "three texts"), 0
    for number, (ids, tokens) in enumerate(zip(texts.token_ids, texts.tokens, strict=True)):
        for row, token in enumerate(tokens):
            cut = replace(texts, token_ids=[ids[: token + 1 + after]], tokens=[tokens[row : row + 1]])
            what = f"text {number} as far as {after} tokens behind token {token}"
            alone = _cells(reading, cut, what)
            _require_same(reading, cells, alone, [first + row], f"where it reads {what}")
        first += len(tokens)


def need_of_control_means_is_declared(reading: Reading) -> None:
    """Assert that `needs_control_means` is true where, and only where, nothing can be read without them."""
    texts = _texts()
    cells = _cells(reading, texts, "three texts")
    if reading.needs_control_means:
        try:
            without: Mapping[Site, Tensor] = reading.start(replace(texts, control_means={}))()
        except Exception:  # Whatever it is: it needs them.
            return
        needed = set(without) != set(cells) or any(not torch.equal(v, without[site]) for site, v in cells.items())
        evidence = "reads the same without any"
        require(needed, f"{shown(reading)} declares `needs_control_means = True`, and {evidence}")
        return
    with trying(reading, "without control means, and declares `needs_control_means = False`"):
        without = reading.start(replace(texts, control_means={}))()
    _require_same(reading, cells, without, list(range(sum(map(len, texts.tokens)))), "without control means")


def every_token_is_read_as_declared(reading: Reading) -> None:
    """Assert that a reading `at_every_token` can read all tokens of a text, the first too."""
    if not reading.at_every_token:
        return
    texts = _texts()
    whole = replace(texts, tokens=[np.arange(len(ids)) for ids in texts.token_ids])
    cells, all_cells = _cells(reading, texts, "three texts"), _cells(reading, whole, "every token of three texts")
    starts = np.cumsum([0, *map(len, texts.token_ids)])
    rows = [int(start + token) for start, tokens in zip(starts, texts.tokens, strict=False) for token in tokens]
    _require_same(reading, all_cells, cells, rows, "where every token is read")


def cells_are_what_it_streams(reading: Reading) -> None:
    """Assert that a reading that `streams` gives what that method of `Readable` gives, as it is."""
    if not reading.streams:
        return
    require(
        reading.streams in STREAMS,
        f"{shown(reading)} streams {shown(reading.streams)}: name one of {list(STREAMS)}, or leave it empty",
    )
    texts = _texts()
    cells, given = _cells(reading, texts, "three texts"), getattr(texts, reading.streams)()()
    same = all(torch.equal(values, given[site]) for site, values in cells.items())
    require(same, f"{shown(reading)} declares `streams = {reading.streams!r}`, and gives other cells than these")


def units_are_pooled_as_declared(reading: Reading) -> None:
    """Assert that a reading that `pools` gives a unit of several tokens the mean, or the largest, of their cells."""
    if not reading.pools:
        return
    texts = _texts()
    cells = _cells(reading, texts, "three texts")
    bounds = np.cumsum([0, *(size for sizes in _UNITS for size in sizes)])
    pools: tuple[Literal["mean", "max"], ...] = ("mean", "max")
    for pool in pools:
        units = replace(texts, units=Units([np.array(sizes) for sizes in _UNITS], pool))
        of_units = _cells(reading, units, f"units of three texts by their {pool}", rows=len(bounds) - 1)
        expected = {
            site: torch.stack([_pooled(values[start:end], pool) for start, end in pairwise(bounds.tolist())])
            for site, values in cells.items()
        }
        what = f"where units of several tokens are read by their {pool}"
        _require_same(reading, expected, of_units, list(range(len(bounds) - 1)), what)


def _pooled(values: Tensor, pool: str) -> Tensor:
    return values.double().mean(dim=0) if pool == "mean" else values.double().max(dim=0).values


def its_sites_are_such(reading: Reading) -> None:
    """Assert that the kinds of site that it names are known."""
    for kind in reading.kinds:
        require(kind in KINDS, f"{shown(reading)} names the kind of site {shown(kind)}: take some of {list(KINDS)}")


def its_scorers_and_limits_are_such(reading: Reading) -> None:
    """Assert that the scorers that it names are installed, that its unit is a word, and its limits are from 1 on."""
    known = sorted(plugin.name for plugin in installed() if plugin.kind == "scorer")
    for name in reading.scorers:
        require(name in known, f"{shown(reading)} names the scorer `{name}`, which is not installed: take {known}")
    require(isinstance(reading.unit, str), f"{shown(reading)} has the unit {shown(reading.unit)}: give a string")
    for name in ("documents", "controls"):
        limit = getattr(reading, name)
        require(limit is None or limit >= 1, f"{shown(reading)} reads at most {limit} {name}: give at least 1, or None")


READING_CHECKS: tuple[Check, ...] = (
    *PLUGIN_CHECKS,
    cells_have_a_row_a_token_and_a_column_a_neuron,
    rows_are_in_the_order_of_the_texts,
    reading_twice_gives_the_same,
    reading_leaves_the_model_as_it_was,
    tokens_after_are_all_it_looks_at,
    need_of_control_means_is_declared,
    every_token_is_read_as_declared,
    cells_are_what_it_streams,
    units_are_pooled_as_declared,
    its_sites_are_such,
    its_scorers_and_limits_are_such,
)
check_reading = checker(READING_CHECKS)
