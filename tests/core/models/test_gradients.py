"""Effects of edits to first order agree with finite differences of the edits themselves, and leave no trace."""

import numpy as np
import pytest
import torch
from architectures import CONFIGS, PATHS, random_model, token_ids
from torch.overrides import TorchFunctionMode

from neurosieve import ConfigError, ModelError
from neurosieve.models import gradients
from neurosieve.models.architectures import atlas_of
from neurosieve.models.gradients import edit_effects
from neurosieve.models.loading import hand_over
from neurosieve.models.tiny import tiny_model

UNITS = [np.array([1, 2, 16]), np.array([4]), np.array([3, 10])]
STEP = 1e-4


class InDoublePrecision(TorchFunctionMode):
    """Keeps float64 where the code of a model asks for float32, as in its norms and in its attention."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        double = bool(args) and isinstance(args[0], torch.Tensor) and args[0].dtype == torch.float64
        if double and func is torch.Tensor.float:
            return args[0]
        if double and func in (torch.Tensor.to, torch.Tensor.type):
            args = tuple(torch.float64 if value is torch.float32 else value for value in args)
        if double and kwargs.get("dtype") is torch.float32:
            kwargs["dtype"] = torch.float64
        return func(*args, **kwargs)


@pytest.fixture
def double():
    with InDoublePrecision():
        yield


def texts():
    """Texts of different lengths with a special token at the start, and another within."""
    ids = token_ids()
    for text in ids:
        text[0] = 0
    ids[0][7] = ids[2][2] = 1
    return ids


def lm_of(name="Qwen2", dtype=torch.float64):
    model = random_model(name)
    with torch.no_grad():
        for parameter in model.parameters():  # Livelier than the usual start, so that effects are not tiny.
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.15)
    model.to(dtype)
    tokenizer = tiny_model()[1]
    assert set(tokenizer.all_special_ids) == {0, 1}
    return hand_over(model, tokenizer)


def replacements_of(atlas):
    generator = torch.Generator().manual_seed(3)
    return {site: torch.randn(48, generator=generator, dtype=torch.float64) for site in atlas.sites}


def path_of(name, layer):
    return PATHS.get(name, "model.layers.{}.mlp.down_proj").format(layer)


def log_probability(model, name, ids, unit, edits):
    """Run one text before its token `unit`, a row for each of the strengths in `edits`, by layer with replacements."""
    special = np.isin(ids[:unit], (0, 1))
    where = torch.from_numpy(~special)[None, :, None].double()
    hooks = []
    for layer, (strengths, replacement) in edits.items():
        rows = len(strengths)

        def edit(_, given, strengths=strengths, replacement=replacement, rows=rows):
            values = given[0].view(rows, unit, -1)
            edited = values + strengths[:, None, :] * where * (replacement - values)
            return (edited.view(given[0].shape),)

        hooks.append(model.get_submodule(path_of(name, layer)).register_forward_pre_hook(edit))
    try:
        with torch.no_grad():
            logits = model(input_ids=torch.from_numpy(ids[:unit]).expand(rows, -1)).logits[:, -1]
            return logits.log_softmax(dim=-1)[:, ids[unit]]
    finally:
        for hook in hooks:
            hook.remove()


def central_differences(model, name, sites, replacements):
    """A row a unit, as in `edit_effects`: each text alone, unpadded, each neuron's edit alone."""
    effects = {}
    for site in sites:
        replacement, rows = replacements[site], []
        steps = torch.cat([torch.eye(48), -torch.eye(48)]).double() * STEP
        for ids, wanted in zip(texts(), UNITS, strict=True):
            for unit in wanted:
                up, down = log_probability(model, name, ids, unit, {site.layer: (steps, replacement)}).chunk(2)
                rows.append((up - down) / (2 * STEP))
        effects[site] = torch.stack(rows)
    return effects


@pytest.mark.parametrize("name", CONFIGS)
def test_effects_are_the_derivatives_of_the_edits_by_their_strengths(name, double):
    lm = lm_of(name)
    atlas = atlas_of(lm)
    replacements = replacements_of(atlas)
    effects = edit_effects(lm, atlas, texts(), UNITS, replacements)
    expected = central_differences(lm.module, name, atlas.sites, replacements)
    largest = max(values.abs().max() for values in expected.values())
    assert largest > 1e-3
    for site in atlas.sites:
        assert effects[site].shape == (6, 48)
        torch.testing.assert_close(effects[site].double(), expected[site], rtol=1e-6, atol=1e-6 * float(largest))


