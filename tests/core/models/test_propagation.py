import numpy as np
import pytest
import torch
from architectures import CONFIGS, random_model

from neurosieve.errors import ModelError
from neurosieve.models.architectures import atlas_of
from neurosieve.models.gradients import edit_effects
from neurosieve.models.loading import hand_over
from neurosieve.models.tiny import tiny_model

TEXTS = [np.array([7, 19, 30, 8, 41, 12, 9]), np.array([11, 23, 5, 17])]
TOKENS = [np.array([3, 6]), np.array([2])]


def effects_of(lm, rules):
    atlas = atlas_of(lm)
    replacements = {site: torch.zeros(atlas.neurons) for site in atlas.sites}
    return edit_effects(lm, atlas, TEXTS, TOKENS, replacements, rules=rules)


def test_the_last_layer_passes_a_norm_whose_factor_is_held_fixed():
    module, tokenizer = tiny_model()
    lm = hand_over(module, tokenizer, name="tiny")
    last = module.model.layers[-1]
    [site] = [site for site in atlas_of(lm).sites if site.layer == len(module.model.layers) - 1]
    found, row = effects_of(lm, "relevance")[site], 0
    kept = {}
    hook = last.mlp.down_proj.register_forward_pre_hook(lambda _, given: kept.update(a=given[0]))
    for ids, tokens in zip(TEXTS, TOKENS, strict=True):
        with torch.no_grad():
            states = module.model(torch.tensor(ids)[None], output_hidden_states=True)
            hidden = kept_hidden(module, torch.tensor(ids)[None])
            for token in tokens:
                state = hidden[0, token - 1]
                factor = torch.rsqrt(state.square().mean() + module.model.norm.variance_epsilon)
                logits = module.lm_head(states.last_hidden_state[0, token - 1])
                by_logit = -logits.softmax(-1)
                by_logit[ids[token]] += 1
                by_state = (module.lm_head.weight.T @ by_logit) * module.model.norm.weight * factor
                by_neuron = last.mlp.down_proj.weight.T @ by_state
                special = ids[token - 1] in tokenizer.all_special_ids
                expected = torch.zeros_like(by_neuron) if special else -kept["a"][0, token - 1] * by_neuron
                torch.testing.assert_close(found[row], expected, rtol=1e-4, atol=1e-6)
                row += 1
    hook.remove()


def kept_hidden(module, ids):
    kept = {}
    hook = module.model.norm.register_forward_pre_hook(lambda _, given: kept.update(h=given[0]))
    module.model(ids)
    hook.remove()
    return kept["h"]


# Gemma 2 is refused below.
@pytest.mark.parametrize("name", sorted(set(CONFIGS) - {"Gemma2"}))
def test_every_architecture_gives_finite_effects_in_every_layer(name):
    module, tokenizer = random_model(name), tiny_model()[1]
    effects = effects_of(hand_over(module, tokenizer, name=name), "relevance")
    assert all(torch.isfinite(values).all() and values.abs().sum() > 0 for values in effects.values())


def test_a_model_that_attends_by_code_of_its_own_is_refused():
    lm = hand_over(random_model("Gemma2"), tiny_model()[1], name="own")
    with pytest.raises(ModelError, match="`own` attends by code of its own"):
        effects_of(lm, "relevance")


class CentredNorm(torch.nn.Module):
    """A norm that takes the mean away, as Cohere's does, and is no `LayerNorm`."""

    def forward(self, values):
        centred = values - values.mean(dim=-1, keepdim=True)
        return centred * torch.rsqrt(centred.square().mean(dim=-1, keepdim=True) + 1e-6)


class Squared(torch.nn.Module):
    def forward(self, values):
        return values * values.abs()


def with_parts(**parts):
    """The tiny model with other modules in the places of some; `__` stands for a dot."""
    module, tokenizer = tiny_model()
    for path, part in parts.items():
        module.set_submodule(path.replace("__", "."), part)
    return hand_over(module, tokenizer, name="own")


@pytest.mark.parametrize(
    ("parts", "part"),
    [
        (
            {"model__norm": CentredNorm()},
            r"a norm of another form than those that are known, CentredNorm \(`model.norm`\)",
        ),
        ({"model__layers__1__mlp__act_fn": Squared()}, r"a Squared \(`model.layers.1.mlp.act_fn`\)"),
        ({"model__layers__1__mlp__act_fn": torch.nn.Identity()}, "an MLP of another form than those that are known"),
    ],
)
def test_a_part_for_which_there_is_no_rule_is_refused_by_name(parts, part):
    with pytest.raises(ModelError, match=f"`own` has {part}.*, for which relevance propagation has no rule here"):
        effects_of(with_parts(**parts), "relevance")


def test_a_product_whose_factors_have_no_name_is_refused():
    lm = with_parts()
    for layer in lm.module.model.layers:
        mlp = layer.mlp
        mlp.forward = lambda x, mlp=mlp: mlp.down_proj(mlp.act_fn(mlp.first(x)) * mlp.up_proj(x))
        mlp.first = mlp.gate_proj
        del mlp.gate_proj
    with pytest.raises(ModelError, match=r"an MLP of another form than those that are known \(`model.layers.0.mlp"):
        effects_of(lm, "relevance")


def test_a_bridge_is_refused_for_it_computes_norms_by_code_of_its_own():
    from transformer_lens.model_bridge import TransformerBridge

    module, tokenizer = tiny_model()
    tokenizer.init_kwargs["add_bos_token"] = True
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    bridge = TransformerBridge.boot_transformers("x", hf_model=module, tokenizer=tokenizer)
    with pytest.raises(ModelError, match="a TransformerBridge, which computes norms and attention by code of its own"):
        effects_of(hand_over(bridge, tokenizer), "relevance")
