"""What the tests of statistics share."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from neurosieve import Batch, Site


@pytest.fixture(scope="session")
def batch_of() -> Callable[..., Batch]:
    """A batch from activations and labels; each position is its own document and token."""

    def build(activations: Tensor, labels: Tensor) -> Batch:
        number = torch.arange(len(activations))
        return Batch(Site(0), activations, labels.to(torch.int8), number, number // 2, number % 3)

    return build
