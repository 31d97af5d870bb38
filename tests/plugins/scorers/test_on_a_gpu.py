"""Activations on a GPU are scored there."""

import pytest
import torch

from neurosieve import Batch, Site
from neurosieve_plugins import register_scorers

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

SCORERS = {name: cls() for name, cls in register_scorers().items() if not cls.joint}


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
@pytest.mark.parametrize("labels_too", [True, False])
def test_a_gpu_says_what_a_processor_says(scorer, data, labels_too):
    activations, labels = data(positions=200, present=40)
    number = torch.arange(200) // 10

    def on(device):
        other = device if labels_too else "cpu"
        known = (labels.unsqueeze(1).to(other), *(x.to(other) for x in (number, number, number % 5)))
        batch = Batch(Site(0), activations.to(device), *known)
        return scorer.compute(scorer.statistic.update(scorer.statistic.empty(1, 8), batch))

    here, there = on("cpu"), on("cuda")
    assert there.value.device.type == "cuda"
    torch.testing.assert_close(there.value.cpu(), here.value, rtol=1e-6, atol=1e-8, equal_nan=True)
    for name, column in here.details.items():
        # A gain of log loss is a difference of numbers near 1: it is known to a float32's last place of those.
        torch.testing.assert_close(there.details[name].cpu(), column, rtol=1e-6, atol=2e-7, equal_nan=True)


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
def test_intervals_and_contrasts_are_the_same_on_a_gpu(scorer, data):
    activations, labels = data(positions=200, present=40, out=0)
    number = torch.arange(200) // 10

    def on(device):
        known = (x.to(device) for x in (labels.unsqueeze(1), number, number, number % 5))
        return Batch(Site(0), activations.to(device), *known)

    for ask in (lambda batch: scorer.interval(batch, 0.95), lambda batch: scorer.contrast(batch)):
        here, there = ask(on("cpu")), ask(on("cuda"))
        assert (here is None) == (there is None)
        if here is not None:
            torch.testing.assert_close(there[0].cpu(), here[0], rtol=1e-5, atol=1e-6, equal_nan=True)
