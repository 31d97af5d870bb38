import numpy as np
import pytest
import torch

from neurosieve import Batch, ConfigError, Site, find
from neurosieve.evidence.permutation import permutation_null
from neurosieve_plugins.readings.attribution import Attribution
from neurosieve_plugins.scorers.mean_difference import MeanDifference
from neurosieve_plugins.scorers.paired_difference import PairedDifference


@pytest.mark.parametrize(
    ("choices", "said"),
    {
        "a place before the behaviour": (
            {"reading": "attribution", "selection": "prediction"},
            "`reading` speaks of the token at a position, and selection.at=prediction is another",
        ),
        "the same reading twice": (
            {"reading": "attribution", "beside": "attribution"},
            "`beside` is the reading that ranks already",
        ),
        "activations beside": (
            {"reading": "attribution", "beside": "activation"},
            "exchange `reading` and `beside`",
        ),
    }.values(),
)
def test_readings_that_do_not_fit_end_in_one_message(choices, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        find("tiny", folder=tmp_path / "run", **choices)
    assert not (tmp_path / "run").exists()


def test_steps_belong_to_the_method_that_takes_them():
    with pytest.raises(ConfigError, match="the method `gradient` takes one step"):
        Attribution(steps=4)


def test_the_null_by_groups_is_honest_where_values_vary_more_with_the_behaviour():
    rng, named = np.random.default_rng(0), {MeanDifference(): 0, PairedDifference(): 0}
    groups = torch.arange(40).repeat_interleave(3)
    labels = torch.tensor([1, 0, 0] * 40, dtype=torch.int8)[:, None]
    for seed in range(60):
        values = torch.from_numpy(rng.normal(size=(120, 60))).float()
        values[labels[:, 0] == 1] *= 3
        batch = Batch(Site(0), values, labels, groups, groups, torch.zeros(120, dtype=torch.int64))
        for scorer in named:
            named[scorer] += int(permutation_null([batch], scorer, 99, seed).p_fwer.min() <= 0.05)
    assert named[PairedDifference()] <= 8  # At 5 %, more than 8 of 60 come in one of a hundred such tests.
    assert named[MeanDifference()] > 15
