"""Reading agrees with plain forward passes of the same model, whatever its architecture."""

import numpy as np
import pytest
import torch
import transformers
from architectures import CONFIGS, GATED, PATHS, random_model, token_ids

from neurosieve import ModelError, Site
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import Model, hand_over, open_model
from neurosieve.models.reading_hooks import read
from neurosieve.models.tiny import tiny_model


def read_plainly(model, paths, ids, wanted):
    """One unpadded forward pass of the whole model a text, keeping all that enters each module of `paths`."""
    seen = {path: [] for path in paths}
    hooks = [
        model.get_submodule(path).register_forward_pre_hook(
            lambda _, given, path=path: seen[path].append(given[0].flatten(0, -2))
        )
        for path in paths
    ]
    with torch.no_grad():
        for text in ids:
            model(input_ids=torch.from_numpy(text)[None])
    for hook in hooks:
        hook.remove()
    return [torch.cat([whole[tokens] for whole, tokens in zip(seen[path], wanted, strict=True)]) for path in paths]


@pytest.mark.parametrize("name", CONFIGS)
def test_reading_agrees_with_plain_forward_passes(name):
    model = random_model(name)
    lm = hand_over(model, tiny_model()[1])
    atlas = atlas_of(lm)
    ids, wanted = token_ids(), [np.array([2, 16]), np.array([4]), np.array([0, 3, 10])]
    found = read(lm, atlas, atlas.sites, ids, wanted)
    paths = [PATHS.get(name, "model.layers.{}.mlp.down_proj").format(layer) for layer in range(3)]
    for site, expected in zip(atlas.sites, read_plainly(model, paths, ids, wanted), strict=True):
        assert found[site].shape == (6, 48)
        torch.testing.assert_close(found[site], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["Qwen2", "Gemma3", "GPT2"])
def test_a_bridge_that_is_handed_over_reads_the_same(name):
    from transformer_lens.model_bridge import TransformerBridge

    model, tokenizer = random_model(name), tiny_model()[1]
    ids, wanted = token_ids(), [np.array([2, 16]), np.array([4]), np.array([0, 3, 10])]
    lm = hand_over(model, tokenizer)
    atlas = atlas_of(lm)
    plain = read(lm, atlas, atlas.sites, ids, wanted)
    tokenizer.init_kwargs["add_bos_token"] = True
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    bridge = TransformerBridge.boot_transformers("x", hf_model=model, tokenizer=tokenizer)
    bridged = hand_over(bridge)
    assert bridged.bridge is bridge
    found = read(bridged, atlas_of(bridged), atlas.sites, ids, wanted)
    for site in atlas.sites:
        torch.testing.assert_close(found[site], plain[site], rtol=1e-4, atol=1e-5)


def test_nothing_above_the_last_site_is_computed():
    model = random_model("Qwen2")
    lm = hand_over(model, tiny_model()[1])
    called = set()
    for name, module in model.named_modules():
        module.register_forward_hook(lambda *_, name=name: called.add(name))
    read(lm, atlas_of(lm), [Site(1)], token_ids(), [np.array([0])] * 3)
    assert "model.layers.1.mlp.up_proj" in called
    assert not called & {"lm_head", "model.norm", "model.layers.1.mlp.down_proj", "model.layers.2.self_attn"}


def test_reading_leaves_no_hook_behind():
    model = random_model("Qwen2")
    lm = hand_over(model, tiny_model()[1])
    read(lm, atlas_of(lm), [Site(1)], token_ids(), [np.array([0])] * 3)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_neighbours_in_a_batch_change_nothing():
    lm = hand_over(random_model("Gemma3"), tiny_model()[1])
    atlas, ids = atlas_of(lm), token_ids()
    wanted = [np.arange(len(text)) for text in ids]
    together = read(lm, atlas, atlas.sites, ids, wanted)
    for site in atlas.sites:
        alone = [read(lm, atlas, [site], [text], [tokens])[site] for text, tokens in zip(ids, wanted, strict=True)]
        torch.testing.assert_close(together[site], torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_activations_that_are_not_finite_are_counted_and_named_by_layer():
    model = random_model("Qwen2")
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[7] = torch.nan
    lm = hand_over(model, tiny_model()[1])
    with pytest.raises(ModelError, match=r"layer 1: 3 of 144, layer 2: 144 of 144.*nothing was scored"):
        read(lm, atlas_of(lm), atlas_of(lm).sites, token_ids(), [np.array([0])] * 3)


def test_a_mixture_of_experts_is_refused():
    config = transformers.Qwen3MoeConfig(**GATED, head_dim=8, num_experts=4, moe_intermediate_size=16)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with pytest.raises(ModelError, match="no plain MLP"):
        atlas_of(hand_over(model, tiny_model()[1]))


def test_an_architecture_that_transformer_lens_does_not_know_is_refused():
    model = random_model("Qwen2")
    model.config.architectures = ["NobodysModel"]
    with pytest.raises(ModelError, match="does not know the architecture `NobodysModel`"):
        atlas_of(hand_over(model, tiny_model()[1]))


def test_only_models_that_learn_positions_by_number_have_a_bounded_context():
    contexts = {name: atlas_of(hand_over(random_model(name), tiny_model()[1])).context for name in ("GPT2", "Qwen2")}
    assert contexts == {"GPT2": 1024, "Qwen2": None}


def test_a_saved_folder_reads_as_the_model_that_was_saved(tmp_path):
    model, tokenizer = tiny_model()
    model.save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    opened = open_model(Model(str(tmp_path / "saved"), device="cpu", dtype="float32"))
    assert not opened.is_loaded
    handed = hand_over(model, tokenizer)
    ids, wanted = token_ids(), [np.array([2]), np.array([4]), np.array([3])]
    atlas = atlas_of(opened)
    assert not opened.is_loaded, "the atlas needs the config alone"
    found = read(opened, atlas, atlas.sites, ids, wanted)
    expected = read(handed, atlas, atlas.sites, ids, wanted)
    for site in atlas.sites:
        torch.testing.assert_close(found[site], expected[site], rtol=0, atol=0)


def test_the_fingerprint_tells_weights_apart(tmp_path):
    same, again, other = tiny_model(), tiny_model(), tiny_model(seed=1)
    assert hand_over(*same).fingerprint == hand_over(*again).fingerprint
    assert hand_over(*same).fingerprint != hand_over(*other).fingerprint


def test_a_slow_tokenizer_is_refused():
    class Slow:
        is_fast = False

    with pytest.raises(ModelError, match="slow one"):
        hand_over(random_model("Qwen2"), Slow())


def test_what_is_no_model_is_refused():
    with pytest.raises(ModelError, match="model is a int"):
        hand_over(5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_reading_in_bfloat16_on_cuda_is_close_to_float32_on_the_cpu():
    model = random_model("Qwen2")
    lm = hand_over(model, tiny_model()[1])
    atlas, ids, wanted = atlas_of(lm), token_ids(), [np.array([2]), np.array([4]), np.array([3])]
    exact = read(lm, atlas, atlas.sites, ids, wanted)
    on_gpu = hand_over(model.to("cuda", torch.bfloat16), tiny_model()[1])
    for site, found in read(on_gpu, atlas, atlas.sites, ids, wanted).items():
        cosine = torch.nn.functional.cosine_similarity(found.float().flatten(), exact[site].flatten(), dim=0)
        assert cosine > 0.99