def test_a_token_that_only_special_ones_precede_has_no_effects():
    lm = lm_of()
    atlas = atlas_of(lm)
    effects = edit_effects(lm, atlas, [texts()[0]], [np.array([1, 2])], replacements_of(atlas))
    for values in effects.values():
        assert (values[0] == 0).all()
        assert (values[1] != 0).any()


@pytest.mark.parametrize("name", ["Qwen2", "Gemma3", "Gemma2", "GPT2", "OPT"])
def test_layers_that_are_computed_again_give_the_same(name, monkeypatch):
    lm = lm_of(name)
    atlas = atlas_of(lm)
    replacements = replacements_of(atlas)
    saved = edit_effects(lm, atlas, texts(), UNITS, replacements)
    calls, original = [], gradients.checkpoint
    monkeypatch.setattr(gradients, "_SAVED_BYTES", 0)
    monkeypatch.setattr(gradients, "checkpoint", lambda *a, **k: calls.append(a) or original(*a, **k))
    again = edit_effects(lm, atlas, texts(), UNITS, replacements)
    assert len(calls) >= 3
    for site in atlas.sites:
        torch.testing.assert_close(again[site], saved[site], rtol=1e-5, atol=1e-6)  # Norms compute in float32.


def test_layers_below_the_lowest_edit_are_not_computed_again(monkeypatch):
    lm = lm_of()
    atlas = atlas_of(lm)
    replacements = replacements_of(atlas)
    top = {atlas.sites[2]: replacements[atlas.sites[2]]}
    calls, original = [], gradients.checkpoint
    monkeypatch.setattr(gradients, "_SAVED_BYTES", 0)
    monkeypatch.setattr(gradients, "checkpoint", lambda *a, **k: calls.append(a) or original(*a, **k))
    whole = edit_effects(lm, atlas, texts(), UNITS, replacements)
    all_layers = len(calls)
    alone = edit_effects(lm, atlas, texts(), UNITS, top)
    assert 3 * (len(calls) - all_layers) == all_layers
    torch.testing.assert_close(alone[atlas.sites[2]], whole[atlas.sites[2]], rtol=1e-9, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Qwen2", "Gemma3", "GPT2"])
@pytest.mark.parametrize("again", [False, True], ids=["saved", "computed again"])
def test_a_bridge_that_is_handed_over_gives_the_same(name, again, monkeypatch):
    from transformer_lens.model_bridge import TransformerBridge

    lm = lm_of(name, torch.float32)
    atlas = atlas_of(lm)
    replacements = replacements_of(atlas)
    plain = edit_effects(lm, atlas, texts(), UNITS, replacements)
    tokenizer = lm.tokenizer
    tokenizer.init_kwargs["add_bos_token"] = True
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    bridged = hand_over(TransformerBridge.boot_transformers("x", hf_model=lm.module, tokenizer=tokenizer))
    if again:
        monkeypatch.setattr(gradients, "_SAVED_BYTES", 0)
    effects = edit_effects(bridged, atlas_of(bridged), texts(), UNITS, replacements)
    for site in atlas.sites:
        scale = float(plain[site].abs().max())
        torch.testing.assert_close(effects[site], plain[site], rtol=1e-3, atol=1e-4 * scale)


def test_several_tokens_have_the_mean_of_their_effects_as_far_as_the_text_goes():
    lm = lm_of()
    atlas = atlas_of(lm)
    replacements = replacements_of(atlas)
    ids = texts()
    together = edit_effects(lm, atlas, ids, UNITS, replacements, length=3)
    every = [np.arange(1, len(text)) for text in ids]
    single = edit_effects(lm, atlas, ids, every, replacements)
    starts = np.cumsum([0, *map(len, every)])
    for site in atlas.sites:
        rows = [
            single[site][starts[number] + unit - 1 : starts[number] + min(unit + 2, len(ids[number]) - 1)].mean(dim=0)
            for number, wanted in enumerate(UNITS)
            for unit in wanted
        ]
        torch.testing.assert_close(together[site], torch.stack(rows), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["Qwen2", "Gemma3", "GPT2"])
def test_effects_of_removing_a_layer_add_up_to_the_gradient_times_what_leaves_it(name, double):
    """The chain rule through the down projection: its bias is no neuron's."""
    lm = lm_of(name)
    atlas = atlas_of(lm)
    ids, unit = texts()[0], 16
    zero = {site: torch.zeros(48) for site in atlas.sites}
    effects = edit_effects(lm, atlas, [ids], [np.array([unit])], zero)
    for site in atlas.sites:
        projection = lm.module.get_submodule(path_of(name, site.layer))
        left = []

        def keep(_, given, output, left=left):
            output.retain_grad()
            left.append(output)

        hook = projection.register_forward_hook(keep)
        logits = lm.module(input_ids=torch.from_numpy(ids[:unit])[None]).logits
        hook.remove()
        logits[0, -1].log_softmax(dim=-1)[ids[unit]].backward()
        written = left[0].detach() - (0 if projection.bias is None else projection.bias.detach())
        ordinary = torch.from_numpy(~np.isin(ids[:unit], (0, 1)))
        expected = -(left[0].grad * written)[0][ordinary].sum()
        torch.testing.assert_close(effects[site].double().sum(), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Qwen2", "GPT2"])
def test_integrated_gradients_add_up_to_the_effect_of_the_whole_edit(name, double):
    lm = lm_of(name)
    atlas = atlas_of(lm)
    # A tenth of the way to what is random: 200 steps see every turn of it.
    replacements = {site: values / 10 for site, values in replacements_of(atlas).items()}
    ids, wanted = texts()[0], np.array([2, 9])
    strengths = [(step + 0.5) / 200 for step in range(200)]
    effects = edit_effects(lm, atlas, [ids], [wanted], replacements, strengths)
    for row, unit in enumerate(wanted):
        steps = torch.tensor([[0.0], [1.0]], dtype=torch.float64).expand(-1, 48)
        edits = {site.layer: (steps, replacement) for site, replacement in replacements.items()}
        before, after = log_probability(lm.module, name, ids, unit, edits)
        total = sum(values[row].double().sum() for values in effects.values())
        assert abs(after - before) > 0.01
        torch.testing.assert_close(total, after - before, rtol=1e-4, atol=0)


def state(module):
    parts = dict(module.named_modules())
    return {
        "gradients": {name: parameter.requires_grad for name, parameter in module.named_parameters()},
        "grad": [parameter.grad for parameter in module.parameters()],
        "training": {name: part.training for name, part in parts.items()},
        "forward": {name: vars(part).get("forward") for name, part in parts.items()},
        "hooks": {name: (list(part._forward_hooks), list(part._forward_pre_hooks)) for name, part in parts.items()},
    }


@pytest.mark.parametrize("again", [False, True], ids=["saved", "computed again"])
@pytest.mark.parametrize("fails", [False, True], ids=["ends", "fails"])
def test_the_model_is_left_as_it_was(again, fails, monkeypatch):
    lm = lm_of()
    module, atlas = lm.module, atlas_of(lm)
    module.train()
    module.model.layers[1].mlp.up_proj.weight.requires_grad_(False)
    # Libraries such as accelerate set a module's own forward, too.
    wrapped = module.model.layers[2].forward
    module.model.layers[2].forward = lambda *arguments, **more: wrapped(*arguments, **more)
    before = state(module)
    if again:
        monkeypatch.setattr(gradients, "_SAVED_BYTES", 0)
    if fails:
        with torch.no_grad():
            module.lm_head.weight[5] = torch.nan
        with pytest.raises(ModelError, match="NaN or infinite"):
            edit_effects(lm, atlas, texts(), UNITS, replacements_of(atlas))
        monkeypatch.setattr(gradients._Batch, "log_probabilities", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            edit_effects(lm, atlas, texts(), UNITS, replacements_of(atlas))
    else:
        edit_effects(lm, atlas, texts(), UNITS, replacements_of(atlas))
    assert state(module) == before


def test_gradients_that_are_not_finite_are_named_by_layer():
    lm = lm_of("GPT2")
    atlas = atlas_of(lm)
    replacements = replacements_of(atlas)
    replacements[atlas.sites[1]][4] = 1e300  # The text as it is knows nothing of it, and its effect is beyond float32.
    with pytest.raises(ModelError, match=r"gradients that are NaN or infinite, in layer 1; nothing was scored"):
        edit_effects(lm, atlas, texts(), UNITS, replacements)


def with_inference_weights():
    with torch.inference_mode():
        return lm_of()


def quantized():
    lm = lm_of()
    lm.module.model.layers[0].mlp.up_proj.weight = torch.nn.Parameter(torch.ones(48, 32, dtype=torch.int8), False)
    return lm


def compiled():
    lm = lm_of()
    return hand_over(torch.compile(lm.module, backend="eager"), lm.tokenizer)


def compiled_in_place():
    lm = lm_of()
    lm.module.model.layers[1].compile(backend="eager")
    return lm


def without_head():
    lm = lm_of()
    return hand_over(lm.module.model, lm.tokenizer)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (with_inference_weights, r"its weights were loaded in `torch.inference_mode\(\)`: load it outside of it"),
        (quantized, "its weights are quantized: load it in `bfloat16` or `float32`"),
        (compiled, "it is compiled: hand over the model before `torch.compile`"),
        (compiled_in_place, "it is compiled: hand over the model before `torch.compile`"),
        (without_head, "has no LM head"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_models_that_give_no_gradients_are_refused_with_the_reason(made, message):
    lm = made()
    atlas = atlas_of(lm)
    with pytest.raises(ModelError, match=message):
        edit_effects(lm, atlas, texts(), UNITS, replacements_of(atlas))


@pytest.mark.parametrize("kind", ["resid_post", "mlp_out"])
def test_sites_that_no_edit_can_change_are_refused(kind):
    lm = lm_of()
    atlas = atlas_of(lm, kind)
    with pytest.raises(ConfigError, match="cannot be edited"):
        edit_effects(lm, atlas, texts(), UNITS, {site: torch.zeros(32) for site in atlas.sites})


def test_the_first_token_is_refused_because_nothing_predicts_it():
    lm = lm_of()
    atlas = atlas_of(lm)
    with pytest.raises(ValueError, match="first token"):
        edit_effects(lm, atlas, texts(), [np.array([0, 5]), *UNITS[1:]], replacements_of(atlas))


@pytest.mark.parametrize("name", ["Qwen2", "Gemma2", "OPT"])
@pytest.mark.parametrize("again", [False, True], ids=["saved", "computed again"])
def test_units_of_one_text_give_the_same_few_at_a_time(name, again, monkeypatch):
    lm = lm_of(name)
    atlas = atlas_of(lm)
    replacements, ids, unit = replacements_of(atlas), texts()[:1], [np.array([1, 2, 5, 9, 16])]
    together = edit_effects(lm, atlas, ids, unit, replacements)
    heads = []
    hook = lm.module.get_output_embeddings().register_forward_hook(lambda _, given, __: heads.append(given[0].shape[1]))
    monkeypatch.setattr(gradients, "_LOGITS", 2 * lm.config.vocab_size)
    if again:
        monkeypatch.setattr(gradients, "_SAVED_BYTES", gradients._saved_bytes(lm, atlas, atlas.sites) * 16 - 1)
    few = edit_effects(lm, atlas, ids, unit, replacements)
    hook.remove()
    assert heads == [2, 2, 1]
    for site in atlas.sites:
        torch.testing.assert_close(few[site], together[site], rtol=1e-5, atol=1e-6)


def test_layers_are_computed_again_once_for_several_units(monkeypatch):
    lm = lm_of()
    atlas = atlas_of(lm)
    runs = []
    layer = lm.module.model.layers[0].mlp
    saved = gradients._saved_bytes(lm, atlas, atlas.sites) * 16
    monkeypatch.setattr(gradients, "_SAVED_BYTES", saved - 1)  # So much that a layer's fits many times.
    hook = layer.register_forward_pre_hook(lambda _, given: runs.append(given[0].shape[1]))
    edit_effects(lm, atlas, texts()[:1], [np.array([1, 5, 9, 16])], replacements_of(atlas))
    hook.remove()
    assert runs.count(16) == 2  # Forth, and once on the way back.


class Unbatchable(torch.autograd.Function):
    """Passes on what it gets, by an operation that no pass back for several units can do."""

    @staticmethod
    def forward(context, values):
        return values.clone()

    @staticmethod
    def backward(context, gradient):
        assert gradient.sum().item() != torch.inf
        return gradient


def test_units_go_back_one_by_one_where_an_operation_cannot_go_back_for_several(monkeypatch):
    lm = lm_of()
    atlas = atlas_of(lm)
    ids, units, replacements = texts()[:1], [np.array([1, 5, 9, 16])], replacements_of(atlas)
    expected = edit_effects(lm, atlas, ids, units, replacements)
    monkeypatch.setattr(gradients, "_SAVED_BYTES", gradients._saved_bytes(lm, atlas, atlas.sites) * 16 - 1)
    hook = lm.module.model.norm.register_forward_hook(lambda _, __, output: Unbatchable.apply(output))
    effects = edit_effects(lm, atlas, ids, units, replacements)
    hook.remove()
    for site in atlas.sites:
        torch.testing.assert_close(effects[site], expected[site], rtol=1e-5, atol=1e-6)


def test_no_gradient_of_a_weight_is_asked_for_while_the_model_runs():
    lm = lm_of()
    atlas = atlas_of(lm)
    asked = []
    layer = lm.module.model.layers[0]
    hook = layer.register_forward_hook(lambda *_: asked.append(any(p.requires_grad for p in lm.module.parameters())))
    edit_effects(lm, atlas, texts(), UNITS, replacements_of(atlas))
    hook.remove()
    assert asked
    assert not any(asked)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in lm.module.parameters())
