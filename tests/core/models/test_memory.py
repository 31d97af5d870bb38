"""A batch that does not fit into memory is halved, and nothing of it is lost or done twice."""

import pytest
import torch

from neurosieve.errors import ModelError
from neurosieve.models.memory import in_halves, memory_errors

CPU = torch.device("cpu")


def fits(most, calls):
    def work(batch):
        calls.append(list(batch))
        with memory_errors():
            if len(batch) > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return sum(batch)

    return work


@pytest.mark.parametrize("most", range(1, 8))
def test_every_item_comes_once_and_in_order(most):
    calls = []
    pieces = list(in_halves([range(5), [5, 6]], fits(most, calls), CPU, str))
    assert [item for piece, _ in pieces for item in piece] == list(range(7))
    assert all(result == sum(piece) and len(piece) <= most for piece, result in pieces)
    assert len(calls) == len(pieces) + max(0, len(pieces) - 2), "each halving costs one try and makes one piece more"


def test_an_item_that_does_not_fit_alone_is_named():
    with pytest.raises(ModelError, match="item 3 is too large"):
        list(in_halves([[3, 4]], fits(0, []), CPU, lambda item: f"item {item} is too large"))


def test_what_was_done_before_memory_ran_out_is_not_done_again():
    calls = []
    pieces = list(
        in_halves([[1, 2, 3, 4]], fits(2, calls), CPU, str, lambda batch: [item for item in batch if item > 1])
    )
    assert [list(piece) for piece, _ in pieces] == [[2], [3, 4]]
    assert not list(in_halves([[1]], fits(0, []), CPU, str, lambda _: [])), "nothing was left to do"


def test_other_errors_are_not_about_memory():
    with pytest.raises(RuntimeError, match="shape"), memory_errors():
        raise RuntimeError("wrong shape")
