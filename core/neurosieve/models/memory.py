"""What to do when a device's memory runs out: halve the batch."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch

from neurosieve.errors import ModelError

__all__ = ["in_halves", "memory_errors"]

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn each device's way of saying that memory is out into a MemoryError."""
    try:
        yield
    except RuntimeError as error:
        words = ("can't allocate memory", "out of memory")
        if isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in words):
            raise MemoryError(str(error).partition("\n")[0]) from error
        raise


def in_halves(
    batches: Iterable[Sequence[T]],
    work: Callable[[Sequence[T]], R],
    device: torch.device,
    too_large: Callable[[T], str],
    remaining: Callable[[Sequence[T]], Sequence[T]] = lambda batch: batch,
) -> Iterator[tuple[Sequence[T], R]]:
    """Yield each batch with what `work` makes of it; a batch that does not fit into memory is halved, in order.

    Args:
        work: raises MemoryError where a batch does not fit.
        device: whose memory it is.
        too_large: gives the message about an item that does not fit alone.
        remaining: gives the items of a batch that are still to do after it did not fit; all, by default.

    Raises:
        ModelError: an item does not fit alone.
    """
    waiting = list(batches)
    while waiting:
        batch = waiting.pop(0)
        try:
            result = work(batch)
        except MemoryError as error:
            rest = remaining(batch)
            if rest and len(batch) == 1:
                raise ModelError(too_large(batch[0])) from error
            middle = len(rest) // 2
            waiting[:0] = [half for half in (rest[:middle], rest[middle:]) if half]
        else:
            yield batch, result
            continue
        # Outside of the handler, whose traceback holds what the forward pass had made.
        if device.type == "cuda":
            torch.cuda.empty_cache()
