"""What a neuron promotes is what the model itself makes of its direction."""

import numpy as np
import pytest
import torch
import transformers
from architectures import PATHS, random_model

from neurosieve import ModelError, Neuron
from neurosieve.inspection.vocabulary import promoted_tokens, token_name
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import hand_over
from neurosieve.models.tiny import tiny_model

FINAL_NORM = {
    "GPT2": "transformer.ln_f",
    "GPTNeoX": "gpt_neox.final_layer_norm",
    "Phi": "model.final_layernorm",
    "OPT": "model.decoder.final_layer_norm",
}
AFTER_MLP = {"Gemma2": "post_feedforward_layernorm", "Gemma3": "post_feedforward_layernorm"}
OUTPUT = {
    "GPT2": "transformer.h.{}.attn.c_proj",
    "GPTNeoX": "gpt_neox.layers.{}.attention.dense",
    "Phi": "model.layers.{}.self_attn.dense",
    "OPT": "model.decoder.layers.{}.self_attn.out_proj",
}
WRITERS = {
    "mlp_post": lambda name: (PATHS.get(name, "model.layers.{}.mlp.down_proj"), "post_feedforward_layernorm"),
    "attn_z": lambda name: (OUTPUT.get(name, "model.layers.{}.self_attn.o_proj"), "post_attention_layernorm"),
    "mlp_out": lambda _: (None, None),
    "resid_post": lambda _: (None, None),
}
"""The projection that each kind of site enters, and the norm behind it, where there is one."""
ALL = 461
"""The whole vocabulary of the random models."""


def lively(name):
    """A random model whose norms and biases are random too, as they are in no fresh model."""
    model = random_model(name)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.copy_(torch.randn_like(parameter) + ("norm" in parameter_name or "ln" in parameter_name))
            else:
                parameter.normal_(std=0.3)
    return model


def by_token(table):
    return table[table.direction == "promotes"].sort_values("token_id").logit.to_numpy()


def without(vector, direction):
    return vector - vector @ direction / (direction @ direction) * direction


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", ["Qwen2", "Llama", "Gemma2", "Gemma3", "GPT2", "GPTNeoX", "Phi", "OPT"])
def test_logits_are_those_that_the_model_itself_moves(name, kind):
    """The derivative of the model's own modules, one after another, at a residual that the direction only turns.

    A norm also takes away some of what stands already along a direction, which depends on the text: where nothing does,
    its derivative is the direction, weighed.
    """
    model = lively(name)
    held = hand_over(model, tiny_model()[1])
    layer, index, atlas = 1, 7, atlas_of(held, kind)
    projection, norm = WRITERS[kind](name)
    after = model.get_submodule(f"model.layers.{layer}.{norm}") if norm and "Gemma" in name else None
    final = model.get_submodule(FINAL_NORM.get(name, "model.norm"))

    def moved(function, at, toward):
        return torch.autograd.functional.jvp(lambda vector: function(vector[None, None])[0, 0], at, toward)[1]

    width = 48 if kind == "mlp_post" else 32
    direction = torch.nn.functional.one_hot(torch.tensor(index), width).float()
    if projection is not None:
        direction = moved(model.get_submodule(projection.format(layer)), torch.rand(width), direction)
    if after is not None:
        direction = moved(after, without(torch.randn(32), direction), direction)
    residual = torch.randn(32)
    if isinstance(final, torch.nn.LayerNorm):
        direction, residual = direction - direction.mean(), residual - residual.mean()
    expected = moved(
        lambda vector: model.get_output_embeddings()(final(vector)), without(residual, direction), direction
    )
    expected = (expected - expected.mean()).numpy()
    found = promoted_tokens(held, atlas, [Neuron(layer, index)], ALL)
    got = by_token(found)
    assert len(got) == ALL
    np.testing.assert_allclose(got / np.linalg.norm(got), expected / np.linalg.norm(expected), atol=1e-4)
    most = found[(found.direction == "promotes") & (found.place <= 10)].token_id.tolist()
    least = found[(found.direction == "suppresses") & (found.place <= 10)].token_id.tolist()
    assert most == np.argsort(-expected)[:10].tolist()
    assert least == np.argsort(expected)[:10].tolist()


