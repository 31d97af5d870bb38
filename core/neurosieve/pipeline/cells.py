"""Where the cells of a ranking are kept, and what fills them: activations, or what another reading makes of them."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from neurosieve.activations.capture import Capture, capture, keys_of
from neurosieve.activations.control_means import control_means
from neurosieve.activations.other_stores import warn_of_other_stores
from neurosieve.activations.reading import open_space, read_complete
from neurosieve.activations.store import Space
from neurosieve.models.batches import Reader, batch_budget
from neurosieve.models.head import head_of
from neurosieve.pipeline.job import Job
from neurosieve.runs.recording import Recording
from neurosieve.texts.positions import Positions

__all__ = ["OpenCells", "open_cells", "spaces_hash"]


class OpenCells(NamedTuple):
    """The cells of some behaviours: where they are kept, at which positions, and what reads those that are lacking."""

    space: Space
    positions: Positions
    fill: Callable[[], Capture]
    control_means: Capture
    """What reading the means at the controls took, without the positions: they are not what is ranked by."""


def open_cells(job: Job, activations: Reader, positions: Positions, run: Recording) -> list[OpenCells]:
    """Return the store of what a job reads at some positions, and what fills it.

    `activations` reads activations: where the reading needs their means at the controls, they are read now. Each
    behaviour has controls of its own, and so it has cells of its own then.
    """
    with run.stage("opening the store"):
        space = open_space(activations, job.settings.store)
    run.warnings += warn_of_other_stores(space)
    fill = _filler(job, activations, space, positions, run)
    if not job.reading.needs_control_means:
        reader = replace(activations, reading=job.reading)
        if not reader.address_part():  # Activations are what is asked for.
            return [OpenCells(space, positions, fill, Capture())]
        return [_cells(job, reader, positions, run, Capture())]
    cells = []
    for behaviour in positions.behaviours:
        means, cost = read_complete(space, fill, partial(control_means, space, positions, behaviour))
        reader = replace(activations, reading=job.reading, control_means=means)
        cells.append(_cells(job, reader, positions.of_behaviour(behaviour), run, replace(cost, positions=0)))
    return cells


def spaces_hash(cells: Iterable[OpenCells]) -> str:
    """Return the address of the store of the cells, or several where each behaviour has its own."""
    return " ".join(dict.fromkeys(each.space.address for each in cells))


def _cells(job: Job, reader: Reader, positions: Positions, run: Recording, control_means: Capture) -> OpenCells:
    space = open_space(reader, job.settings.store)
    return OpenCells(space, positions, _filler(job, reader, space, positions, run), control_means)


def _filler(job: Job, reader: Reader, space: Space, positions: Positions, run: Recording) -> Callable[[], Capture]:
    budget = batch_budget(job.settings.tokens_per_batch, reader.model)

    def fill() -> Capture:
        if job.foretells and not space.has(*keys_of(positions)).all():
            head_of(reader.model)  # Its weights are needed now: before hours of reading.
        with run.stage("reading"):
            return capture(reader, space, positions, budget, run.announce, job.executor)

    return fill
