"""States add up over batches and parts, and survive a file."""

import pytest
import torch
from safetensors.torch import save_file

from neurosieve import Batch, Site
from neurosieve.errors import StoreError
from neurosieve.pipeline.checkpoint import Checkpoint
from neurosieve.scoring.engine import score
from neurosieve.scoring.states import States, statistics_of
from neurosieve_plugins.scorers.auc_binned import AucBinned
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.mean_difference import MeanDifference

SCORERS = {"cohens_d": CohensD(), "mean_difference": MeanDifference(), "auc_binned": AucBinned()}
SITES = (Site(0), Site(3, "resid_post"))


def batches(site, seed):
    rng = torch.Generator().manual_seed(seed + site.layer)
    for size in (7, 1, 12):
        labels = torch.arange(size).remainder(2).to(torch.int8)[:, None]
        number = torch.arange(size)
        yield Batch(site, torch.randn(size, 5, generator=rng), labels, number, number, number)


def states_of(*seeds):
    states = States(statistics_of(SCORERS.values()))
    for seed in seeds:
        for site in SITES:
            for batch in batches(site, seed):
                states.update(batch)
    return states


def assert_equal(first, second):
    for site in SITES:
        scores = [states.compute(site, SCORERS) for states in (first, second)]
        for name in SCORERS:
            torch.testing.assert_close(scores[0][name].value, scores[1][name].value)


def test_equal_statistics_are_taken_once():
    assert len(statistics_of(SCORERS.values())) == 2


def test_merged_parts_are_the_whole_also_with_a_part_of_nothing():
    assert_equal(states_of(1).merge(states_of(2)), states_of(1, 2))
    assert_equal(States(states_of().statistics).merge(states_of(1)), states_of(1))
    assert_equal(states_of(1).merge(States(states_of().statistics)), states_of(1))


def test_they_score_as_one_pass_over_the_batches_does():
    for site in SITES:
        whole = score([*batches(site, 1), *batches(site, 2)], SCORERS)
        for name, scores in states_of(1, 2).compute(site, SCORERS).items():
            torch.testing.assert_close(scores.value, whole[name].value)


def test_states_come_back_from_a_file_with_their_metadata(tmp_path):
    states = states_of(1)
    states.save(tmp_path / "folder" / "states", {"documents": "3"})
    loaded = States.load(tmp_path / "folder" / "states", states.statistics)
    assert loaded is not None
    assert loaded[1] == {"documents": "3"}
    assert_equal(loaded[0], states)
    assert states.nbytes == loaded[0].nbytes > 0


def test_no_file_an_incomplete_one_and_one_of_something_else_are_no_checkpoint(tmp_path):
    statistics = statistics_of(SCORERS.values())
    path = tmp_path / "checkpoint"
    assert Checkpoint.load(path, statistics) is None
    Checkpoint(states_of(1), documents=4, digest="abc").save(path)
    checkpoint = Checkpoint.load(path, statistics)
    assert checkpoint is not None
    assert (checkpoint.documents, checkpoint.digest, checkpoint.ended) == (4, "abc", False)
    path.write_bytes(path.read_bytes()[:-8])
    assert Checkpoint.load(path, statistics) is None
    save_file({}, path)
    assert Checkpoint.load(path, statistics) is None


def test_a_checkpoint_that_cannot_be_written_is_an_error_with_advice(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="make room, or set `NEUROSIEVE_CACHE`"):
        Checkpoint(states_of(1)).save(tmp_path / "file" / "checkpoint")
