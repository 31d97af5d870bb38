"""What is measured on texts as they stand is what plain forward passes of an edited model give."""

import dataclasses
from collections import Counter

import architectures
import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from scipy.special import log_softmax

from neurosieve import DataError, Document, ModelError, Neuron, Span, TokenizedDocument
from neurosieve.ablation.edit import Edit
from neurosieve.ablation.editing_hooks import Edits
from neurosieve.ablation.measured_tokens import MeasuredToken, measured_tokens
from neurosieve.ablation.teacher_forcing import teacher_forced
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import hand_over
from neurosieve.models.tiny import tiny_model
from neurosieve.texts.selection import Selection, choose_positions
from neurosieve.texts.tokens import LabelledDocument, label_documents
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.interventions.mean import Mean
from neurosieve_plugins.interventions.resample import Resample
from neurosieve_plugins.interventions.scale import Scale
from neurosieve_plugins.interventions.zero import Zero

SIZE = {"vocab_size": 461, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
GATED = SIZE | {"intermediate_size": 48, "num_key_value_heads": 2, "pad_token_id": 0}
CONFIGS = {
    "Qwen2": transformers.Qwen2Config(**GATED),
    "Gemma2": transformers.Gemma2Config(**GATED, head_dim=8, final_logit_softcapping=2.0),  # Which bends the logits.
    "Gemma3": transformers.Gemma3TextConfig(**GATED, head_dim=8, sliding_window=8),
    "Phi": transformers.PhiConfig(**GATED),
    "OPT": transformers.OPTConfig(**SIZE, ffn_dim=48, word_embed_proj_dim=32),
    "GPT2": transformers.GPT2Config(
        vocab_size=461, n_embd=32, n_layer=3, n_head=4, n_inner=48, bos_token_id=1, eos_token_id=1
    ),
}
NEURONS = (Neuron(0, 3), Neuron(2, 47))


def opened(name="Qwen2"):
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(CONFIGS[name]).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    held = hand_over(model, tiny_model()[1])
    return held, atlas_of(held)


def edit_of(intervention, neurons=NEURONS, strength=1.0):
    held = torch.from_numpy(np.random.default_rng(0).normal(size=(len(neurons), 30)).astype(np.float32))
    return Edit(intervention, dict(zip(neurons, held, strict=True)), strength)


def document(name, tokens, seed):
    ids = np.random.default_rng(seed).integers(2, 461, size=tokens)
    starts = np.arange(tokens)
    return TokenizedDocument(
        name, name, "x" * tokens, ids, starts, starts + 1, np.ones(tokens, bool), np.linspace(0, 1, tokens)
    )


def some_places():
    first, second = document("a", 30, 1), document("b", 17, 2)
    return [
        MeasuredToken(first, 9, 1, range(10, 13)),
        MeasuredToken(first, 25, 1, range(0)),
        MeasuredToken(first, 4, 0, range(0)),
        MeasuredToken(first, 11, 0, range(0)),
        MeasuredToken(second, 1, 1, range(2, 16)),
        MeasuredToken(second, 3, 0, range(0)),
    ]


def forced(held, atlas, places, *edits, budget=100_000, seed=0):
    return teacher_forced(held, places, Edits(held, atlas, *edits), seed, budget, lambda *_, **__: None)


def plainly(held, places):
    """Log-probabilities of every token by a whole forward pass of each document, in float64."""
    found = {}
    for one in {place.document.id: place.document for place in places}.values():
        with torch.inference_mode():
            logits = held.module(input_ids=torch.from_numpy(one.token_ids)[None]).logits[0].double().numpy()
        found[one.id] = log_softmax(logits, axis=-1)
    return found


def without_columns(held, atlas, neurons=NEURONS):
    with torch.no_grad():
        for layer, neuron in neurons:
            weight = held.module.get_submodule(atlas.modules[layer]).weight
            if weight.shape[0] == 48:
                weight[neuron] = 0
            else:
                weight[:, neuron] = 0


@pytest.mark.parametrize("name", CONFIGS)
def test_log_probabilities_and_divergences_are_those_of_plain_passes_of_the_edited_model(name):
    held, atlas = opened(name)
    places = some_places()
    found = forced(held, atlas, places, edit_of(Zero()))
    before = plainly(held, places)
    without_columns(held, atlas)
    after = plainly(held, places)
    for column, (text, token, label, further) in enumerate(places):
        unedited, edited = before[text.id][token - 1], after[text.id][token - 1]
        expected = text.token_ids[token]
        assert found.log_p[column] == pytest.approx(unedited[expected], abs=1e-4)
        assert found.change[0, column] == pytest.approx(edited[expected] - unedited[expected], abs=1e-4)
        divergence = np.nan if label else (np.exp(unedited) * (unedited - edited)).sum()
        assert found.kl[0, column] == pytest.approx(divergence, abs=1e-4, nan_ok=True)
        rest = [(after[text.id] - before[text.id])[one - 1, text.token_ids[one]] for one in further]
        assert found.rest[0, column] == pytest.approx(np.mean(rest) if rest else np.nan, abs=1e-4, nan_ok=True)
    assert np.abs(found.change).max() > 0.01


@pytest.mark.parametrize("name", architectures.CONFIGS)
def test_edits_that_begin_in_different_layers_give_what_plain_passes_give(name):
    edited = [[Neuron(2, 47)], [Neuron(1, 5), Neuron(2, 3)], [Neuron(0, 3), Neuron(2, 47)]]

    def lively():
        module = architectures.random_model(name).double()
        for parameter in module.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(0))
        held = hand_over(module, tiny_model()[1])
        return held, atlas_of(held)

    held, atlas = lively()
    places, ran = some_places(), []
    hook = atlas.module(held, 0).register_forward_hook(lambda *_: ran.append(1))
    found = forced(held, atlas, places, *(edit_of(Zero(), neurons) for neurons in edited), budget=1)
    hook.remove()
    # The test of the model runs it once whole; then each document does unedited, and under the edit of this layer.
    assert len(ran) == 1 + 2 * 2
    before, within = plainly(held, places), 1e-6 if name == "Gemma2" else 1e-10  # Its attention computes in float32.
    for number, neurons in enumerate(edited):
        without, _ = lively()
        without_columns(without, atlas, neurons)
        after = plainly(without, places)
        for column, (text, token, label, _) in enumerate(places):
            change = (after[text.id] - before[text.id])[token - 1]
            assert found.change[number, column] == pytest.approx(change[text.token_ids[token]], abs=within)
            if not label:
                divergence = -(np.exp(before[text.id][token - 1]) * change).sum()
                assert found.kl[number, column] == pytest.approx(divergence, abs=within)
    assert np.abs(found.change).max() > 0.01


