"""`find reading=contribution`: a ranking by what neurons add, with all that other rankings have."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from planted import plant, texts

from neurosieve import ConfigError, find, load, plan, show
from neurosieve.cli import main
from neurosieve.models.tiny import tiny_model
from neurosieve.texts.selection import Selection
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.readings.contribution import Contribution

LOUD, FAINT = (1, 17), (1, 90)
QUICK = {"permutations": 99, "stability_bootstraps": 0, "interval_bootstraps": 20, "test_top": 5, "reports": []}


@pytest.fixture(scope="module")
def planted():
    """Two neurons that fire on the behaviour alike, one of which writes much, and one next to nothing."""
    model, tokenizer = tiny_model()
    plant(model, tokenizer, [LOUD, FAINT])
    with torch.no_grad():
        for (layer, neuron), factor in ((LOUD, 100), (FAINT, 1e-4)):
            model.model.layers[layer].mlp.down_proj.weight[:, neuron] *= factor
    return model, tokenizer


def found(planted, folder, **changed):
    settings = {"detectors": {"slip": Annotations()}, "reading": "contribution", **QUICK}
    model, tokenizer = planted
    return find(model, texts(), tokenizer=tokenizer, folder=folder, **settings | changed)


@pytest.fixture
def run(planted, tmp_path):
    def go(name="run", **changed):
        return found(planted, tmp_path / name, **{"store": str(tmp_path / "store")} | changed)

    return go


@pytest.fixture(scope="module")
def shares(planted, tmp_path_factory):
    """A run of shares, with what its neurons are ranked by."""
    folder = tmp_path_factory.mktemp("shares")
    ranked = {"scorers": ["mean_difference", "auc"], "rank_by": "mean_difference"}
    return found(planted, folder / "run", store=str(folder / "store"), **ranked)


def row(table, neuron):
    return table[(table.layer == neuron[0]) & (table.neuron == neuron[1])].iloc[0]


def test_what_a_neuron_adds_ranks_by_difference_and_what_fires_does_not_alone(shares):
    neurons = shares.neurons
    assert tuple(neurons.iloc[0][["layer", "neuron"]]) == LOUD
    assert neurons.iloc[0].p_fwer <= 0.05
    assert neurons.iloc[0].replicates
    assert row(neurons, LOUD).mean_difference > 1e4 * row(neurons, FAINT).mean_difference
    assert row(neurons, FAINT).auc == 1


def test_cells_are_shares_and_the_run_says_what_they_are(shares):
    cells = shares.table("activations")
    assert set(cells.reading) == {"contribution"}
    assert (cells.activation >= 0).all()
    assert shares.cells.name == "contribution"
    assert shares.cells.unit == ""
    assert load(shares.folder).run["config"]["reading"] == {"_target_": "reading/contribution"}


def test_shares_have_a_store_of_their_own_and_are_read_once(run, shares):
    store = shares.run["config"]["store"]
    again, fires = run("again", store=store), run("fires", reading="activation")
    assert shares.run["reading"]["forward_passes"] > 0
    assert shares.run["hashes"]["space"] != fires.run["hashes"]["space"]
    assert again.run["reading"]["forward_passes"] == 0
    assert shares.run["hashes"]["positions"] == fires.run["hashes"]["positions"]


def test_a_pass_without_a_store_adds_up_the_same_shares(run):
    many = {"controls_per_position": 1000.0, "negatives_per_positive_document": 1000.0}
    every_token = Selection(held_out_fraction=0.0, extra_positions=(), **many)
    settings = {"selection": every_token, "scorers": ["mean_difference"], "control": Distant(same_kind=False)}
    stored, streamed = run("stored", **settings), run("streamed", store="none", **settings)
    assert streamed.run["reading"]["positions"] == stored.run["reading"]["positions"]
    scores = [made.neurons.sort_values(["layer", "neuron"]).mean_difference for made in (stored, streamed)]
    np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-7)


def test_a_plan_says_what_the_run_reads(planted, shares, tmp_path):
    model, tokenizer = planted
    settings = {"detectors": {"slip": Annotations()}, "reading": "contribution", "store": str(tmp_path / "store")}
    planned = plan(model, texts(), tokenizer=tokenizer, **settings)
    reading = shares.run["reading"]
    assert (planned.forward_passes, planned.tokens) == (reading["forward_passes"], reading["tokens"])
    size = sum(path.stat().st_size for path in Path(shares.run["config"]["store"]).rglob("*.safetensors"))
    assert planned.bytes == pytest.approx(size, rel=0.1)


def test_a_run_of_shares_is_shown_and_ranks_beside_activations(run, planted, tmp_path):
    made = run(reading="activation", beside="contribution")
    assert made.beside.cells.name == "contribution"
    assert tuple(row(made.beside.neurons, LOUD)[["layer", "neuron"]]) == LOUD
    model, tokenizer = planted
    given = {"model": model, "tokenizer": tokenizer, "source": texts(), "reports": []}
    shown = show(made.beside, neurons=[list(LOUD)], folder=tmp_path / "shown", **given)
    assert len(shown.table("contexts"))


def test_show_says_that_a_run_of_shares_stores_no_activations(shares, planted, tmp_path):
    model, tokenizer = planted
    given = {"model": model, "tokenizer": tokenizer, "source": texts(), "reports": []}
    [said] = show(shares, neurons=[list(LOUD)], folder=tmp_path / "shown", **given).run["warnings"]
    assert "(the run read the contribution of neurons, not what fires)" in said
    assert "`neurosieve find reading=activation` of the same texts fills it" in said


def test_shares_replicate_on_other_texts(run):
    fresh = [replace(text, id=f"new {text.id}", group=f"new {text.group}") for text in texts(seed=1)]
    made = run(scorers=["mean_difference"], replicate_on=fresh)
    neurons = pd.read_parquet(next(made.folder.glob("replicate_on/neurons.parquet")))
    best = row(neurons, LOUD)
    assert best.replicates
    assert best.mean_difference_heldout == pytest.approx(best.mean_difference, rel=0.3)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"site": "resid_post"}, "`reading` cannot be read at `site=resid_post`: take `site=mlp_post`"),
        (
            {"site": "attn_z", "reading": "activation", "beside": Contribution()},
            "`beside` cannot be read at `site=attn_z`: take `site=mlp_post`, or leave `beside` out",
        ),
    ],
    ids=["another site", "beside at another site"],
)
def test_choices_that_do_not_fit_end_in_one_message(run, tmp_path, choices, said):
    with pytest.raises(ConfigError, match=said):
        run(**choices)
    assert not (tmp_path / "run").exists()


def test_a_plan_refuses_what_a_run_refuses(planted):
    model, tokenizer = planted
    with pytest.raises(ConfigError, match="cannot be read at `site=resid_post`"):
        plan(model, texts(), tokenizer=tokenizer, reading="contribution", site="resid_post")


def test_the_command_line_takes_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ["source.documents=40", "permutations=19", "stability_bootstraps=0", "interval_bootstraps=20"]
    main(["find", "model=tiny", "reading=contribution", f"store={tmp_path}/store", *small])
    assert "contribution" in capsys.readouterr().out
    [table] = tmp_path.rglob("neurons.parquet")
    neurons = pd.read_parquet(table)
    assert np.isfinite(neurons.auc).any()
