"""Each kind of site is the place that TransformerLens means by its name, is found, and is never taken for another."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from architectures import CONFIGS, GATED, SIZE, random_model, token_ids
from planted import plant, texts

from neurosieve import ConfigError, ModelError, Site, ablate, find, load
from neurosieve.cli import main
from neurosieve.commands.compare import compare
from neurosieve.commands.find import job_of
from neurosieve.commands.show import show
from neurosieve.models.architectures import atlas_of
from neurosieve.models.gradients import edit_effects
from neurosieve.models.loading import hand_over
from neurosieve.models.reading_hooks import read
from neurosieve.models.sites import KINDS
from neurosieve.models.tiny import tiny_model
from neurosieve.pipeline.rescoring import rescore
from neurosieve.pipeline.settings import Find
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.scorers.auc import Auc

WIDTHS = {"mlp_post": 48, "mlp_out": 32, "resid_post": 32, "attn_z": 32}
OTHERS = sorted(set(KINDS) - {"mlp_post"})
WANTED = [np.array([2, 16]), np.array([4]), np.array([0, 3, 10])]


def bridged(model, tokenizer):
    from transformer_lens.model_bridge import TransformerBridge

    tokenizer.init_kwargs["add_bos_token"] = True
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    return TransformerBridge.boot_transformers("x", hf_model=model, tokenizer=tokenizer)


@pytest.mark.parametrize("name", ["Qwen2", "GPT2", "Gemma3", "GPTNeoX", "OPT"])
def test_every_kind_is_what_transformer_lens_caches_under_its_name_with_a_bridge_and_without(name):
    model, tokenizer = random_model(name), tiny_model()[1]
    with torch.no_grad():  # The norms of a fresh model weigh nothing.
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.3 * torch.randn_like(parameter)
    lm = hand_over(model, tokenizer)
    atlases = {kind: atlas_of(lm, kind) for kind in KINDS}
    plain = {kind: read(lm, atlas, atlas.sites, token_ids(), WANTED) for kind, atlas in atlases.items()}
    bridge = bridged(model, tokenizer)
    through = hand_over(bridge)
    for kind, atlas in atlases.items():
        assert atlas_of(through, kind) == atlas
        assert atlas.neurons == WIDTHS[kind]
        again = read(through, atlas, atlas.sites, token_ids(), WANTED)
        for site in atlas.sites:
            assert plain[kind][site].shape == (6, atlas.neurons)
            torch.testing.assert_close(again[site], plain[kind][site], rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        caches = [bridge.run_with_cache(torch.from_numpy(ids)[None])[1] for ids in token_ids()]
    for kind, atlas in atlases.items():
        for site in atlas.sites:
            cached = [cache[f"blocks.{site.layer}.{KINDS[kind].hook}"] for cache in caches]
            expected = torch.cat(
                [one.reshape(len(ids), -1)[at] for one, ids, at in zip(cached, token_ids(), WANTED, strict=True)]
            )
            torch.testing.assert_close(plain[kind][site], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_residual_stream_is_that_of_the_layer_below_and_what_attention_and_mlp_add(name):
    """What `output_hidden_states` gives, by the model's own hand; the last of them has passed the final norm."""
    lm = hand_over(random_model(name), tiny_model()[1])
    atlas = atlas_of(lm, "resid_post")
    found = read(lm, atlas, atlas.sites, token_ids(), WANTED)
    with torch.no_grad():
        given = [lm.module(torch.from_numpy(ids)[None], output_hidden_states=True) for ids in token_ids()]
    for site in atlas.sites[:-1]:
        hidden = [one.hidden_states[site.layer + 1][0] for one in given]
        expected = torch.cat([one[at] for one, at in zip(hidden, WANTED, strict=True)])
        torch.testing.assert_close(found[site], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["Gemma2", "Gemma3"])
def test_behind_a_norm_after_the_mlp_its_output_is_what_leaves_that_norm(name):
    lm = hand_over(random_model(name), tiny_model()[1])
    atlas = atlas_of(lm, "mlp_out")
    assert atlas.modules[1] == "model.layers.1.post_feedforward_layernorm"


