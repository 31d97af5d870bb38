"""A pause of the garbage collector, for work that makes many objects and no garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["without_gc"]


@contextmanager
def without_gc() -> Iterator[None]:
    """Pause the garbage collector: as modules and vocabularies are read, it would look through all of them again and
    again for nothing, which takes longer than a second of a run's start.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