def test_in_half_precision_an_edit_that_leaves_things_as_they_are_changes_nothing_at_all():
    held, atlas = opened()
    held.module.bfloat16()
    held = hand_over(held.module, held.tokenizer)
    found = forced(held, atlas, some_places(), edit_of(Zero()), edit_of(Scale(1.0)))
    assert np.abs(found.change[1]).max() == 0
    assert np.abs(found.change[0]).max() > 0.01


EDITS = (
    edit_of(Zero()),
    edit_of(Resample()),
    edit_of(Mean(), strength=0.5),
    edit_of(Scale(1.0)),
    edit_of(Zero(), [Neuron(1, 5)]),
)


@pytest.mark.parametrize("budget", [1, 100, 10_000])
def test_how_edits_share_a_batch_changes_nothing(budget):
    held, atlas = opened()
    found = forced(held, atlas, some_places(), *EDITS, budget=budget)
    for number, edit in enumerate(EDITS):
        alone = forced(held, atlas, some_places(), edit)
        for measure in ("change", "kl", "rest"):
            together, apart = getattr(found, measure)[number], getattr(alone, measure)[0]
            np.testing.assert_allclose(together, apart, rtol=1e-3, atol=1e-5)
    assert np.abs(found.change[3]).max() < 1e-5, "an edit that leaves things as they are changes nothing"
    assert found.forward_passes == {1: 2 + 10, 100: 2 + 3, 10_000: 2 + 2}[budget]


def test_a_divergence_is_never_below_zero():
    held, atlas = opened()
    kl = forced(held, atlas, some_places(), *EDITS).kl
    controls = [place.label == 0 for place in some_places()]
    assert kl[:, controls].min() > -1e-6
    assert np.isnan(kl).any(axis=0).tolist() == [not control for control in controls], "it is of controls alone"


def test_nothing_behind_the_last_place_is_read():
    held, atlas = opened()
    seen = []
    hook = held.module.register_forward_pre_hook(
        lambda _, __, given: seen.append(given["input_ids"].shape), with_kwargs=True
    )
    forced(held, atlas, some_places(), edit_of(Zero()))
    hook.remove()
    assert seen == [(1, 25), (1, 25), (1, 15), (1, 15)], "the token at 25 is expected at 24"


