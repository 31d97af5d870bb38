"""The bundled interventions against NumPy, written another way."""

import doctest
import importlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import ConfigError, Reference
from neurosieve_plugins.interventions.add import Add
from neurosieve_plugins.interventions.clamp import Clamp
from neurosieve_plugins.interventions.mean import Mean
from neurosieve_plugins.interventions.resample import Resample
from neurosieve_plugins.interventions.scale import Scale
from neurosieve_plugins.interventions.zero import Zero


def case(controls=200, batch=3, positions=7, neurons=5, seed=0):
    rng = np.random.default_rng(seed)
    held = (rng.gamma(0.5, size=(controls, neurons)) * rng.choice([-1, 3], neurons)).astype(np.float32)
    activations = rng.normal(size=(batch, positions, neurons)).astype(np.float32) * 3
    draws = rng.random((batch, positions)).astype(np.float32)
    return activations, held, draws


def edited(intervention, activations, held, draws):
    reference = Reference(torch.from_numpy(held), torch.from_numpy(draws))
    return intervention.edit(torch.from_numpy(activations), reference).numpy()


def test_each_intervention_agrees_with_numpy():
    x, held, draws = case()
    rows = np.floor(draws.astype(np.float64) * len(held)).astype(int)
    quantiles = np.quantile(held, [0.1, 0.75], axis=0)
    expected = {
        Zero(): np.zeros_like(x),
        Mean(): np.broadcast_to(held.mean(axis=0), x.shape),
        Resample(): np.stack([held[row] for row in rows]),
        Scale(-1.5): -1.5 * x,
        Add(-2.0): x - 2 * held.std(axis=0),
        Clamp(0.1, 0.75): np.minimum(np.maximum(x, quantiles[0]), quantiles[1]),
    }
    for intervention, wanted in expected.items():
        np.testing.assert_allclose(edited(intervention, x, held, draws), wanted, rtol=1e-5, atol=1e-5)


@given(st.integers(1, 40), st.floats(0, 1), st.floats(0, 1), st.integers(0, 5))
def test_clamp_cuts_at_the_quantiles_that_numpy_gives(controls, one, other, seed):
    low, high = sorted([one, other])
    x, held, draws = case(controls, seed=seed)
    found = edited(Clamp(low, high), x, held, draws)
    np.testing.assert_allclose(found, x.clip(*np.quantile(held, [low, high], axis=0)), rtol=1e-4, atol=1e-4)


def test_resampling_draws_every_control_row_about_as_often_and_never_mixes_rows():
    _, held, _ = case(controls=20)
    draws = np.random.default_rng(1).random((100, 200)).astype(np.float32)
    found = edited(Resample(), np.zeros((100, 200, 5), dtype=np.float32), held, draws).reshape(-1, 5)
    drawn, counts = np.unique(found, axis=0, return_counts=True)
    np.testing.assert_array_equal(drawn, np.unique(held, axis=0))
    assert 850 < counts.min() < counts.max() < 1150


def test_activations_of_half_precision_stay_what_they_are():
    x, held, draws = (torch.from_numpy(one) for one in case())
    for intervention in (Zero(), Mean(), Resample(), Scale(), Add(), Clamp()):
        assert intervention.edit(x.bfloat16(), Reference(held, draws)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Scale(math.nan), "`factor` of the intervention `scale` is nan: give a finite number"),
        (lambda: Add(math.inf), "`amount` of the intervention `add` is inf: give a finite number"),
        (lambda: Clamp(0.9, 0.1), "from quantile 0.9 to 0.1: give `low` and `high` from 0 to 1"),
        (lambda: Clamp(-0.1, 0.5), "from quantile -0.1 to 0.5"),
        (lambda: Clamp(math.nan, 0.5), "from quantile nan"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("name", ["add", "clamp", "mean", "resample", "scale", "zero"])
def test_the_example_in_each_docstring_runs(name):
    module = importlib.import_module(f"neurosieve_plugins.interventions.{name}")
    done = doctest.testmod(module)
    assert done.attempted
    assert not done.failed
