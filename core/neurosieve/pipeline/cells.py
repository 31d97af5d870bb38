"""Where the cells of a ranking are kept, and what fills them: activations, or what another reading makes of them."""

from collections.abc import Callable, Mapping

from torch import Tensor

from neurosieve.activations.capture import Capture, capture
from neurosieve.activations.control_means import control_means
from neurosieve.activations.other_stores import warn_of_other_stores
from neurosieve.activations.reading import open_space, read_complete
from neurosieve.activations.store import Space
from neurosieve.data import Site
from neurosieve.models.batches import Reader, batch_budget
from neurosieve.pipeline.job import Job
from neurosieve.runs.recording import Recording
from neurosieve.texts.positions import Positions

__all__ = ["open_cells"]


def open_cells(
    job: Job, activations: Reader, positions: Positions, run: Recording
) -> tuple[Space, Callable[[], Capture]]:
    """Return the store of what a job reads at some positions, and what fills it.

    `activations` reads activations: where the reading needs their means at the controls, they are read now.
    """
    with run.stage("opening the store"):
        space = open_space(activations, job.settings.store)
    run.warnings += warn_of_other_stores(space)
    fill = _filler(job, activations, space, positions, run)
    means: Mapping[Site, Tensor] = {}
    if job.reading.needs_control_means:
        means, _ = read_complete(space, fill, lambda: control_means(space, positions))
    reader = Reader(activations.model, activations.atlas, activations.sites, job.reading, means)
    if not reader.address_part():  # Activations are what is asked for.
        return space, fill
    cells = open_space(reader, job.settings.store)
    return cells, _filler(job, reader, cells, positions, run)


def _filler(job: Job, reader: Reader, space: Space, positions: Positions, run: Recording) -> Callable[[], Capture]:
    budget = batch_budget(job.settings.tokens_per_batch, reader.model)

    def fill() -> Capture:
        with run.stage("reading"):
            return capture(reader, space, positions, budget, run.announce, job.executor)

    return fill