@pytest.mark.parametrize(
    ("kind", "last", "never"),
    [
        ("attn_z", "model.layers.1.self_attn.v_proj", "model.layers.1.self_attn.o_proj"),
        ("mlp_out", "model.layers.1.mlp", "model.layers.1"),
        ("resid_post", "model.layers.1", "model.layers.2.input_layernorm"),
    ],
)
def test_nothing_behind_the_last_site_is_computed_and_no_hook_stays(kind, last, never):
    model = random_model("Qwen2")
    lm, called = hand_over(model, tiny_model()[1]), set()
    hooks = [
        module.register_forward_hook(lambda *_, name=name: called.add(name)) for name, module in model.named_modules()
    ]
    read(lm, atlas_of(lm, kind), [Site(1, kind)], token_ids(), [np.array([0])] * 3)
    for hook in hooks:
        hook.remove()
    assert last in called
    assert not called & {never, "model.layers.2.self_attn", "model.norm", "lm_head"}
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


def test_a_mixture_of_experts_has_every_kind_but_the_one_that_it_lacks(tmp_path):
    config = transformers.Qwen3MoeConfig(
        **GATED, head_dim=8, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16
    )
    torch.manual_seed(0)
    lm = hand_over(transformers.AutoModelForCausalLM.from_config(config).eval(), tiny_model()[1])
    with pytest.raises(
        ModelError, match=r"no site `mlp_post`.*no plain MLP.*site=mlp_out, site=resid_post, site=attn_z"
    ):
        atlas_of(lm)
    for kind in OTHERS:
        atlas = atlas_of(lm, kind)
        assert all(values.shape == (6, 32) for values in read(lm, atlas, atlas.sites, token_ids(), WANTED).values())


def test_a_site_that_the_model_lacks_is_refused_before_its_weights_are_loaded(tmp_path, monkeypatch, capsys):
    config = transformers.Qwen3MoeConfig(
        **GATED, head_dim=8, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "experts")
    tiny_model()[1].save_pretrained(tmp_path / "experts")
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", lambda *_, **__: pytest.fail("loaded"))
    (tmp_path / "texts.txt").write_text("Wait, that's not right.", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(
            [
                "find",
                "model=pretrained",
                "model.name=experts",
                "source=text",
                "source.path=texts.txt",
                f"store={tmp_path / 'store'}",
            ]
        )
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "`experts` has no site `mlp_post`" in said
    assert "site=resid_post" in said
    assert "Traceback" not in said


def test_a_kind_that_there_is_not_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"site is 'resid_pots'.*did you mean `resid_post`"):
        Find(site="resid_pots")
    with pytest.raises(ConfigError, match="not a kind of site: there are: attn_z, mlp_out, mlp_post, resid_post"):
        Find(site="5")


def test_layers_of_other_widths_are_refused_and_not_mixed():
    lm = hand_over(random_model("Qwen2"), tiny_model()[1])
    lm.module.model.layers[1].self_attn.o_proj = torch.nn.Linear(24, 32)
    lm.module.model.layers[1].self_attn.forward = lambda *_, **__: (
        lm.module.model.layers[1].self_attn.o_proj(torch.zeros(3, 17, 24)),
        None,
    )
    atlas = atlas_of(lm, "attn_z")
    with pytest.raises(ModelError, match=r"layer 1 .* is 24 wide where 32 attention head outputs are expected"):
        read(lm, atlas, atlas.sites, token_ids(), WANTED)


COORDINATE = 5
NAMED = {
    "mlp_post": {(1, 17)},
    "mlp_out": {(1, 6)},
    "resid_post": {(0, 0), (1, 0), (2, 0)},
    "attn_z": {(1, COORDINATE), (1, 16 + COORDINATE)},
}
"""What holds the behaviour's words in the planted model, by kind; two heads share what one value holds."""
SETTINGS = {
    "detectors": {"slip": Annotations()},
    "scorers": {"auc": Auc()},
    "interval_bootstraps": 50,
    "permutations": 19,
    "stability_bootstraps": 10,
}


