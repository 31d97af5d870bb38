"""A run folder is whole or is none; runs are put side by side."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosieve import ConfigError, DataError, Moments, Run, Site, StoreError, compare, load
from neurosieve.activations.store import Space
from neurosieve.cli import main
from neurosieve.commands.compare import compare_runs
from neurosieve.pipeline.checkpoint import Checkpoint
from neurosieve.runs.recording import draw
from neurosieve.runs.results import finished_runs
from neurosieve.runs.writer import write_run
from neurosieve.scoring.states import States
from neurosieve_plugins.reports.html import Html

AUC = {"a": {"auc": [0.5, 0.1, 0.8, math.nan], "d": [3.0, 0.0, -4.0, math.nan]}}
TWO = {
    "a": {"auc": [0.3, -0.9, 0.8], "d": [3.0, 0.0, -4.0]},
    "b": {"auc": [0.9, 0.2, -0.1], "d": [0.0, -9.0, 1.0]},
}


def neurons(table):
    return table[["behaviour", "neuron"]].to_records(index=False).tolist()


def test_the_best_neurons_stand_by_the_scorer_that_ranked(make_run):
    run = make_run("one", TWO)
    assert neurons(run.top(2)) == [("a", 1), ("a", 2), ("b", 0), ("b", 1)]
    assert neurons(run.top(1, "b")) == [("b", 0)]
    assert list(run.top(1)[:0])[:4] == ["behaviour", "layer", "neuron", "rank"]


def test_or_by_another_each_behaviour_apart(make_run):
    run = make_run("one", TWO)
    table = run.top(2, scorer="d")
    assert neurons(table) == [("a", 2), ("a", 0), ("b", 1), ("b", 2)]
    assert list(table)[4] == "d"
    assert table["rank"].tolist() == [2, 3, 2, 3]  # The rank remains that of the ranking.
    assert neurons(run.top(9, "a", "d")) == [("a", 2), ("a", 0), ("a", 1)]


def test_by_any_scorer_it_is_the_minus_neutral_from_telling_nothing_that_counts_and_undefined_is_last(make_run):
    run = make_run("one", {"a": {"d": [1.0, 2, 3, 4], "auc": [0.5, 0.1, 0.8, math.nan]}}, neutral=0.5)
    assert run.top(4, scorer="auc").neuron.tolist() == [1, 2, 0, 3]


def test_a_behaviour_or_scorer_that_the_run_has_not_is_refused_with_those_it_has(make_run):
    run = make_run("one", TWO)
    with pytest.raises(ConfigError, match="this run has no behaviour `c`: there are: a, b"):
        run.top(behaviour="c")
    with pytest.raises(ConfigError, match=r"this run has no scorer `acu`: did you mean `auc`\?"):
        run.top(scorer="acu")


def test_a_run_is_loaded_from_its_folder(make_run):
    made = make_run("one", TWO)
    again = load(str(made.folder))
    pd.testing.assert_frame_equal(again.neurons, made.neurons)
    assert again.run == made.run
    assert (again.behaviours, again.scorers) == (["a", "b"], ["auc", "d"])
    assert "<table" in again._repr_html_()


@pytest.mark.parametrize("lacks", ["neurons.parquet", "positions.parquet", "run.json"])
def test_a_folder_without_a_finished_run_is_refused_with_what_it_lacks(make_run, lacks):
    folder = make_run("one", TWO).folder
    (folder / lacks).unlink()
    with pytest.raises(DataError, match=f"holds no finished run.*: it lacks `?{lacks}"):
        load(folder)


def rewritten(run, form):
    """Write another `format` into the record of a run, or none."""
    path = run.folder / "run.json"
    record = {key: value for key, value in json.loads(path.read_text()).items() if key != "format"}
    path.write_text(json.dumps(record if form is None else {"format": form, **record}))


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (
            None,
            r"was written by an earlier version of neurosieve \(its run.json has no `format`.*run the command again",
        ),
        (1, r"an earlier version of neurosieve \(its run.json says `format` 1, this version reads format 2\)"),
        (3, r"a later version of neurosieve \(its run.json says `format` 3, this version reads format 2\)"),
    ],
)
def test_a_run_of_another_version_is_never_read(make_run, tmp_path, form, message):
    runs = [make_run(name, TWO) for name in "xy"]
    assert json.loads((runs[0].folder / "run.json").read_text())["format"] == 2
    rewritten(runs[0], form)
    folder = runs[0].folder
    for attempt in (
        lambda: load(folder),
        lambda: Run(folder).run,
        lambda: finished_runs(tmp_path),
        lambda: compare(tmp_path),
        lambda: draw(folder, {"html": Html()}),
    ):
        with pytest.raises(DataError, match=message):
            attempt()


TABLES = {"neurons": pd.DataFrame({"neuron": [1, 2]}), "positions": pd.DataFrame({"token": [0]})}


def test_a_folder_that_cannot_be_made_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot write the run folder .*Not a directory"):
        write_run(tmp_path / "file" / "run", {}, TABLES)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written_leaves_no_half_of_it_and_no_finished_run(tmp_path, monkeypatch):
    def full(self, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    write_run(tmp_path, {"command": "find"}, TABLES)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(StoreError, match="No space left on device"):
        write_run(tmp_path, {"command": "find"}, {name: table.head(1) for name, table in TABLES.items()})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_json_cannot_say_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_run(tmp_path, {"share": math.nan}, TABLES)
    assert not any(path.name.endswith((".json", ".part")) for path in tmp_path.iterdir())


def test_runs_of_a_sweep_come_in_the_order_of_their_numbers(make_run, tmp_path):
    for number in (10, 2, 0, 1):
        make_run(f"sweep/{number}", TWO)
    (tmp_path / "sweep" / "3").mkdir()  # Failed.
    assert [run.folder.name for run in finished_runs(tmp_path)] == ["0", "1", "2", "10"]


@given(
    one=st.lists(st.floats(-1, 1) | st.just(math.nan), min_size=8, max_size=8),
    other=st.lists(st.floats(-1, 1) | st.just(math.nan), min_size=8, max_size=8),
    k=st.integers(1, 9),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_overlap_and_rank_correlation_are_those_by_hand_and_of_scipy(make_run, one, other, k):
    for name, values in (("0", one), ("1", other)):
        make_run(f"runs/{name}", {"a": {"auc": values}})
    folder = make_run("runs/0", {"a": {"auc": one}}).folder.parent
    [line] = compare(folder, k=k).itertuples()
    defined = [[n for n in range(8) if values[n] == values[n]] for values in (one, other)]
    best = [
        sorted(have, key=lambda n: (-abs(values[n]), n))[:k] for have, values in zip(defined, (one, other), strict=True)
    ]
    common = len(set(best[0]) & set(best[1]))
    np.testing.assert_equal(line.overlap, common / len(best[0]) if best[0] else math.nan)
    both = sorted(set(defined[0]) & set(defined[1]))
    if len(both) > 1:
        # Ranks among all neurons order those that both have as their own scores do.
        places = [
            [sorted(have, key=lambda n: (-abs(values[n]), n)).index(n) for n in both]
            for have, values in zip(defined, (one, other), strict=True)
        ]
        assert line.rank_correlation == pytest.approx(scipy.stats.spearmanr(*places).statistic, abs=1e-12)
    else:
        assert math.isnan(line.rank_correlation)


def test_every_pair_of_runs_is_compared_in_every_behaviour_that_both_have(make_run):
    folders = [
        make_run("x", TWO).folder,
        make_run("y", {"b": TWO["b"]}).folder,
        make_run("z", {"c": TWO["a"], "b": TWO["b"]}).folder,
    ]
    table = compare(*folders, k=1)
    names = [str(folder) for folder in folders]
    pairs = table[["behaviour", "run", "other"]].to_records(index=False).tolist()
    assert pairs == [("b", names[0], names[1]), ("b", names[0], names[2]), ("b", names[1], names[2])]
    assert (table.overlap == 1).all()
    np.testing.assert_allclose(table.rank_correlation, 1)


def test_runs_are_named_by_the_overrides_that_tell_them_apart(make_run, tmp_path):
    for number, seed in enumerate((0, 1)):
        make_run(f"{number}", TWO, overrides=["model=tiny", "scorers=[auc]", f"seed={seed}"])
    assert compare(tmp_path)[["run", "other"]].to_numpy().tolist()[0] == ["seed=0", "seed=1"]


def test_neurons_that_only_one_run_read_do_not_count(make_run, tmp_path):
    make_run("0", {"a": {"auc": [0.1, 0.2, 0.3]}}, layer=0)
    make_run("1", {"a": {"auc": [0.1, 0.2, 0.3]}}, layer=1)
    [line] = compare(tmp_path, k=2).itertuples()
    assert line.overlap == 0
    assert math.isnan(line.rank_correlation)


def test_one_run_alone_is_compared_with_nothing(make_run, tmp_path):
    with pytest.raises(DataError, match=r"there is no folder `.*nowhere`"):
        compare(tmp_path / "nowhere")
    with pytest.raises(DataError, match="there is no finished run in"):
        compare(tmp_path)
    run = make_run("0", TWO)
    with pytest.raises(DataError, match=r"there is one finished run in .*: give a multirun folder, or several"):
        compare(tmp_path)
    with pytest.raises(DataError, match="there is one finished run in"):
        compare(tmp_path, run.folder)


def test_runs_without_a_behaviour_in_common_are_not_compared(make_run, tmp_path):
    make_run("0", {"a": TWO["a"]})
    make_run("1", {"b": TWO["b"]})
    with pytest.raises(DataError, match="no two of these runs looked for a behaviour of the same name"):
        compare(tmp_path)


@pytest.mark.parametrize("k", [0, -3])
def test_no_best_neurons_are_not_compared(make_run, tmp_path, k):
    with pytest.raises(ConfigError, match=f"k is {k}: give at least 1"):
        compare(tmp_path, k=k)


def test_compare_prints_tables_and_leaves_them_drawn_where_it_is_told(make_run, tmp_path, capsys):
    for number in range(2):
        make_run(f"runs/{number}", TWO)
    main(["compare", str(tmp_path / "runs"), "-k", "2", "--output", str(tmp_path / "c")])
    said = capsys.readouterr().out
    assert "a: runs side by side, by their best 2" in said
    assert "what each run found" in said
    [pair] = [line for line in said.split("side by side")[1].splitlines() if line.startswith("│")][:1]
    assert [cell.strip() for cell in pair.split("│")[1:6]] == ["1", "2", "1", "0.667", "1"]
    left = load(tmp_path / "c")
    pd.testing.assert_frame_equal(left.table("comparison"), compare(tmp_path / "runs", k=2))
    assert len(left.table("runs")) == 4
    assert (tmp_path / "c" / "report.html").is_file()


def test_compare_names_each_run_once_and_numbers_it_in_its_tables(make_run, tmp_path, capsys):
    for seed in range(2):
        make_run(f"runs/{seed}", {"a": TWO["a"]}, overrides=("source=traces", f"seed={seed}"))
    main(["compare", str(tmp_path / "runs"), "-k", "2"])
    said = capsys.readouterr().out
    assert "  1: seed=0\n  2: seed=1\n" in said
    assert said.count("seed=0") == 1
    assert "ranked by" not in said  # The same in both.
    assert "verdict" not in said  # None has any.


def test_compare_prints_the_overlap_of_many_runs_as_a_matrix(make_run, tmp_path, capsys):
    for number in range(9):
        # Each has its best neuron where the next has it too, but for the last.
        make_run(f"runs/{number}", {"a": {"auc": [0.9, 0.1, 0.2] if number < 8 else [0.1, 0.2, 0.9]}})
    main(["compare", str(tmp_path / "runs"), "-k", "1"])
    lines = capsys.readouterr().out.split("the share in common")[1].splitlines()
    cells = {line.split("│")[1].strip(): line.split("│")[2:-1] for line in lines if line.startswith("│")}
    assert list(cells) == [str(number) for number in range(2, 10)]
    assert [cell.strip() for cell in cells["3"]] == ["1.00", "1.00", *[""] * 6]
    assert [cell.strip() for cell in cells["9"]] == ["0.00"] * 8


def test_compare_writes_over_no_run_of_another_command(make_run, tmp_path):
    folders = [make_run(name, TWO).folder for name in "xy"]
    with pytest.raises(ConfigError, match="holds a finished run, which is not written over"):
        compare_runs(*folders, folder=folders[0])


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with the captures of two models, a converted model, and a pass that was interrupted."""
    import torch

    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path))
    spaces = [Space(name, (Site(0),), torch.float32, name=name) for name in ("first", "second")]
    (tmp_path / "models" / "gemma-1").mkdir(parents=True)
    (tmp_path / "models" / "gemma-1" / "weights").write_bytes(bytes(3 * 2**20))
    (tmp_path / "passes" / "a1b2").mkdir(parents=True)
    for shard, documents in enumerate((5, 8)):
        file = tmp_path / "passes" / "a1b2" / f"{shard}-of-2.safetensors"
        Checkpoint(States((Moments(),)), documents).save(file)
    (tmp_path / "passes" / "a1b2" / "half.safetensors").write_bytes(b"half")
    return spaces