def test_a_model_that_gives_no_numbers_is_refused():
    held, atlas = opened()
    with torch.no_grad():
        held.module.lm_head.weight[7] = torch.nan
    with pytest.raises(ModelError, match=r"in float32 gave log-probabilities that are NaN or infinite"):
        forced(held, atlas, some_places(), edit_of(Zero()))


def test_where_memory_runs_out_fewer_edits_share_a_batch_and_a_document_that_never_fits_is_named():
    held, atlas = opened()
    expected = forced(held, atlas, some_places(), *EDITS)

    def fitting(rows):
        def pre_hook(_, given):
            if len(given[0]) > rows:
                raise torch.OutOfMemoryError("out of memory")

        return held.module.model.layers[1].register_forward_pre_hook(pre_hook)

    hook = fitting(3)
    found = forced(held, atlas, some_places(), *EDITS)
    hook.remove()
    np.testing.assert_allclose(found.change, expected.change, rtol=1e-3, atol=1e-5)
    hook = fitting(0)
    with pytest.raises(ModelError, match=r"document `a`, 25 tokens, does not fit into the memory of cpu: leave it"):
        forced(held, atlas, some_places(), *EDITS)
    hook.remove()


def test_a_model_whose_code_does_not_know_which_logits_to_keep_gives_the_same(monkeypatch):
    held, atlas = opened()
    expected = forced(held, atlas, some_places(), edit_of(Zero()))
    forward = held.module.forward
    monkeypatch.setattr(held.module, "forward", lambda input_ids, use_cache: forward(input_ids, use_cache=use_cache))
    found = forced(held, atlas, some_places(), edit_of(Zero()))
    np.testing.assert_allclose(found.change, expected.change, atol=1e-5)


def texts(count=24, groups=12):
    shown = ["I add two and two. Wait, that is not so. It is four.", "I add two and two. It is four, and that is all."]
    return [
        Document(f"d{n:02}", f"Problem {n}: sum. {shown[n % 2]} So {n} it is.", f"g{n // 2 % groups}", 16)
        for n in range(count)
    ]


def chosen(source=None, at="onset", share=0.5, **asked):
    tokenizer = tiny_model()[1]
    detectors = {"slip": Phrases(("Wait, that is not",)), "other": Phrases(("four",))}
    labelled = list(label_documents(source or texts(), detectors, tokenizer, None, Counter()))
    selection = Selection(at=at, held_out_fraction=share, controls_per_position=3.0)
    table = choose_positions(labelled, list(detectors), Distant(2), selection, 0, Counter()).table
    counts = Counter()
    settings = {"documents": 40, "positions": 10, "seed": 0} | asked
    places, warnings = measured_tokens(labelled, table, "slip", counts=counts, **settings)
    return places, warnings, counts, table, {one.tokens.id: one for one in labelled}


@pytest.mark.parametrize("at", ["onset", "prediction", "span", "window"])
def test_onsets_are_the_first_tokens_of_held_out_spans_wherever_the_run_read(at):
    places, warnings, counts, table, labelled = chosen(at=at)
    held_out = set(table.group[(table.part == "heldout") & (table.behaviour == "slip")])
    expected = {
        (one.tokens.id, span.start)
        for one in labelled.values()
        if one.tokens.group in held_out
        for span in one.ranges["slip"]
    }
    assert {(place.document.id, place.token) for place in places if place.label} == expected
    assert not warnings
    for place in places:
        if place.label:
            assert place.document.text[place.document.starts[place.token] :].lstrip().startswith("Wait")
            [span] = labelled[place.document.id].ranges["slip"]
            assert place.further == range(span.start + 1, span.stop)
    assert counts["onsets"] == len(expected)


def test_control_positions_are_those_of_the_run_in_the_same_held_out_documents():
    places, _, counts, table, _ = chosen(positions=2)
    usual = table[(table.label == 0) & (table.part == "heldout") & (table.behaviour == "slip")]
    known = set(zip(usual.document, usual.token, strict=True))
    found = [(place.document.id, place.token) for place in places if not place.label]
    assert set(found) <= known
    assert len(set(found)) == len(found) == counts["controls"]
    assert {name for name, _ in found} <= {place.document.id for place in places if place.label}
    assert max(Counter(name for name, _ in found).values()) == 2