@pytest.fixture(scope="module")
def planted():
    """A model in which one neuron fires on the words, and alone writes one dimension, and two heads copy the words."""
    model, tokenizer = tiny_model()
    plant(model, tokenizer, [(1, 17)])
    layer = model.model.layers[1]
    attention = layer.self_attn
    with torch.no_grad():
        # Of a query and a key that are the same whatever the token, the rotation leaves most where none is between.
        for projection, rows in ((attention.q_proj, 32), (attention.k_proj, 16)):
            projection.weight[:rows] = 0
            projection.bias[:rows] = 6
        layer.mlp.down_proj.weight[6] = 0
        layer.mlp.down_proj.weight[6, 17] = 1
        attention.v_proj.weight[COORDINATE] = 0
        attention.v_proj.weight[COORDINATE, 0] = 1
    return model, tokenizer


@pytest.fixture
def run(planted, tmp_path):
    def go(kind="resid_post", name=None, **changed):
        settings = SETTINGS | {"site": kind, "store": str(tmp_path / "store"), "tokenizer": planted[1]} | changed
        return find(planted[0], texts(), folder=tmp_path / (name or kind), **settings)

    return go


@pytest.fixture(scope="module")
def ranked(planted, tmp_path_factory):
    """Return a finished run of a kind of site, made once: for tests that only read it."""
    folder = tmp_path_factory.mktemp("ranked")

    @cache
    def ranked(kind):
        settings = SETTINGS | {"site": kind, "store": str(folder / "store"), "reports": ["html"]}
        return find(planted[0], texts(), tokenizer=planted[1], folder=folder / kind, **settings)

    return ranked


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_planted_leads_the_ranking_of_every_kind_and_replicates(ranked, kind):
    result = ranked(kind)
    best = result.top(len(NAMED[kind]))
    assert set(zip(best.layer, best.neuron, strict=True)) == NAMED[kind]
    assert (best.auc > 0.95).all()
    assert best.replicates.all()
    assert result.run["config"]["site"] == result.run["model"]["site"] == kind
    assert result.run["model"]["neurons_per_head"] == (16 if kind == "attn_z" else None)
    assert len(result.neurons) == 3 * (128 if kind == "mlp_post" else 64)


def test_kinds_share_a_store_and_never_each_others_activations(run, ranked):
    first = {kind: ranked(kind) for kind in KINDS}
    store = str(first["mlp_post"].folder.parent / "store")
    assert all(one.run["reading"]["forward_passes"] > 0 for one in first.values())
    for kind, one in first.items():
        second = run(kind, f"{kind} again", store=store)
        assert second.run["reading"]["forward_passes"] == 0
        pd.testing.assert_frame_equal(second.neurons, one.neurons)


@pytest.mark.parametrize("kind", KINDS)
def test_terminal_and_report_call_what_was_ranked_by_its_name(ranked, kind, capsys):
    from neurosieve.terminal.finished_run import show_run

    result = ranked(kind)
    show_run(result)
    out = capsys.readouterr().out
    named = "MLP neurons" if kind == "mlp_post" else KINDS[kind].neurons
    assert f"{named} by auc" in out
    assert ("of head" in out) == (kind == "attn_z")
    assert f"Which {named} of" in (result.folder / "report.html").read_text(encoding="utf-8")


def test_a_head_and_its_coordinate_stand_beside_each_head_output(ranked, capsys):
    from neurosieve.terminal.finished_run import show_run

    show_run(ranked("attn_z"))
    said = capsys.readouterr().out
    assert "of head" in said
    [line] = [one for one in said.splitlines() if one.replace("│", " ").split()[1:3] == ["1", "21"]]
    assert line.replace("│", " ").split()[1:5] == ["1", "21", "1", "5"]


@pytest.mark.parametrize("kind", KINDS)
def test_show_goes_on_from_a_run_of_every_kind(ranked, planted, tmp_path, kind):
    model, tokenizer = planted
    detectors = {"slip": Annotations()}
    told = {"source": texts(), "detectors": detectors, "tokenizer": tokenizer, "reports": {}, "k": 1}
    shown = show(ranked(kind), model, folder=tmp_path / "shown", **told)
    assert not shown.run["warnings"]
    tokens = shown.table("tokens")
    lit = tokens.groupby("behaviour_spans").activation.mean()
    assert lit["slip"] > lit[""] + 0.01
    slips = {one.text[span.start : span.end] for one in texts() for span in one.annotations}
    assert set(shown.table("contexts").text.str.strip()) <= slips
    assert len(shown.table("promoted"))
    assert shown.run["model"]["site"] == kind


