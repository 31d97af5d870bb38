"""Whether firing replicates is known from the ranking by activation that a run belongs to, and from no other."""

import pandas as pd
import pytest

from neurosieve.ablation.firing_replication import firing_replication
from neurosieve.data import Neuron
from neurosieve.runs.writer import write_run


def ranking(folder, reading=None, replicates=(True, False, None), weights="w"):
    """A ranking of three neurons by a reading; activations, where none is named."""
    neurons = pd.DataFrame({"behaviour": "slip", "layer": 0, "neuron": range(3), "rank": range(1, 4)})
    if replicates:
        neurons["replicates"] = pd.array(replicates, dtype="boolean")
    config = {"reading": {"_target_": f"reading/{reading}"}} if reading else {}
    record = {"command": "find", "config": config, "model": {"weights": weights, "site": "mlp_post"}}
    return write_run(folder, record, {"neurons": neurons, "positions": pd.DataFrame()})


def test_a_ranking_by_activation_tells_it_itself(tmp_path):
    found = firing_replication(ranking(tmp_path / "run"), "slip")
    assert found.replicates == {Neuron(0, 0): True, Neuron(0, 1): False}
    assert not found.why_unknown


@pytest.mark.parametrize(("above", "below"), [(None, "attribution"), ("attribution", "activation")])
def test_a_ranking_of_effects_takes_it_from_the_ranking_beside(tmp_path, above, below):
    replicates = {None: (True, False, None), "activation": (True, False, None), "attribution": (False, True, True)}
    main = ranking(tmp_path / "run", above, replicates[above])
    beside = ranking(tmp_path / "run" / "beside", below, replicates[below])
    for run in (main, beside):
        assert firing_replication(run, "slip").replicates == {Neuron(0, 0): True, Neuron(0, 1): False}


def test_a_ranking_of_effects_alone_tells_nothing_of_firing(tmp_path):
    found = firing_replication(ranking(tmp_path / "run", "attribution"), "slip")
    assert not found.replicates
    assert "ranks by attribution, and no ranking by activation belongs to it" in found.why_unknown


def test_a_run_of_another_model_above_is_not_asked(tmp_path):
    ranking(tmp_path / "run", weights="other")
    beside = ranking(tmp_path / "run" / "beside", "attribution")
    assert firing_replication(beside, "slip").why_unknown


@pytest.mark.parametrize("replicates", [(), (None, None, None)])
def test_what_was_not_tested_is_told(tmp_path, replicates):
    found = firing_replication(ranking(tmp_path / "run", replicates=replicates), "slip")
    assert not found.replicates
    assert "tested no replication of `slip`" in found.why_unknown
