"""Work on the neurons of a layer in parallel, one chunk on each thread."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

__all__ = ["on_threads"]


def on_threads(work: Callable[[int], None], starts: range, device: torch.device) -> None:
    """Call `work` with each start of a piece: each thread of a processor has its own, a GPU takes turns.

    Were torch to split each piece of work over threads, they would wait for one another most of the time, the more so
    on a busy machine. The pieces are to be small enough to stay in a processor's cache.
    """
    if device.type != "cpu":
        for start in starts:
            work(start)
        return
    threads = torch.get_num_threads()
    # What a thread starts with; this one and others that run keep what they have.
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(work, starts):
                pass
    finally:
        torch.set_num_threads(threads)
