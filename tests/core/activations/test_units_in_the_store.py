"""Units are captured and found again as positions are: once, whatever the batches, the order, and what was lost."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from architectures import random_model
from safetensors import safe_open

from neurosieve import ConfigError, TokenizedDocument
from neurosieve.activations.capture import batches_at, capture, keys_of
from neurosieve.activations.reading import open_space, read_complete
from neurosieve.activations.row_tokens import row_tokens, tokens_read
from neurosieve.models.activation import Activation
from neurosieve.models.architectures import atlas_of
from neurosieve.models.batches import Reader
from neurosieve.models.loading import hand_over
from neurosieve.models.tiny import tiny_model
from neurosieve.pipeline.long_texts import tokens_of_documents
from neurosieve.pipeline.passes import bytes_of_cell, passes_of
from neurosieve.texts.positions import Positions
from neurosieve_plugins.readings.attribution import Attribution
from neurosieve_plugins.readings.contribution import Contribution

UNITS = [
    (0, [4, 5, 6, 7]),
    (0, [2, 9, 30]),  # The last token that is needed of a document may be in any of its rows.
    (0, [12]),
    (1, [1, 2, 3]),
    (2, [0, 1]),
    (2, [5, 6, 7, 8, 9, 10]),
]
LENGTHS = (33, 6, 12)
POOLS = ["mean", "max", "first", "last"]


def document(number, length):
    ids, places = np.random.default_rng(number).integers(2, 461, size=length), np.arange(length)
    return TokenizedDocument(
        f"d{number}", f"g{number}", "x" * length, ids, places, places + 1, places >= 0, places / length
    )


def positions(units=UNITS, pool="mean", unit="span", order=(0, 1, 2)):
    """Positions of units; `order` is that of the documents that have some."""
    order = [number for number in order if number in dict(units)]
    ordered = [(order.index(number), tokens) for number in order for of, tokens in units if of == number]
    return Positions(
        pd.DataFrame(),
        pd.DataFrame(),
        tuple(document(number, LENGTHS[number]) for number in order),
        np.arange(len(order)),
        np.array([number for number, _ in ordered]),
        np.array([tokens[0] for _, tokens in ordered]),
        np.zeros((len(ordered), 2), dtype=np.int8),
        ("slip",),
        unit=unit,
        pool=pool,
        unit_tokens=() if unit == "token" else tuple(np.array(tokens, dtype=np.int32) for _, tokens in ordered),
    )


def single_tokens():
    """Every token of the units as a position of its own, and which of these each unit has."""
    pairs = sorted({(number, token) for number, tokens in UNITS for token in tokens})
    rows = [[pairs.index((number, token)) for token in tokens] for number, tokens in UNITS]
    return positions([(number, [token]) for number, token in pairs], unit="token"), rows


def reader(reading=None, dtype=torch.float32):
    lm = hand_over(random_model("Qwen2").to(dtype), tiny_model()[1], name="Qwen2")
    atlas = atlas_of(lm)
    return Reader(lm, atlas, atlas.sites, *([reading] if reading else []))


def announce(*_, **__):
    pass


def read(reader, positions, folder, tokens_per_batch=4096):
    """What is read of the positions, with what it cost."""
    space = open_space(reader, str(folder))

    def values():
        return {site: torch.cat([b.activations for b in batches_at(space, positions, site)]) for site in space.sites}

    return read_complete(space, lambda: capture(reader, space, positions, tokens_per_batch, announce), values)


def pooled(values, rows, pool):
    tokens = values[rows].double()
    return {"mean": tokens.mean(dim=0), "max": tokens.max(dim=0).values, "first": tokens[0], "last": tokens[-1]}[pool]


def assert_same(left, right):
    for site, values in left.items():
        torch.testing.assert_close(values, right[site], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tokens_per_batch", [1, 40, 4096])
@pytest.mark.parametrize("reading", [None, Contribution()], ids=["activation", "contribution"])
@pytest.mark.parametrize("pool", POOLS)
def test_units_are_the_pool_of_single_positions_whatever_the_batches(pool, reading, tokens_per_batch, tmp_path):
    single, rows = single_tokens()
    model = reader(reading)
    of_tokens, _ = read(model, single, tmp_path / "single", tokens_per_batch)
    of_units, cost = read(model, positions(pool=pool), tmp_path / "units", tokens_per_batch)
    assert cost.positions == len(UNITS)
    for site, values in of_tokens.items():
        expected = torch.stack([pooled(values, of_unit, pool) for of_unit in rows])
        torch.testing.assert_close(of_units[site].double(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("pool", POOLS)
def test_the_order_of_documents_changes_nothing(pool, tmp_path):
    model = reader()
    first, _ = read(model, positions(pool=pool), tmp_path / "first")
    turned = positions(pool=pool, order=(2, 0, 1))
    again, cost = read(model, turned, tmp_path / "first")
    fresh, _ = read(model, turned, tmp_path / "second")
    assert cost.forward_passes == 0
    order = [4, 5, 0, 1, 2, 3]
    assert all(torch.equal(values[order], again[site]) for site, values in first.items())
    assert_same(again, fresh)


@pytest.mark.parametrize("pool", ["first", "last"])
def test_the_first_and_the_last_token_of_a_unit_are_plain_positions_in_the_store(pool, tmp_path):
    model, (single, _) = reader(), single_tokens()
    read(model, single, tmp_path)
    _, cost = read(model, positions(pool=pool), tmp_path)
    assert cost.forward_passes == 0


def test_a_unit_of_one_token_is_that_position_whatever_the_pool(tmp_path):
    model, alone = reader(), [(0, [12]), (1, [3])]
    read(model, positions(alone, unit="token"), tmp_path)
    for pool in POOLS:
        assert read(model, positions(alone, pool), tmp_path)[1].forward_passes == 0
    keys, tokens = keys_of(positions())
    plain, _ = keys_of(positions([(0, [12])] * 2, unit="token", order=(0,)))
    assert (keys[2] == plain[0]).all()
    assert tokens.tolist() == [4, 2, 12, 1, 0, 5]


def test_each_pool_and_each_set_of_tokens_has_an_address_of_its_own():
    sets = [[4, 5, 6, 7], [4, 5, 6], [4, 7], [4]]
    addresses = set()
    for pool in ("mean", "max"):
        keys, tokens = keys_of(positions([(0, tokens) for tokens in sets], pool, order=(0,)))
        addresses |= {(key.tobytes(), token) for key, token in zip(keys, tokens.tolist(), strict=True)}
    assert len(addresses) == 2 * 3 + 1
    other_text = keys_of(positions([(1, [1, 2])], order=(1,)))[0]
    assert (keys_of(positions([(2, [1, 2])], order=(2,)))[0] != other_text).any()


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_numbers(tmp_path):
    model = reader()
    whole, cost = read(model, positions(), tmp_path / "whole", tokens_per_batch=1)
    space, batches = open_space(model, str(tmp_path / "killed")), []

    def killed(name, **_):
        batches.append(name)
        if batches.count("batch_read") == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture(model, space, positions(), 1, killed)
    again, rest = read(model, positions(), tmp_path / "killed", tokens_per_batch=1)
    assert (cost.forward_passes, rest.forward_passes) == (3, 1)
    assert all(torch.equal(values, again[site]) for site, values in whole.items())


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_units_of_a_damaged_shard_are_read_again(pool, tmp_path):
    model = reader()
    whole, _ = read(model, positions(pool=pool), tmp_path)
    [shard] = tmp_path.rglob("*.safetensors")
    shard.write_bytes(shard.read_bytes()[:-8])
    again, cost = read(model, positions(pool=pool), tmp_path)
    assert cost.positions == len(UNITS)
    assert all(torch.equal(values, again[site]) for site, values in whole.items())


@pytest.mark.parametrize("pool", POOLS)
def test_a_batch_of_units_that_does_not_fit_into_memory_is_read_in_halves(pool, tmp_path, monkeypatch):
    model = reader()
    whole, _ = read(model, positions(pool=pool), tmp_path / "whole")
    forward = model.model.module.model.forward

    def limited(input_ids, **rest):
        if len(input_ids) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(input_ids=input_ids, **rest)

    monkeypatch.setattr(model.model.module.model, "forward", limited)
    halved, cost = read(model, positions(pool=pool), tmp_path / "halved")
    assert (cost.halvings, cost.positions) == (2, len(UNITS))
    assert_same(whole, halved)


def test_means_of_a_model_in_bfloat16_are_not_rounded_to_it(tmp_path):
    model, (single, rows) = reader(dtype=torch.bfloat16), single_tokens()
    of_tokens, _ = read(model, single, tmp_path)
    of_units, _ = read(model, positions(), tmp_path)
    for site, values in of_tokens.items():
        expected = torch.stack([pooled(values, of_unit, "mean") for of_unit in rows])
        torch.testing.assert_close(of_units[site].double(), expected, rtol=1e-6, atol=1e-6)
        assert (of_units[site].bfloat16().float() != of_units[site]).any()


@pytest.mark.parametrize("reading", [Activation(), Contribution()], ids=["activation", "contribution"])
@pytest.mark.parametrize("pool", POOLS)
def test_a_plan_counts_what_reading_units_then_takes(pool, reading, tmp_path):
    model, of_units = reader(reading=reading, dtype=torch.bfloat16), positions(pool=pool)
    planned = passes_of(reading, model.model, model.atlas, model.sites, of_units, 40)
    _, cost = read(model, of_units, tmp_path, tokens_per_batch=40)
    assert planned[:4] == (cost.forward_passes, 0, cost.tokens, 0)
    assert planned.rows == cost.positions
    with safe_open(next(tmp_path.rglob("*.safetensors")), "pt") as shard:
        cells = shard.get_tensor("layer.0")
    assert cells.element_size() == bytes_of_cell(reading, model.model, of_units)


def test_a_unit_has_the_token_id_of_its_first_token(tmp_path):
    model, of_units = reader(), positions(pool="last")
    read(model, of_units, tmp_path)
    space = open_space(model, str(tmp_path))
    [batch] = batches_at(space, of_units, space.sites[0])
    ids = [of_units.documents[number].token_ids[tokens[0]] for number, tokens in UNITS]
    assert batch.token_ids.tolist() == ids


def test_a_text_is_read_as_far_as_its_last_token_that_is_needed():
    assert tokens_read(positions()).tolist() == [31, 4, 11]
    assert tokens_read(positions(pool="first")).tolist() == [13, 2, 6]
    assert [last.tolist() for last in tokens_of_documents(positions())] == [[7, 12, 30], [3], [1, 10]]
    assert tokens_read(positions(unit="token")).tolist() == [13, 2, 6]


def test_readings_of_single_tokens_are_refused_for_units(tmp_path):
    model = reader(reading=Attribution())
    with pytest.raises(ConfigError, match=r"reads single tokens.*`selection\.unit=span`"):
        read(model, positions(), tmp_path)


@pytest.mark.parametrize("wrong", [[], [5, 4], [4, 4]])
def test_units_without_tokens_or_order_are_refused(wrong):
    given = positions([(0, [1, 2]), (0, [3])], order=(0,))
    given = dataclasses.replace(given, unit_tokens=(given.unit_tokens[0], np.array(wrong, dtype=np.int32)))
    with pytest.raises(ValueError, match="at least one token, and its tokens are in order"):
        row_tokens(given)
