"""Edits do what they say, in the rows and at the tokens that they say, and nothing passes unproved."""

import numpy as np
import pytest
import torch
import transformers
from scipy import stats

from neurosieve import Intervention, ModelError, Neuron, PluginError, Reference
from neurosieve.ablation.edit import Edit, draws_at
from neurosieve.ablation.editing_hooks import Edits
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import hand_over
from neurosieve.models.tiny import tiny_model
from neurosieve_plugins.interventions.add import Add
from neurosieve_plugins.interventions.mean import Mean
from neurosieve_plugins.interventions.resample import Resample
from neurosieve_plugins.interventions.scale import Scale
from neurosieve_plugins.interventions.zero import Zero

SIZE = {"vocab_size": 461, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
GATED = SIZE | {"intermediate_size": 48, "num_key_value_heads": 2, "pad_token_id": 0}
CONFIGS = {
    "Qwen2": transformers.Qwen2Config(**GATED),
    "Llama": transformers.LlamaConfig(**GATED),
    "Gemma3": transformers.Gemma3TextConfig(**GATED, head_dim=8, sliding_window=8),
    "Phi": transformers.PhiConfig(**GATED),
    "OPT": transformers.OPTConfig(**SIZE, ffn_dim=48, word_embed_proj_dim=32),
    "GPT2": transformers.GPT2Config(
        vocab_size=461, n_embd=32, n_layer=3, n_head=4, n_inner=48, bos_token_id=1, eos_token_id=1
    ),
    "GPTNeoX": transformers.GPTNeoXConfig(**SIZE, intermediate_size=48),
}
NEURONS = (Neuron(0, 3), Neuron(2, 47), Neuron(2, 0))
EDITED = {"mlp_post": NEURONS, "attn_z": (Neuron(0, 3), Neuron(2, 31), Neuron(2, 0))}
SPECIAL = (0, 1)
"""The ids of `<bos>` and `<eos>` of the tiny tokenizer."""


def random_model(name):
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(CONFIGS[name]).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def opened(name="Qwen2", kind="mlp_post"):
    held = hand_over(random_model(name), tiny_model()[1])
    return held, atlas_of(held, kind)


def edit_of(intervention, neurons=NEURONS, strength=1.0, seed=0, controls=30):
    held = torch.from_numpy(np.random.default_rng(seed).normal(size=(len(neurons), controls)).astype(np.float32))
    return Edit(intervention, dict(zip(neurons, held, strict=True)), strength)


def texts(rows=3, tokens=12, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(2, 461, size=(rows, tokens)))


def logits_of(held, edits, ids, rows=None, seeds=None, first=None, **also):
    with edits, torch.inference_mode():
        edits.begin(seeds or list(range(len(ids))), first or [0] * len(ids), rows)
        return held.module(input_ids=ids, use_cache=False, **also).logits


def step_by_step(held, edits, ids, seeds, first, prompt=4, **also):
    """The logits of every position, the prompt's in one piece and then one position at a time, from a cache."""
    cache = transformers.DynamicCache(config=held.config)
    told = {"past_key_values": cache, "use_cache": True, **also}
    with edits, torch.inference_mode():
        edits.begin(seeds, first)
        pieces = ids.tensor_split(tuple(range(prompt, ids.shape[1])), dim=1)
        found = [held.module(input_ids=piece, **told).logits for piece in pieces]
    return torch.cat(found, dim=1)


def without_columns(held, atlas, neurons):
    """Zero what the neurons write into the residual stream: in `Linear` a column, in GPT-2's `Conv1D` a row."""
    with torch.no_grad():
        for layer, neuron in neurons:
            weight = held.module.get_submodule(atlas.modules[layer]).weight
            if held.config.model_type == "gpt2":
                weight[neuron] = 0
            else:
                weight[:, neuron] = 0


@pytest.mark.parametrize("kind", EDITED)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_zeroed_neuron_is_one_whose_projection_is_zero_with_and_without_a_cache(name, kind):
    held, atlas = opened(name, kind)
    ids, neurons = texts(), EDITED[kind]
    edited = logits_of(held, Edits(held, atlas, edit_of(Zero(), neurons)), ids)
    cached = step_by_step(held, Edits(held, atlas, edit_of(Zero(), neurons)), ids, [0, 1, 2], [0, 0, 0])
    with torch.inference_mode():
        whole = held.module(input_ids=ids).logits
    without_columns(held, atlas, neurons)
    with torch.inference_mode():
        expected = held.module(input_ids=ids).logits
    assert (whole - expected).abs().max() > 0.1
    torch.testing.assert_close(edited, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(cached, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["Qwen2", "Gemma3", "GPT2"])
def test_generation_with_a_zeroed_neuron_is_that_of_the_model_without_it(name):
    held, atlas = opened(name)
    told = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    ids, told["suppress_tokens"] = texts(rows=4), list(SPECIAL)  # Those are never edited.
    edits = Edits(held, atlas, edit_of(Zero()))
    plain = held.module.generate(ids, **told)
    with edits:
        edits.begin([0] * 4, [0] * 4)
        edited = held.module.generate(ids, **told)
    without_columns(held, atlas, NEURONS)
    assert not torch.equal(plain, edited)
    assert torch.equal(edited, held.module.generate(ids, **told))
    assert edits.proof().calls == 2 * 12, "two layers, the prompt and eleven steps"


@pytest.mark.parametrize("name", ["Qwen2", "OPT", "GPT2"])
def test_each_row_gets_its_own_edit_and_no_row_anothers(name):
    held, atlas = opened(name)
    given = [edit_of(Zero()), edit_of(Add(3.0), [Neuron(1, 5)]), edit_of(Mean(), [Neuron(0, 3)], strength=0.5)]
    ids = texts(rows=1).expand(6, -1)
    together = logits_of(held, Edits(held, atlas, *given), ids, rows=[None, 2, 0, 1, None, 2], seeds=[7] * 6)
    with torch.inference_mode():
        plain = held.module(input_ids=ids[:1]).logits[0]
    alone = [logits_of(held, Edits(held, atlas, edit), ids[:1], seeds=[7])[0] for edit in given]
    for row, expected in zip(together, [plain, alone[2], alone[0], alone[1], plain, alone[2]], strict=True):
        torch.testing.assert_close(row, expected, rtol=1e-4, atol=1e-5)
    assert all((one - plain).abs().max() > 0.01 for one in alone)


def test_edits_that_differ_in_their_neurons_alone_are_made_together_as_each_by_itself():
    held, atlas = opened()
    everything = [Neuron(layer, index) for layer in (1, 2) for index in range(48)]
    activations = edit_of(Mean(), everything).controls
    intervention, few = Mean(), [Neuron(2, 47), Neuron(1, 3), Neuron(1, 0)]
    groups = [everything, few, [neuron for neuron in everything if neuron not in few], [Neuron(2, 5)]]
    given = [Edit(intervention, {neuron: activations[neuron] for neuron in group}) for group in groups]
    ids = texts(rows=1)
    alone = [logits_of(held, Edits(held, atlas, edit), ids, seeds=[7])[0] for edit in given]
    edits = Edits(held, atlas, *given)
    together = logits_of(held, edits, ids.expand(5, -1), rows=[3, 0, None, 2, 1], seeds=[7] * 5)
    with torch.inference_mode():
        plain = held.module(input_ids=ids).logits[0]
    for row, expected in zip(together, [alone[3], alone[0], plain, alone[2], alone[1]], strict=True):
        torch.testing.assert_close(row, expected, rtol=1e-4, atol=1e-5)
    assert [edits.changed(number) for number in range(4)] == [12 * len(group) for group in groups]
    assert edits.proof().values == 12 * sum(map(len, groups))


def test_what_no_row_edits_is_not_copied():
    held, atlas = opened()
    edits = Edits(held, atlas, edit_of(Zero(), [Neuron(0, 3)]), edit_of(Zero(), [Neuron(2, 5)]))
    given = {}
    for layer in (0, 2):
        projection = held.module.get_submodule(atlas.modules[layer])
        projection.register_forward_pre_hook(lambda _, inputs, layer=layer: given.__setitem__(layer, inputs[0]))
    after = {}
    with edits, torch.inference_mode():
        for layer in (0, 2):
            projection = held.module.get_submodule(atlas.modules[layer])
            projection.register_forward_hook(lambda _, inputs, __, layer=layer: after.__setitem__(layer, inputs[0]))
        edits.begin([0], [0], [0])
        held.module(input_ids=texts(rows=1), use_cache=False)
        assert after[0] is not given[0]
        assert after[2] is given[2]
        edits.begin([0], [0], [1])
        held.module(input_ids=texts(rows=1), use_cache=False)
        assert after[0] is given[0]


def values_seen(held, atlas, edits, ids, layer, **told):
    seen = []
    projection = held.module.get_submodule(atlas.modules[layer])
    hook = projection.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    logits_of(held, edits, ids, **told)
    hook.remove()
    return seen[0]


def test_padding_and_special_tokens_are_never_edited():
    held, atlas = opened()
    ids = texts(rows=3, tokens=10)
    ids[0, :4], ids[1, 0], ids[1, 5], ids[2, -2:] = 1, 0, 1, 1
    edits = Edits(held, atlas, edit_of(Zero(), [Neuron(0, 3)]))
    entered = values_seen(held, atlas, edits, ids, 0, first=[4, 1, 3])
    special = (ids == 0) | (ids == 1)
    before = torch.arange(10) < torch.tensor([[4], [1], [3]])
    assert torch.equal(entered[..., 3] == 0, ~special & ~before)
    assert edits.proof().values == int((~special & ~before).sum())


def test_only_the_named_neurons_change():
    held, atlas = opened()
    ids = texts()
    plain = values_seen(held, atlas, Edits(held, atlas, edit_of(Scale(1.0), [Neuron(2, 5)])), ids, 0)
    entered = values_seen(held, atlas, Edits(held, atlas, edit_of(Add(2.0), [Neuron(0, 3), Neuron(0, 40)])), ids, 0)
    assert set(torch.nonzero((plain != entered).any(dim=0).any(dim=0)).flatten().tolist()) == {3, 40}


def test_strength_goes_part_of_the_way():
    held, atlas = opened()
    ids = texts()
    whole = edit_of(Mean(), [Neuron(1, 5)])
    target = whole.controls[Neuron(1, 5)].mean()
    plain = values_seen(held, atlas, Edits(held, atlas, edit_of(Scale(1.0), [Neuron(2, 5)])), ids, 1)[..., 5]
    for strength in (0.25, 1.0, 1.5):
        edits = Edits(held, atlas, edit_of(Mean(), [Neuron(1, 5)], strength))
        found = values_seen(held, atlas, edits, ids, 1)[..., 5]
        torch.testing.assert_close(found, plain + strength * (target - plain))


def bridged(name, kind="mlp_post"):
    from transformer_lens.model_bridge import TransformerBridge

    model, tokenizer = random_model(name), tiny_model()[1]
    tokenizer.init_kwargs["add_bos_token"] = True
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    held = hand_over(TransformerBridge.boot_transformers("x", hf_model=model, tokenizer=tokenizer))
    return held, atlas_of(held, kind)


@pytest.mark.parametrize("kind", EDITED)
@pytest.mark.parametrize("name", ["Qwen2", "Gemma3", "GPT2"])
def test_a_bridge_that_is_handed_over_is_edited_through_its_own_hooks_and_proved_the_same(name, kind):
    ids, seen, neurons = texts(), [], EDITED[kind]
    for held, atlas in (opened(name, kind), bridged(name, kind)):
        edits = Edits(held, atlas, edit_of(Resample(), neurons), edit_of(Zero(), neurons))
        seen.append((logits_of(held, edits, ids, rows=[0, None, 1]), edits.proof()))
    (plain, proof), (through, bridge_proof) = seen
    torch.testing.assert_close(through, plain, rtol=1e-3, atol=1e-4)
    assert proof == bridge_proof


def test_the_same_edit_of_another_kind_of_site_has_another_address():
    edit = edit_of(Zero(), EDITED["attn_z"])
    addresses = {Edits(*opened("Qwen2", kind), edit).address for kind in EDITED}
    assert len(addresses) == 2


def test_draws_do_not_depend_on_the_batch_on_padding_or_on_the_cache():
    held, atlas = opened()
    text = texts(rows=1, tokens=9)
    edit = edit_of(Resample())
    alone = logits_of(held, Edits(held, atlas, edit), text, seeds=[5])[0]
    ids = torch.cat([torch.ones(3, 3, dtype=torch.int64), texts(rows=3, tokens=9, seed=1)], dim=1)
    ids[1, 3:] = text
    mask = (torch.arange(12) >= 3).long().expand(3, -1)
    also = {"attention_mask": mask, "position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}
    padded = logits_of(held, Edits(held, atlas, edit), ids, seeds=[9, 5, 2], first=[3, 3, 3], **also)
    cached = step_by_step(held, Edits(held, atlas, edit), text, [5], [0])
    torch.testing.assert_close(padded[1, 3:], alone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(cached[0], alone, rtol=1e-4, atol=1e-4)
    other = logits_of(held, Edits(held, atlas, edit), text, seeds=[6])[0]
    assert (other - alone).abs().max() > 0.01, "another seed draws otherwise"


def test_draws_are_uniform_and_tell_seeds_and_places_apart():
    drawn = draws_at(np.arange(200, dtype=np.uint64), np.tile(np.arange(-3, 297), (200, 1)))
    assert drawn.dtype == np.float32
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > 0.01
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]) < 0.02
    again = draws_at(np.array([7], dtype=np.uint64), np.array([[40, 2]]))
    assert again.tolist() == [[drawn[7, 43], drawn[7, 5]]]


def test_the_proof_counts_what_was_edited_and_what_it_changed():
    held, atlas = opened()
    edits = Edits(held, atlas, edit_of(Zero()), edit_of(Scale(1.0), [Neuron(2, 5)]))
    logits_of(held, edits, texts(rows=3, tokens=12), rows=[0, 1, None])
    proof = edits.proof()
    assert proof.calls == 2
    assert proof.values == 12 * 3 + 12 * 1
    assert proof.changed == edits.changed(0) == 12 * 3
    assert edits.changed(1) == 0
    assert proof.largest_deviation == 0


def test_another_hook_that_changes_what_was_edited_stops_the_run():
    held, atlas = opened()
    projection = held.module.get_submodule(atlas.modules[0])

    def halve(_, given):
        return (given[0] * 0.5,)

    edits = Edits(held, atlas, edit_of(Add(1.0)))
    before = projection.register_forward_pre_hook(halve)
    logits_of(held, edits, texts())  # What comes before the edit is part of the model.
    before.remove()
    message = r"did not take place as requested: .* was up to [0-9.]+ from .* and [0-9,]{3,} values of other"

    def spoilt():
        with edits:
            spoiler = projection.register_forward_pre_hook(halve)
            edits.begin([0], [0])
            held.module(input_ids=texts(rows=1))
            spoiler.remove()

    with pytest.raises(ModelError, match=message):
        spoilt()


def test_an_edit_that_was_never_made_stops_the_run():
    held, atlas = opened()
    zero = Edits(held, atlas, edit_of(Zero()))
    with pytest.raises(ModelError, match=r"layer 0 of .* ran 0 times, and no value of the 1 neurons"), zero:
        pass
    with pytest.raises(ModelError, match=r"layer 0 of .* ran 1 times, and no value of the 1 neurons to edit"):
        logits_of(held, zero, torch.ones(2, 5, dtype=torch.int64))
    another = Edits(held, atlas, edit_of(Zero()), edit_of(Zero(), [Neuron(1, 2)]))
    with pytest.raises(ModelError, match=r"layer 1 of .* ran 1 times"):
        logits_of(held, another, texts(), rows=[0, 0, None])


def test_a_batch_that_was_not_announced_is_refused():
    held, atlas = opened()
    edits = Edits(held, atlas, edit_of(Zero()))
    with pytest.raises(ModelError, match="is run over 3 rows, and 0 were announced"), edits:
        held.module(input_ids=texts())


class Shrinking(Intervention):
    def edit(self, activations, reference):
        return activations[:, :1]


class Undefined(Intervention):
    def edit(self, activations, reference):
        return activations * torch.nan


def test_an_intervention_that_returns_nonsense_stops_the_run():
    held, atlas = opened()
    with pytest.raises(PluginError, match=r"Shrinking returned \(3, 1, 1\) for activations of shape \(3, 12, 1\)"):
        logits_of(held, Edits(held, atlas, edit_of(Shrinking())), texts())
    with pytest.raises(ModelError, match=r"up to inf from what was wanted \(infinite where NaN\)"):
        logits_of(held, Edits(held, atlas, edit_of(Undefined())), texts())


def test_no_hook_is_left_behind_whatever_happens():
    held, atlas = opened()
    hooks = [part for part in held.module.modules() if part._forward_pre_hooks or part._forward_hooks]
    logits_of(held, Edits(held, atlas, edit_of(Zero())), texts())
    with pytest.raises(KeyError), Edits(held, atlas, edit_of(Zero())):
        raise KeyError
    assert [part for part in held.module.modules() if part._forward_pre_hooks or part._forward_hooks] == hooks


def test_a_model_in_half_precision_is_edited_and_proved_too():
    held, atlas = opened()
    held.module.bfloat16()
    edits = Edits(held, atlas, edit_of(Mean(), strength=0.3))
    logits_of(held, edits, texts())
    assert edits.proof().largest_deviation == 0


def test_the_address_tells_edits_apart_and_nothing_else():
    def address(**changed):
        return edit_of(**{"intervention": Add(1.0)} | changed).address

    assert address() == address()
    others = [
        address(intervention=Add(2.0)),
        address(intervention=Zero()),
        address(strength=0.5),
        address(seed=1),
        address(neurons=NEURONS[::-1]),
        address(neurons=(Neuron(0, 3), Neuron(2, 47), Neuron(2, 1))),
    ]
    assert len({address(), *others}) == 1 + len(others)
    held, atlas = opened()
    both = Edits(held, atlas, edit_of(Zero()), edit_of(Mean()))
    assert both.address != Edits(held, atlas, edit_of(Zero())).address
    assert both.address == Edits(held, atlas, edit_of(Zero()), edit_of(Mean())).address


def test_the_reference_reaches_the_intervention_layer_by_layer():
    held, atlas = opened()
    given = []

    class Listening(Intervention):
        def edit(self, activations, reference):
            given.append(reference)
            return activations

    edit = edit_of(Listening())
    logits_of(held, Edits(held, atlas, edit), texts(rows=2, tokens=5))
    assert [one.controls.shape for one in given] == [(30, 1), (30, 2)]
    assert torch.equal(given[1].controls, torch.stack([edit.controls[neuron] for neuron in NEURONS[1:]], dim=1))
    assert isinstance(given[0], Reference)
    assert torch.equal(given[0].draws, given[1].draws), "one draw for a place, in every layer"
