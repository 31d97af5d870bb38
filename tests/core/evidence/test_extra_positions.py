"""Further places are read along with the ranking's own, in the same pass, and score as if they were its own."""

import pandas as pd
import pytest
from planted import plant, texts

from neurosieve import ConfigError, find
from neurosieve.models.tiny import tiny_model
from neurosieve.texts.selection import Selection
from neurosieve_plugins.detectors.annotations import Annotations

SCORES = ("auc", "cohens_d", "auc_heldout", "cohens_d_heldout", "auc_minus_neutral", "auc_minus_neutral_heldout")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    runs = {}

    def go(name, store="store", **changed):
        if name not in runs:
            model, tokenizer = tiny_model()
            plant(model, tokenizer, {(0, 3), (1, 17)})
            settings = {"detectors": {"slip": Annotations()}, "tokens_per_batch": 100_000, "permutations": 0}
            settings |= {"interval_bootstraps": 20, "stability_bootstraps": 0}
            places = {"folder": folder / name, "store": str(folder / store)}
            runs[name] = find(model, texts(), tokenizer=tokenizer, **places, **settings | changed)
        return runs[name]

    return go


@pytest.fixture(scope="module")
def alone(run):
    """A run that reads its own place and no other."""
    return run("alone", selection=Selection(extra_positions=()))


@pytest.fixture(scope="module")
def both(run):
    """A run that reads two more, by a pass of its own."""
    return run("both", store="another", selection=Selection(extra_positions=("prediction", "window")))


def scores(result, look=""):
    """The scores at a look, in the order of neurons, called as if it were the ranking's own place."""
    table = result.neurons.sort_values(["layer", "neuron"]).reset_index(drop=True)
    named = {name.replace("_heldout", f"_{look}_heldout") if look else name: name for name in SCORES}
    if look:
        named = {old if "_heldout" in name else f"{name}_{look}": name for old, name in named.items()}
    return table[list(named)].rename(columns=named)


def test_other_places_are_read_in_the_same_forward_pass(alone, both):
    assert alone.run["reading"]["forward_passes"] == both.run["reading"]["forward_passes"] == 1
    assert both.run["reading"]["positions"] > alone.run["reading"]["positions"]


def test_they_change_nothing_of_the_ranking(alone, both):
    pd.testing.assert_frame_equal(alone.positions, both.positions)
    pd.testing.assert_frame_equal(scores(alone), scores(both))


@pytest.mark.parametrize("at", ["prediction", "window"])
def test_each_scores_as_in_a_run_that_ranks_by_that_place(run, both, at):
    mine = run(at, store="another", selection=Selection(at=at, extra_positions=()))
    assert mine.run["reading"]["forward_passes"] == 0
    looked = both.table("extra_positions")
    looked = looked[looked["place"] == at].drop(columns="place").reset_index(drop=True)
    pd.testing.assert_frame_equal(looked, mine.positions)
    pd.testing.assert_frame_equal(scores(both, at), scores(mine))


def test_the_place_that_ranks_is_not_read_again_as_a_look(run):
    result = run("one", selection=Selection(at="prediction", extra_positions=("prediction",)))
    assert not [name for name in result.neurons if "prediction" in name]
    assert not len(result.table("extra_positions"))


def test_a_place_that_is_outside_all_texts_leaves_its_columns_empty_and_is_said(run):
    result = run("far", selection=Selection(extra_positions=("window",), offsets=(-5000,)))
    assert result.neurons.auc_window.isna().all()
    assert any("at `window`: its columns are empty" in one for one in result.run["warnings"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"extra_positions": ("ahead",)}, r"extra_positions is .*ahead.*: give .*prediction"),
        ({"extra_positions": ("window",), "offsets": ()}, "offsets"),
    ],
)
def test_looks_that_cannot_be_are_refused(asked, said):
    selection = Selection()
    for name, value in asked.items():  # Under test, the type of an argument is checked before the settings are.
        object.__setattr__(selection, name, value)
    with pytest.raises(ConfigError, match=said):
        selection.__post_init__()
