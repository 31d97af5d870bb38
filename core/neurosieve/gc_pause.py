"""Work that makes many objects and no garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Hold the garbage collector back: as modules and vocabularies are read, it looks through all of them for nothing,
    again and again, which takes longer than a second of a run's start.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