@pytest.mark.parametrize("name", ["Qwen2", "Gemma3", "GPT2"])
def test_a_neuron_that_points_at_a_token_promotes_it_and_raises_it_in_a_whole_forward_pass(name):
    model = lively(name)
    path = PATHS.get(name, "model.layers.{}.mlp.down_proj").format(2)
    down, token = model.get_submodule(path), 123
    norms = [FINAL_NORM.get(name, "model.norm")] + ([f"model.layers.2.{AFTER_MLP[name]}"] if name in AFTER_MLP else [])
    with torch.no_grad():
        for norm in norms:
            weight = model.get_submodule(norm).weight
            weight.copy_(torch.zeros_like(weight) if name == "Gemma3" else torch.ones_like(weight))
        unembedding = model.get_output_embeddings().weight
        unembedding[token] *= 3
        row = unembedding[token]
        if name == "GPT2":
            down.weight[5] = row * 2
        else:
            down.weight[:, 5] = row * 2

    def logits(more):
        def push(_, given):
            given[0][..., 5] += more
            return given

        hook = down.register_forward_pre_hook(push)
        with torch.no_grad():
            out = model(torch.tensor([[3, 5, 8, 13]])).logits[0, -1]
        hook.remove()
        return out

    change = (logits(0.5) - logits(0.0)).log_softmax(-1)
    assert change.argmax() == token
    held = hand_over(model, tiny_model()[1])
    table = promoted_tokens(held, atlas_of(held), [Neuron(2, 5)], 3)
    assert table[table.direction == "promotes"].token_id.iloc[0] == token
    assert token not in table[table.direction == "suppresses"].token_id.tolist()


@pytest.mark.parametrize("name", ["Qwen2", "Gemma3", "GPT2"])
def test_a_bridge_that_is_handed_over_promotes_the_same(name):
    from transformer_lens.model_bridge import TransformerBridge

    model, tokenizer = lively(name), tiny_model()[1]
    neurons = [Neuron(2, 5), Neuron(0, 1)]
    held = hand_over(model, tokenizer)
    plain = promoted_tokens(held, atlas_of(held), neurons, ALL)
    tokenizer.init_kwargs["add_bos_token"] = True
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    bridged = hand_over(TransformerBridge.boot_transformers("x", hf_model=model, tokenizer=tokenizer))
    found = promoted_tokens(bridged, atlas_of(bridged), neurons, ALL)
    for one in neurons:
        mine = [table[(table.layer == one.layer) & (table.neuron == one.neuron)] for table in (plain, found)]
        np.testing.assert_allclose(by_token(mine[0]), by_token(mine[1]), rtol=1e-3, atol=1e-4)


def test_tied_embeddings_are_the_unembedding():
    model = random_model("Qwen2")
    model.config.tie_word_embeddings = True
    model.tie_weights()
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight[:, 3] = model.model.embed_tokens.weight[50] * 100
    held = hand_over(model, tiny_model()[1])
    table = promoted_tokens(held, atlas_of(held), [Neuron(0, 3)], 1)
    assert table.token_id.iloc[0] == 50


def test_rows_of_the_unembedding_that_stand_for_no_token_are_left_out():
    model, tokenizer = tiny_model()
    model.resize_token_embeddings(len(tokenizer) + 7)
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight[:, 3] = model.lm_head.weight[len(tokenizer) + 2] * 10
    held = hand_over(model, tokenizer)
    table = promoted_tokens(held, atlas_of(held), [Neuron(0, 3)], 20)
    assert table.token_id.max() < len(tokenizer)
    assert table.groupby("direction").size().tolist() == [20, 20]


def test_a_model_whose_unembedding_reads_another_space_is_refused():
    config = transformers.OPTConfig(
        vocab_size=461,
        hidden_size=32,
        word_embed_proj_dim=16,
        num_hidden_layers=1,
        num_attention_heads=4,
        ffn_dim=48,
        architectures=["OPTForCausalLM"],
    )
    held = hand_over(transformers.AutoModelForCausalLM.from_config(config), tiny_model()[1])
    with pytest.raises(ModelError, match="does not read the residual stream"):
        promoted_tokens(held, atlas_of(held), [Neuron(0, 0)], 1)


def test_a_token_is_named_with_the_space_that_it_begins_with():
    tokenizer = tiny_model()[1]
    assert token_name(tokenizer, tokenizer.convert_tokens_to_ids("Ġapples")) == " apples"
    assert token_name(tokenizer, tokenizer.convert_tokens_to_ids("Ċ")) == "\n"
    byte = tokenizer.convert_tokens_to_ids("Ã")
    assert token_name(tokenizer, byte) == "Ã", "a byte that is no text by itself keeps the tokenizer's name for it"