def test_cache_shows_what_is_kept_and_how_large_it_is(cache, capsys):
    main(["cache"])
    said = capsys.readouterr().out
    for space in cache:
        assert space.address in said
    for shown in ("first", "second", "gemma-1", "passes", "a1b2", "13 documents so far", "3.0 MiB in"):
        assert shown in said


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("first", {"second", "gemma-1", "a1b2"}),
        ("gemma-1", {"first", "second", "a1b2"}),
        ("captures", {"gemma-1", "a1b2"}),
        ("models", {"first", "second", "a1b2"}),
        ("passes", {"first", "second", "gemma-1"}),
        ("a1b2", {"first", "second", "gemma-1"}),
        ("all", set()),
    ],
)
def test_cache_clears_what_it_is_told_to_and_nothing_else(cache, tmp_path, what, left):
    main(["cache", "--clear", cache[0].address if what == "first" else what])
    kept = {json.loads(path.read_text())["model"] for path in tmp_path.glob("captures/*/space.json")}
    assert kept | {path.name for path in [*tmp_path.glob("models/*"), *tmp_path.glob("passes/*")]} == left


def test_cache_clears_a_store_of_its_own_place(cache, tmp_path, capsys):
    import torch

    space = Space("third", (Site(0),), torch.float32, tmp_path / "mine", "third")
    main(["cache", "--store", str(tmp_path / "mine"), "--clear", "all"])
    assert not space.folder.exists()
    assert all(one.folder.exists() for one in cache)
    assert "removed 1 folder," in capsys.readouterr().out


@pytest.mark.usefixtures("cache")
def test_cache_refuses_to_clear_what_is_not_kept(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["cache", "--clear", "gema-1"])
    assert "nothing is kept as `gema-1`: did you mean `gemma-1`?" in capsys.readouterr().err