@pytest.mark.parametrize("kind", OTHERS)
def test_a_ranking_of_another_kind_is_scored_again_on_fresh_texts(ranked, planted, tmp_path, kind):
    result = ranked(kind)
    fresh = [type(one)(f"new {one.id}", one.text, f"new {one.group}", 0, one.annotations) for one in texts(seed=7)]
    model, tokenizer = planted
    settings = {"site": kind, "store": str(tmp_path / "store"), "interval_bootstraps": 50, "tokenizer": tokenizer}
    job = job_of(model, texts(), SETTINGS["detectors"], SETTINGS["scorers"], **settings)
    again = rescore(result, hand_over(model, tokenizer), fresh, job, tmp_path / "rescored", {})
    best = again.table("neurons").head(len(NAMED[kind]))
    assert (best.auc_heldout > 0.95).all()
    assert best.replicates.all()
    assert load(tmp_path / "rescored").site is KINDS[kind]


def test_head_outputs_are_edited_and_the_edit_is_proved(ranked, planted, tmp_path):
    model, tokenizer = planted
    told = {"source": texts(), "detectors": SETTINGS["detectors"], "tokenizer": tokenizer, "reports": []}
    run = ablate(ranked("attn_z"), model, intervention="zero", neurons=[[1, 5]], folder=tmp_path / "ablation", **told)
    assert run.run["proof"]["changed"] > 0
    assert run.run["proof"]["largest_deviation"] == 0
    assert run.run["model"]["site"] == "attn_z"


@pytest.mark.parametrize("kind", ["mlp_out", "resid_post"])
def test_what_enters_no_projection_is_not_edited_and_that_is_said_at_once(ranked, planted, tmp_path, kind):
    model, tokenizer = planted
    told = {"source": texts(), "detectors": SETTINGS["detectors"], "tokenizer": tokenizer, "reports": []}
    with pytest.raises(ConfigError, match=r"cannot be edited.*`site=mlp_post` or `site=attn_z`"):
        ablate(ranked(kind), model, folder=tmp_path / "ablation", **told)
    assert not (tmp_path / "ablation").exists()


def test_neurons_of_runs_of_different_kinds_do_not_correspond(run, tmp_path):
    run("resid_post"), run("mlp_out")
    assert compare(tmp_path, k=10).overlap.isna().all()


@pytest.mark.parametrize("norm_first", [True, False])
def test_an_opt_of_any_width_is_read_and_attributed_at_what_enters_fc2(norm_first):
    config = transformers.OPTConfig(
        **SIZE, ffn_dim=40, word_embed_proj_dim=24, do_layer_norm_before=norm_first, dropout=0.0
    )
    torch.manual_seed(0)
    model = transformers.OPTForCausalLM(config).double().eval()
    lm = hand_over(model, tiny_model()[1], name="opt")
    atlas = atlas_of(lm)
    assert atlas.neurons == 40
    ids, layer, neuron, kept = np.arange(20, 32), 1, 37, []
    effects = edit_effects(lm, atlas, [ids], [np.array([9])], {site: torch.zeros(40) for site in atlas.sites})

    def log_p(strength):
        def edit(_, arguments):
            values = arguments[0].clone()
            kept[:] = [values.clone().reshape(-1, 40)]
            values[..., neuron] *= 1 - strength
            return (values,)

        with model.model.decoder.layers[layer].fc2.register_forward_pre_hook(edit), torch.no_grad():
            return float(model(torch.tensor(ids[:9])[None]).logits[0, -1].log_softmax(-1)[ids[9]])

    slope = (log_p(1e-4) - log_p(-1e-4)) / 2e-4
    assert abs(slope) > 1e-7
    assert float(effects[atlas.sites[layer]][0, neuron]) == pytest.approx(slope, rel=1e-3)
    log_p(0.0)
    cells = read(lm, atlas, atlas.sites, [ids], [np.array([8])])
    torch.testing.assert_close(cells[atlas.sites[layer]][0].double(), kept[0][8], rtol=1e-4, atol=1e-5)
