"""A neuron's share of the MLP output is what plain hooks on the down projection give, whatever the architecture."""

import numpy as np
import pytest
import torch
from architectures import CONFIGS, PATHS, random_model, token_ids

from neurosieve import ConfigError, ModelError
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import hand_over
from neurosieve.models.readable import ReadableTexts
from neurosieve.models.tiny import tiny_model

WANTED = [np.array([2, 16]), np.array([4]), np.array([0, 3, 10])]


def contributions(model, wanted=WANTED, kind="mlp_post"):
    lm = hand_over(model, tiny_model()[1]) if not hasattr(model, "original_model") else hand_over(model)
    atlas = atlas_of(lm, kind)
    return ReadableTexts(lm, atlas, atlas.sites, token_ids(), wanted, {}).contributions()()


def with_biases(model):
    """Random numbers in every bias, which are 0 in a new model."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    return model


def recomputed(model, path):
    """One unpadded forward pass a text, and the definition neuron by neuron: the norm of what each adds, by itself."""
    seen = []
    projection = model.get_submodule(path)
    hook = projection.register_forward_hook(lambda _, given, left: seen.append((given[0], left)))
    with torch.no_grad():
        for text in token_ids():
            model(input_ids=torch.from_numpy(text)[None])
        hook.remove()
        rows = []
        zero = projection(torch.zeros_like(seen[0][0]))
        for (given, left), tokens in zip(seen, WANTED, strict=True):
            given, left = given.flatten(0, -2)[tokens], left.flatten(0, -2)[tokens]
            for activations, output in zip(given, left, strict=True):
                added = projection(torch.diag(activations)[None]) - zero.flatten()[: len(output)]
                rows.append(added[0].norm(dim=1) / output.norm())
    return torch.stack(rows)


@pytest.mark.parametrize("name", CONFIGS)
def test_shares_agree_with_plain_hooks(name):
    model = with_biases(random_model(name))
    shares = contributions(model)
    for site, values in shares.items():
        path = PATHS.get(name, "model.layers.{}.mlp.down_proj").format(site.layer)
        expected = recomputed(model, path)
        assert values.dtype == torch.float32
        assert float(expected.max()) > 1e-3
        torch.testing.assert_close(values, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["Qwen2", "Gemma3", "GPT2"])
def test_a_bridge_that_is_handed_over_has_the_same_shares(name):
    from transformer_lens.model_bridge import TransformerBridge

    model, tokenizer = random_model(name), tiny_model()[1]
    plain = contributions(model)
    tokenizer.init_kwargs["add_bos_token"] = True
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    bridged = contributions(TransformerBridge.boot_transformers("x", hf_model=model, tokenizer=tokenizer))
    for site, values in plain.items():
        torch.testing.assert_close(bridged[site], values, rtol=1e-4, atol=1e-5)


def test_a_neuron_that_adds_nothing_has_no_share_also_where_nothing_is_added():
    model = random_model("Qwen2")
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight[:, 5] = 0
        model.model.layers[1].mlp.up_proj.weight.zero_()
    lowest, middle, _ = contributions(model).values()
    assert (lowest[:, 5] == 0).all()
    assert (lowest > 0).any()
    assert (middle == 0).all()


def test_an_output_that_is_not_finite_is_no_share_of_zero():
    model = random_model("Qwen2")
    with torch.no_grad():
        model.model.layers[2].mlp.down_proj.weight[0] = torch.inf
        model.model.layers[2].mlp.down_proj.weight[0, 1:] = 0
    with pytest.raises(ModelError, match="layer 2: 288 of 288"):
        contributions(model)


def test_nothing_above_the_last_projection_is_computed_and_no_hook_is_left():
    model, called = random_model("Qwen2"), set()
    lm = hand_over(model, tiny_model()[1])
    atlas = atlas_of(lm)
    watching = [
        module.register_forward_hook(lambda *_, name=name: called.add(name)) for name, module in model.named_modules()
    ]
    ReadableTexts(lm, atlas, atlas.sites[:2], token_ids(), WANTED, {}).contributions()()
    for hook in watching:
        hook.remove()
    assert "model.layers.1.mlp.down_proj" in called
    assert not called & {"lm_head", "model.norm", "model.layers.1.mlp", "model.layers.2.self_attn"}
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("kind", ["mlp_out", "resid_post", "attn_z"])
def test_other_sites_are_refused(kind):
    with pytest.raises(ConfigError, match=r"share of the output of an MLP.*take `site=mlp_post`"):
        contributions(random_model("Qwen2"), kind=kind)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.float8_e4m3fn])
def test_quantized_weights_are_refused_before_the_model_is_run(dtype):
    model = random_model("Qwen2")
    projection = model.model.layers[1].mlp.down_proj
    projection.weight = torch.nn.Parameter(projection.weight.detach().to(dtype), requires_grad=False)
    with pytest.raises(ModelError, match=r"layers\.1\.mlp\.down_proj` are quantized; load the model unquantized"):
        contributions(model)


def test_a_model_in_bfloat16_has_nearly_the_same_shares():
    precise, short = contributions(random_model("Gemma2")), contributions(random_model("Gemma2").bfloat16())
    for site, values in precise.items():
        assert short[site].dtype == torch.float32
        torch.testing.assert_close(short[site], values, rtol=0, atol=0.05 * float(values.max()))
