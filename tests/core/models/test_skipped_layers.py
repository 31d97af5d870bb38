"""A pass that starts in the middle of a model gives what a whole pass gives, or is not made."""

import copy

import pytest
import torch
import transformers
from architectures import CONFIGS, GATED, random_model, token_ids
from families import FAMILIES, SPECIAL, family_model

from neurosieve.models.architectures import atlas_of
from neurosieve.models.blocks import block_of
from neurosieve.models.loading import hand_over
from neurosieve.models.skipped_layers import kept_below, layers_to_start_at, started_at
from neurosieve.models.tiny import tiny_model

[TEXT] = token_ids((40,))
EDITABLE = [
    name
    for name, family in FAMILIES.items()
    if family.down is not None and family.auto is transformers.AutoModelForCausalLM and name != "EmbeddingGemma"
]


def opened(module):
    model = hand_over(module, tiny_model()[1])
    return model, atlas_of(model)


def logits_of(model, rows):
    ids = torch.from_numpy(TEXT)[None].expand(rows, -1)
    with torch.inference_mode():
        return model.module(input_ids=ids, use_cache=False).logits


@pytest.mark.parametrize("name", CONFIGS)
def test_a_pass_that_starts_at_any_layer_gives_what_a_whole_pass_gives_in_every_row(name):
    model, atlas = opened(random_model(name).double())
    with kept_below(model, atlas, [1, 2]) as kept:
        whole = logits_of(model, 1)
    for layer in (1, 2):
        with started_at(model, atlas, layer, kept[layer], rows=3):
            started = logits_of(model, 3)
        torch.testing.assert_close(started, whole.expand(3, -1, -1), rtol=0, atol=1e-10)
    assert torch.equal(logits_of(model, 1), whole), "the layers run again"


def test_the_layers_below_do_not_run_and_the_others_do():
    model, atlas = opened(random_model("Qwen2"))
    ran = []
    for layer, path in enumerate(atlas.modules):
        model.module.get_submodule(path).register_forward_hook(lambda *_, layer=layer: ran.append(layer))
    with kept_below(model, atlas, [2]) as kept:
        logits_of(model, 1)
    assert ran == [0, 1, 2]
    with started_at(model, atlas, 2, kept[2], rows=2):
        logits_of(model, 2)
    assert ran == [0, 1, 2, 2]


@pytest.mark.parametrize("name", EDITABLE)
def test_passes_of_each_family_can_start_at_every_layer(name):
    model, atlas = opened(family_model(name))
    assert layers_to_start_at(model, atlas, range(3), TEXT) == {0, 1, 2}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_passes_in_half_precision_can_start_at_every_layer(dtype):
    model, atlas = opened(random_model("Gemma3").to(dtype))
    assert layers_to_start_at(model, atlas, range(3), TEXT) == {0, 1, 2}


@pytest.mark.parametrize(("shared", "starts"), [(0, {0, 1, 2}), (1, {0, 1})])
def test_a_pass_does_not_start_above_a_layer_whose_keys_and_values_are_used_further_up(shared, starts):
    config = transformers.Gemma4TextConfig(
        **GATED | SPECIAL,
        head_dim=8,
        global_head_dim=8,
        vocab_size_per_layer_input=461,
        hidden_size_per_layer_input=8,
        layer_types=["full_attention"] * 3,
        num_kv_shared_layers=shared,
    )
    torch.manual_seed(0)
    model, atlas = opened(transformers.AutoModelForCausalLM.from_config(config).eval())
    assert layers_to_start_at(model, atlas, range(3), TEXT) == starts


def test_a_pass_does_not_start_above_a_layer_that_a_hook_carries_further_up():
    model, atlas = opened(random_model("Qwen2"))
    blocks, carried = model.module.model.layers, []
    blocks[0].mlp.register_forward_hook(lambda _, __, out: carried.append(out))
    blocks[1].mlp.register_forward_hook(lambda _, __, out: out + carried.pop() if carried else out)
    assert layers_to_start_at(model, atlas, range(3), TEXT) == {0, 2}


def test_a_hook_on_the_last_layer_that_is_left_out_acts_once():
    model, atlas = opened(random_model("Llama"))
    block_of(model, atlas, 1).register_forward_hook(lambda _, __, out: out + 1)
    whole = logits_of(model, 2)
    assert layers_to_start_at(model, atlas, [2], TEXT) == {0, 2}
    with kept_below(model, atlas, [2]) as kept:
        logits_of(model, 1)
    with started_at(model, atlas, 2, kept[2], rows=2):
        torch.testing.assert_close(logits_of(model, 2), whole)


def test_every_layer_runs_its_own_code_again_after_an_error():
    model, atlas = opened(random_model("GPT2"))
    blocks = [block_of(model, atlas, layer) for layer in range(3)]
    own = blocks[0].forward
    blocks[1].forward = forward = copy.copy(blocks[1].forward)  # As accelerate leaves it.
    whole = logits_of(model, 1)

    def failing():
        with kept_below(model, atlas, [1, 2]) as kept:
            logits_of(model, 1)
            with started_at(model, atlas, 2, kept[2], rows=1):
                raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert [vars(block).get("forward") for block in blocks] == [None, forward, None]
    assert blocks[0].forward == own
    assert torch.equal(logits_of(model, 1), whole)


def test_passes_of_a_bridge_give_what_its_whole_passes_give():
    from transformer_lens.model_bridge import TransformerBridge

    tokenizer = tiny_model()[1]
    tokenizer.init_kwargs["add_bos_token"] = True
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    module = random_model("Qwen2")
    module.config.architectures = [type(module).__name__]
    model = hand_over(TransformerBridge.boot_transformers("x", hf_model=module, tokenizer=tokenizer))
    atlas = atlas_of(model)
    with kept_below(model, atlas, [1, 2]) as kept:
        whole = logits_of(model, 2)
    for layer in layers_to_start_at(model, atlas, range(3), TEXT) - {0}:
        with started_at(model, atlas, layer, kept[layer], rows=2):
            torch.testing.assert_close(logits_of(model, 2), whole)
