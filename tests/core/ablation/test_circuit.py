"""The fewest neurons with half of the effect: planted ones are found, keep what they do, and noise gives none."""

import pytest
from planted import drive_together, driven_texts

from neurosieve import ablate, find
from neurosieve.models.tiny import tiny_model
from neurosieve.runs.summary import run_blocks
from neurosieve_plugins.detectors.annotations import Annotations

ONE = ((1, 17),)
SIX = ((1, 17), (1, 40), (1, 99), (1, 3), (1, 64), (1, 101))


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Search a model with one driving neuron, or with six alike, for its circuit."""
    made = {}

    def planted(drivers):
        if drivers not in made:
            folder = tmp_path_factory.mktemp("planted")
            model, tokenizer = tiny_model()
            inputs = {"detectors": {"slip": Annotations()}, "tokenizer": tokenizer, "reports": []}
            settings = {"reading": "attribution", "interval_bootstraps": 20, "store": str(folder / "store")}
            drive_together(model, tokenizer, drivers)
            ranking = find(model, driven_texts(120), folder=folder / "run", **inputs, **settings)
            made[drivers] = model, inputs, ranking
        return made[drivers]

    def go(drivers=SIX, **settings):
        model, inputs, ranking = planted(drivers)
        folder = tmp_path_factory.mktemp("searched") / "run"
        settings = {"mode": "circuit", "k": 40} | inputs | settings
        return ablate(ranking, model, source=driven_texts(120), folder=folder, **settings)

    return go


@pytest.fixture(scope="module")
def of_six(searched):
    return searched()


def members(run):
    return set(run.table("circuit")[["layer", "neuron"]].itertuples(index=False, name=None))


def sentences(run):
    return [block.text for block in run_blocks(run) if hasattr(block, "text")]


def kept(run):
    table = run.table("sufficiency")
    [circuit] = table[table.set == "target"].to_dict("records")
    return circuit, table[table.set == "control"]


def test_one_neuron_that_drives_alone_is_the_circuit_and_keeps_all_of_the_behaviour(searched):
    run = searched(ONE)
    assert members(run) == set(ONE)
    assert run.run["circuit"]["k"] == 1
    circuit, controls = kept(run)
    assert circuit["faithfulness"] == pytest.approx(1, abs=0.05)
    assert circuit["faithfulness_low"] > 0.9
    assert controls.faithfulness.abs().max() < 0.05


def test_of_six_that_drive_alike_the_fewest_with_half_of_the_effect_are_the_circuit(searched, of_six):
    assert members(of_six) < set(SIX)
    k = of_six.run["circuit"]["k"]
    assert len(members(of_six)) == k == 4
    exact = searched(k=[k - 1, k, 40]).run["circuit"]
    below, enough, whole = (tried["effect"] for tried in exact["effects_choosing"])
    assert below / whole < 0.5 <= enough / whole
    circuit, _ = kept(of_six)
    assert 0.6 < circuit["faithfulness"] < 0.9
    assert circuit["faithfulness_low"] < circuit["faithfulness"] < circuit["faithfulness_high"]


def test_the_curve_rises_to_the_last_driver_and_controls_stay_near_zero(of_six):
    doses = of_six.table("doses")
    targets = doses[doses.set == "target"].set_index("k")
    assert targets.index.tolist() == [1, 2, 4, 5, 10, 20, 40]
    assert (targets.effect[:5].diff().dropna() < -0.2).all()
    assert targets.share[10] == pytest.approx(1, abs=0.01)
    assert (targets.beyond_controls_high < 0).all()
    assert doses[doses.set == "control"].effect.abs().max() < 0.02
    assert targets.effect_control_tokens.abs().max() < 0.02
    sizes = doses.groupby("k").set.value_counts().unstack()
    assert (sizes == [3, 1]).all().all()