def test_few_documents_are_of_as_many_groups_as_can_be_and_another_seed_draws_others():
    drawn = {seed: {place.document.id for place in chosen(documents=4, seed=seed)[0]} for seed in range(4)}
    assert all(len(names) == 4 for names in drawn.values())
    assert len({frozenset(names) for names in drawn.values()}) > 1
    places = chosen(texts(48, groups=6), documents=3)[0]
    assert len({place.document.group for place in places}) == 3


def test_a_run_that_held_out_nothing_is_looked_at_on_all_texts_with_a_warning():
    places, warnings, counts, *_ = chosen(share=0.0)
    assert counts["onsets"] == 12
    assert "held out nothing" in warnings[0]
    assert {place.label for place in places} == {0, 1}


def by_hand(ranges, controls=(), tokens=30, usable=None, special=0):
    """The places of one document with spans, and control positions, at given tokens."""
    one = document("a", tokens, 1)
    one = dataclasses.replace(one, first_editable=special)
    if usable is not None:
        one = dataclasses.replace(one, usable=np.arange(tokens) < usable)
    labelled = LabelledDocument(one, {"slip": [Span(r.start, r.stop) for r in ranges]}, {"slip": list(ranges)})
    lines = [(r.start, 1) for r in ranges] + [(token, 0) for token in controls]
    table = pd.DataFrame(lines, columns=["token", "label"]).assign(
        behaviour="slip", part="heldout", document="a", group="a"
    )
    counts = Counter()
    places, warnings = measured_tokens([labelled], table, "slip", 40, 10, 0, counts)
    return places, warnings, counts


def test_a_token_that_none_stands_before_is_not_looked_at():
    places, _, counts = by_hand([range(0, 3), range(9, 12)], controls=[0, 20])
    assert [(place.token, place.label) for place in places] == [(9, 1), (20, 0)]
    assert counts["onsets_left_out"] == 1
    with pytest.raises(DataError, match="no held-out document has an onset of `slip` with a token before it"):
        by_hand([range(0, 3)], controls=[20])


def test_a_token_behind_special_ones_alone_is_not_looked_at_for_no_edit_reaches_it():
    places, warnings, counts = by_hand([range(1, 3), range(3, 5), range(9, 12)], controls=[2, 20], special=2)
    assert [(place.token, place.label) for place in places] == [(3, 1), (9, 1), (20, 0)]
    assert counts["onsets_left_out"] == counts["onsets_no_edit_reaches"] == 1
    assert counts["controls_no_edit_reaches"] == 1
    [warning] = warnings
    assert warning.startswith("1 of 3 onsets of `slip` in the held-out texts have no token before them that can be")
    with pytest.raises(DataError, match=r"that can be edited .special tokens never are.: give .* their prompts"):
        by_hand([range(1, 3)], controls=[20], special=1)


def test_texts_that_begin_with_the_behaviour_are_left_out_of_the_measured_documents():
    shown = "Wait, that is not so."
    begins = [Document(f"e{n:02}", f"{shown} It is {n}, and so on.", f"e{n}", 0) for n in range(24)]
    places, warnings, counts, *_ = chosen(texts() + begins, documents=3)
    assert len({place.document.id for place in places if place.label}) == 3
    assert all(place.document.id.startswith("d") for place in places if place.label)
    assert counts["onsets_no_edit_reaches"] == 12
    assert "12 of 18 onsets" in warnings[0]


def test_onsets_behind_the_same_tokens_are_told_as_one_measurement():
    alike = [
        Document(f"d{n:02}", f"I add two and two. Wait, that is not so. The {n} th end is four.", f"g{n}", 0)
        for n in range(24)
    ]
    _, warnings, counts, *_ = chosen(alike)
    assert counts["onsets"] == 12
    [warning] = warnings
    assert warning.startswith("11 measured onsets stand behind the same tokens as another, in texts that begin alike")
    assert "intervals come out too narrow; give one text of each beginning" in warning


def test_nothing_past_the_models_context_is_looked_at():
    places, *_ = by_hand([range(5, 12), range(9, 12)], controls=[6], usable=8)
    assert [(place.token, place.further) for place in places if place.label] == [(5, range(6, 8))]


def test_no_more_than_fifteen_further_tokens_of_a_span_are_looked_at():
    [place], warnings, _ = by_hand([range(5, 29)])
    assert place.further == range(6, 21)
    assert warnings == ["no held-out document has a control position of `slip`: nothing is known of the cost"]


def test_spans_that_begin_together_have_one_onset():
    places, *_ = by_hand([range(5, 8), range(5, 12)], controls=[20])
    assert [place.token for place in places if place.label] == [5]
