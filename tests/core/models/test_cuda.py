"""On a GPU: what is read and scored there agrees with the CPU."""

import numpy as np
import pytest
import torch

from neurosieve import find
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import Model, open_model
from neurosieve.models.pooling import Units
from neurosieve.models.readable import ReadableTexts
from neurosieve_plugins.sources.arithmetic import Arithmetic

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device on this machine")
QUICK = {"permutations": 19, "stability_bootstraps": 0, "interval_bootstraps": 20, "test_top": 5}


def ranking(folder, device, dtype, **asked):
    model = Model("tiny", "tiny", device=device, dtype=dtype)
    told = {"scorers": ["auc", "cohens_d", "logistic_probe"], "store": str(folder / "store"), **QUICK}
    return find(model, Arithmetic(documents=60), folder=folder / "run", **told | asked).neurons


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.1)])
def test_a_ranking_read_on_a_gpu_agrees_with_that_of_the_cpu(tmp_path, dtype, tolerance):
    there, here = ranking(tmp_path / "gpu", "cuda", dtype), ranking(tmp_path / "cpu", "cpu", "float32")
    both = here.merge(there, on=["layer", "neuron"], suffixes=("", "_there"))
    for name in ("auc", "cohens_d"):
        np.testing.assert_allclose(both[name], both[f"{name}_there"], atol=tolerance)


def test_a_pass_without_a_store_on_a_gpu_agrees_with_that_of_the_cpu(tmp_path):
    asked = {"scorers": ["auc_binned", "cohens_d"], "store": "none"}
    both = ranking(tmp_path / "cpu", "cpu", "float32", **asked).merge(
        ranking(tmp_path / "gpu", "cuda", "float32", **asked), on=["layer", "neuron"], suffixes=("", "_there")
    )
    np.testing.assert_allclose(both.cohens_d, both.cohens_d_there, atol=1e-3)
    np.testing.assert_allclose(both.auc_binned, both.auc_binned_there, atol=1e-3)


@pytest.mark.parametrize("pool", ["mean", "max"])
@pytest.mark.parametrize("what", ["activations", "contributions"])
def test_units_of_several_tokens_read_on_a_gpu_agree_with_those_of_the_cpu(what, pool):
    rng, sizes = np.random.default_rng(0), [np.array([5, 1, 9]), np.array([300])]
    ids, cells = [rng.integers(2, 300, size=size.sum()) for size in sizes], []
    for device in ("cpu", "cuda"):
        lm = open_model(Model("tiny", "tiny", device=device, dtype="float32"))
        atlas, tokens = atlas_of(lm), [np.arange(len(text)) for text in ids]
        texts = ReadableTexts(lm, atlas, atlas.sites, ids, tokens, {}, units=Units(sizes, pool))
        cells.append(getattr(texts, what)()())
    for site, values in cells[0].items():
        torch.testing.assert_close(cells[1][site], values, rtol=1e-3, atol=1e-4)
