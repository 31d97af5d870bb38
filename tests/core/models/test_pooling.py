"""A unit of several tokens is read as the mean, or the largest, of what is read at its tokens one by one."""

import numpy as np
import pytest
import torch
from architectures import CONFIGS, random_model, token_ids
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import ConfigError, ModelError
from neurosieve.models import pooling
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import hand_over
from neurosieve.models.pooling import RowReader, Units
from neurosieve.models.readable import ReadableTexts
from neurosieve.models.reading_hooks import read
from neurosieve.models.tiny import tiny_model

CPU = torch.device("cpu")
SIZES = [np.array([5, 1, 3]), np.array([2]), np.array([1, 6])]
"""How many tokens each unit of three texts has."""


def pooled_plainly(values, sizes, pool):
    """One unit after the other, from the values of all their tokens."""
    of_units = values.double().split(list(sizes))
    return torch.stack([unit.mean(dim=0) if pool == "mean" else unit.max(dim=0).values for unit in of_units])


def tokens_of_units(texts):
    """Tokens of each text, as many as its units have, in any order and some of them in several units."""
    rng = np.random.default_rng(1)
    return [rng.integers(0, len(text), size=sizes.sum()) for text, sizes in zip(texts, SIZES, strict=True)]


def readable(lm, texts, tokens, units=None):
    atlas = atlas_of(lm)
    return ReadableTexts(lm, atlas, atlas.sites, texts, tokens, {}, units=units)


@pytest.mark.parametrize("pool", ["mean", "max"])
@pytest.mark.parametrize("what", ["activations", "contributions"])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_unit_is_the_pool_of_its_tokens_read_one_by_one(name, what, pool):
    lm, texts = hand_over(random_model(name), tiny_model()[1]), token_ids()
    tokens = tokens_of_units(texts)
    units = getattr(readable(lm, texts, tokens, Units(SIZES, pool)), what)()()
    single = getattr(readable(lm, texts, tokens), what)()()
    for site, values in single.items():
        expected = pooled_plainly(values, np.concatenate(SIZES), pool)
        torch.testing.assert_close(units[site].double(), expected, rtol=1e-6, atol=1e-6)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=12),
    st.sampled_from(["mean", "max"]),
    st.integers(1, 40),
)
def test_the_size_of_the_pieces_changes_nothing(sizes, pool, tokens_at_once):
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(1, sum(sizes), 4))).float()
    read_at = []

    def cells(texts, tokens):
        read_at.append(tokens.numel())
        return values[texts, tokens]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pooling, "_PIECE_BYTES", 4 * 4 * tokens_at_once)
        rows = RowReader([np.arange(sum(sizes))], Units([np.array(sizes)], pool), 4)(cells, CPU)
    assert max(read_at) <= tokens_at_once
    torch.testing.assert_close(rows.double(), pooled_plainly(values[0], sizes, pool), rtol=1e-6, atol=1e-6)


def test_means_are_kept_in_float32_and_the_largest_in_the_dtype_of_what_is_read():
    values = torch.linspace(1, 1.05, 400).bfloat16()[None, :, None]
    rows = {
        pool: RowReader([np.arange(400)], Units([np.array([200, 200])], pool), 1)(lambda *at: values[at], CPU)
        for pool in ("mean", "max")
    }
    assert (rows["mean"].dtype, rows["max"].dtype) == (torch.float32, torch.bfloat16)
    torch.testing.assert_close(
        rows["mean"][:, 0],
        values[0, :, 0].float().split(200)
        and torch.stack([part.mean() for part in values[0, :, 0].float().split(200)]),
    )


@pytest.mark.parametrize("pool", ["mean", "max"])
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_at_one_token_is_not_hidden_by_the_others(pool, wrong):
    values = torch.ones(1, 7, 2)
    values[0, 3, 1] = wrong
    rows = RowReader([np.arange(7)], Units([np.array([2, 5])], pool), 2)(lambda *at: values[at], CPU)
    assert torch.isfinite(rows).tolist() == [[True, True], [True, False]]


def test_activations_of_a_unit_that_are_not_finite_stop_the_reading():
    model, texts = random_model("Qwen2"), token_ids()
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[7] = torch.nan
    lm = hand_over(model, tiny_model()[1])
    with pytest.raises(ModelError, match="layer 1: 6 of 288"):
        readable(lm, texts, tokens_of_units(texts), Units(SIZES, "max")).activations()()


@pytest.mark.parametrize("sizes", [[2, 0], [2, 2], [1, 1]])
def test_units_that_do_not_fit_their_tokens_are_refused(sizes):
    with pytest.raises(ValueError, match="to be made of 3 tokens"):
        RowReader([np.arange(3)], Units([np.array(sizes)], "mean"), 4)


def test_effects_of_edits_are_refused_for_units():
    lm, texts = hand_over(random_model("Qwen2"), tiny_model()[1]), token_ids()
    units = readable(lm, texts, tokens_of_units(texts), Units(SIZES, "mean"))
    with pytest.raises(ConfigError, match=r"take `selection\.unit=token`"):
        units.edit_effects({}, (0.0,), 1)


def test_rows_without_units_are_what_read_gives():
    lm, texts = hand_over(random_model("Gemma3"), tiny_model()[1]), token_ids()
    tokens, atlas = tokens_of_units(texts), atlas_of(lm)
    expected = read(lm, atlas, atlas.sites, texts, tokens)
    assert all(
        torch.equal(values, expected[site]) for site, values in readable(lm, texts, tokens).activations()().items()
    )
