"""What a verdict means is said of what the run read."""

import json

import pytest

from neurosieve import Facts, evidence_blocks, load
from neurosieve.testing.runs import written_runs


@pytest.fixture(scope="module")
def find_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    run = next(run for run in written_runs(folder) if run.command == "find" and "baselines" in run.tables)
    neurons = run.table("neurons")
    neurons.loc[neurons["rank"] == 1, ["verdict", "p_fwer", "beats_baselines"]] = ["within groups", 0.001, False]
    neurons.loc[neurons["rank"] == 2, "verdict"] = "replicated"
    neurons.to_parquet(run.folder / "neurons.parquet")
    return run


@pytest.mark.parametrize(
    ("unit", "replicated", "doubt"),
    [
        ("completion", "more than the group could not be tested", "separates the behaviour as well"),
        ("token", "more than this word could not be tested", "at the position that the verdict is about"),
    ],
)
def test_what_replicated_means_speaks_of_the_unit_that_was_read(find_run, unit, replicated, doubt):
    record = json.loads((find_run.folder / "run.json").read_text(encoding="utf-8"))
    record["config"]["selection"] = {"unit": unit}
    (find_run.folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    run = load(find_run.folder)
    [facts] = [block for block in evidence_blocks(run, run.behaviours[0]) if isinstance(block, Facts)]
    meanings = {name.partition(" (")[0]: meaning for name, meaning in facts.facts}
    assert replicated in meanings["replicated"]
    assert meanings["the text alone does as well"].endswith(doubt)
