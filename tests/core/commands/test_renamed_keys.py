"""A key that is gone is answered with its new name, wherever it is written."""

import pytest

from neurosieve import ConfigError, detect, find
from neurosieve.commands.find import COMMAND
from neurosieve.config.configuration import as_object

TINY = ["find", "model=tiny", "source.documents=4", "reports=[]"]
EXPERIMENT = ["--config-dir", "configs", "+experiment=old"]

ROOT = {
    "confirm": "test_top",
    "draws": "interval_bootstraps",
    "bootstraps": "stability_bootstraps",
    "enough_positions": "min_positions",
    "enough_documents": "min_documents",
    "enough_groups": "min_groups",
    "word_check": "within_token_scorer",
    "then": "follow_up",
}
SELECTION = {
    "looks": "extra_positions",
    "ratio": "controls_per_position",
    "documents_without": "negatives_per_positive_document",
    "replication": "held_out_fraction",
}


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(("old", "new"), ROOT.items())
def test_on_the_command_line_and_in_python(refused, empty, old, new):
    assert f"neurosieve: `{old}` is now `{new}`: " in refused(*TINY, f"{old}=5")
    assert list(empty.iterdir()) == []
    with pytest.raises(ConfigError, match=f"^`{old}` is now `{new}`: "):
        find("tiny", **{old: 5})


@pytest.mark.parametrize(("old", "new"), SELECTION.items())
def test_below_another_key(refused, old, new):
    assert f"`selection.{old}` is now `selection.{new}`: " in refused(*TINY, f"selection.{old}=5")
    assert f"`{old}` is now `selection.{new}`: " in refused(*TINY, f"{old}=5")
    with pytest.raises(ConfigError, match=f"^`{old}` is now `{new}`: "):
        as_object(COMMAND.schemas["selection"], {old: 5}, "selection")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("confirm: 5", "`confirm` is now `test_top`: "),
        ("selection: {looks: [window]}", "`selection.looks` is now `selection.extra_positions`: "),
    ],
)
def test_in_an_experiment(refused, empty, key, message):
    (empty / "configs" / "experiment").mkdir(parents=True)
    (empty / "configs" / "experiment" / "old.yaml").write_text(f"# @package _global_\n{key}\n")
    assert message in refused(*TINY, *EXPERIMENT)
    assert [path.name for path in empty.iterdir()] == ["configs"]


def test_in_a_config_file(refused, empty):
    (empty / "mine.yaml").write_text("defaults:\n  - find\n  - _self_\nword_check: null\n")
    said = refused(*TINY, "--config-dir", ".", "--config-name", "mine")
    assert "`word_check` is now `within_token_scorer`: " in said


def test_where_hydra_would_let_it_pass(refused):
    assert "`confirm` is now `test_top`: " in refused(*TINY, "+confirm=5")
    assert "is now `negatives_per_positive_document`: " in refused(*TINY, "+selection.documents_without=2")


@pytest.mark.parametrize("arguments", [["plan", "then=[show]"], ["find", "then=[show]", "-m", "seed=0,1"]])
def test_of_other_commands_and_in_sweeps(refused, arguments):
    assert "`then` is now `follow_up`: " in refused(*arguments)


def test_in_what_follows_a_run(refused, empty):
    said = refused(*TINY, 'follow_up=["ablate draws=5"]')
    assert "`draws` is now `interval_bootstraps`: " in said
    with pytest.raises(ConfigError, match="`draws` is now `interval_bootstraps`: "):
        find("tiny", follow_up=["ablate draws=5"], folder="run")
    assert not (empty / "run").exists()


def test_a_key_that_a_command_never_had_is_answered_with_what_there_is(refused):
    assert "the config has no `confirm`: there are: " in refused("generate", "confirm=5")
    with pytest.raises(ConfigError, match="`detect` has no field `then`"):
        detect("arithmetic", then=["show"])
