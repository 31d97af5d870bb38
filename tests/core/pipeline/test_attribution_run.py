"""`find reading=attribution`: a neuron that drives the behaviour is first, and one that only fires there is not."""

import pytest
from planted import drive, driven_texts

from neurosieve import find
from neurosieve.models.tiny import tiny_model
from neurosieve_plugins.detectors.annotations import Annotations

DRIVES, READS_OUT, SILENT_READER = (1, 17), (0, 90), (2, 64)


@pytest.fixture(scope="module")
def planted():
    model, tokenizer = tiny_model()
    return drive(model, tokenizer, DRIVES, [READS_OUT], [SILENT_READER]), tokenizer


@pytest.fixture
def run(planted, tmp_path):
    def go(name="run", source=None, **changed):
        settings = {"detectors": {"slip": Annotations()}, "reading": "attribution", "interval_bootstraps": 20}
        settings |= {"store": str(tmp_path / "store")} | changed
        model, tokenizer = planted
        return find(model, source or driven_texts(), tokenizer=tokenizer, folder=tmp_path / name, **settings)

    return go


def test_the_neuron_that_drives_is_first_and_the_one_that_reads_out_is_not_significant(run):
    neurons = run().neurons
    best = neurons.iloc[0]
    assert (best.layer, best.neuron) == DRIVES
    assert best.mean_difference < 0
    print(neurons.head(4).T)
    assert best.p_fwer <= 0.05
    assert best.replicates
    significant = neurons[neurons.p_fwer <= 0.05]
    named = set(zip(significant.layer, significant.neuron, strict=True))
    assert not named & {READS_OUT, SILENT_READER}
