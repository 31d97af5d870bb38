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


# Gemma 2 is refused below; the width of this OPT is not four times its residual stream's, as its atlas takes it to be.
@pytest.mark.parametrize("name", sorted(set(CONFIGS) - {"Gemma2", "OPT"}))
def test_every_architecture_gives_finite_effects_in_every_layer(name):
    module, tokenizer = random_model(name), tiny_model()[1]
    effects = effects_of(hand_over(module, tokenizer, name=name), "relevance")
    assert all(torch.isfinite(values).all() and values.abs().sum() > 0 for values in effects.values())


def test_a_model_that_attends_by_code_of_its_own_is_refused():
    lm = hand_over(random_model("Gemma2"), tiny_model()[1], name="own")
    with pytest.raises(ModelError, match="`own` attends by code of its own"):
        effects_of(lm, "relevance")
