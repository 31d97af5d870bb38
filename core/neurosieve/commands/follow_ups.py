"""What a run of `find` is followed by, in its own folder: other commands, and fresh traces of the same model."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import open_dict

from neurosieve.config.command import Command
from neurosieve.config.composition import outside_the_job
from neurosieve.config.configuration import publish
from neurosieve.config.hydra_errors import explained
from neurosieve.contracts import Report
from neurosieve.errors import ConfigError, DataError, InterruptedRun, NeurosieveError, nearest
from neurosieve.pipeline.reopening import PlannedRun, RunInputs
from neurosieve.registry import describe
from neurosieve.runs.reader import RECORD
from neurosieve.runs.recording import draw
from neurosieve.runs.results import Result, Run
from neurosieve.runs.writer import warned

__all__ = ["FollowUp", "check_ahead", "follow", "follow_up_step", "planned", "ranking_kept"]

FOLLOWERS = ("analyze", "show", "ablate")
"""The commands that go on from a run."""
_ABLATE = [("ablate", "", "")]


class FollowUp(NamedTuple):
    """A command to follow a run, and its config."""

    command: Command
    config: Any
    line: str
    """The line of `follow_up` that asks for it."""

    @property
    def module(self) -> Any:
        """The module of the command, which has `check_ahead` and `go_on`."""
        return import_module(f"neurosieve.commands.{self.command.name}")

    def parts(self) -> dict[str, Any]:
        """Return what its config asks for, without what it takes from the run."""
        return self.command.build(self.config, without=self.command.from_run)


def planned(lines: Sequence[str], reports: Mapping[str, Report]) -> list[FollowUp]:
    """Return what some lines such as `ablate k=[1,10]` ask for, checked before anything is run.

    `reports` draw them, unless a line says otherwise.

    Raises:
        ConfigError: there is no such command to follow a run, or it has no such option.
    """
    plans = []
    for line in lines:
        name, *overrides = shlex.split(line) or [""]
        if name not in FOLLOWERS:
            raise ConfigError(f"`follow_up` holds `{line}`, which cannot follow a run: {nearest(name, FOLLOWERS)}")
        command: Command = import_module(f"neurosieve.commands.{name}").COMMAND
        publish(command.schemas)
        with outside_the_job(), explained(name, overrides):
            config = command.compose(overrides)
        if not any(override.startswith("reports") for override in overrides):
            with open_dict(config):
                config.reports = {key: describe(report) for key, report in reports.items()}
        plans.append(FollowUp(command, config, line))
    return plans


def check_ahead(plans: Sequence[FollowUp], ahead: PlannedRun) -> None:
    """Raise where a follow-up asks for what the run to come cannot have, before anything is read for it.

    Raises:
        ConfigError: it does; the message names it.
    """
    for plan in plans:
        try:
            plan.module.check_ahead(plan.parts(), ahead)
        except NeurosieveError as error:
            raise ConfigError(f"`follow_up` holds `{plan.line}`: {error}") from error


def follow(
    plans: Sequence[FollowUp],
    result: Result,
    inputs: RunInputs,
    reports: Mapping[str, Report],
    done: Callable[[str], Any],
) -> Result:
    """Run each follow-up on a finished run, as a `follow_up_step`, and return the run, drawn by `reports`.

    `done` hears the line of each that has ended.
    """
    drawn = True
    for plan in plans:
        parts, folder = plan.parts(), plan.command.run_folder(None, result.folder)
        outcome = follow_up_step(result, plan.line, partial(plan.module.go_on, parts, result, inputs, folder))
        # A step draws the run that it is part of; one that could not be done, or has other reports, does not.
        drawn, result = outcome is result and parts["reports"] == reports, outcome
        done(plan.line)
    if not drawn:
        draw(result.folder, reports)
    return result


@contextmanager
def ranking_kept(folder: Path, steps: Sequence[str], reports: Mapping[str, Report]) -> Iterator[list[str]]:
    """Give a list of the steps that are missing of a run, from which each is removed when it has ended.

    Where the block is interrupted after the ranking is finished, the run gains a warning that names those that are
    still missing.

    Raises:
        InterruptedRun: it was interrupted then; the message says where the ranking is, and how to go on.
    """
    before, missing = (folder / RECORD).exists(), list(steps)
    try:
        yield missing
    except KeyboardInterrupt as interrupt:
        if before or not (folder / RECORD).exists():
            raise
        message = f"interrupted; the ranking is finished, and is in `{folder}`"
        if not missing:
            raise InterruptedRun(f"{message}, but its reports may not be drawn") from interrupt
        names = ", ".join(f"`{step}`" for step in missing)
        try:
            warned(Result(folder), f"the run was interrupted after the ranking: without {names}, which did not end")
            draw(folder, reports)
        except KeyboardInterrupt:  # Again: what was to be told is told all the same.
            pass
        raise InterruptedRun(f"{message}, without {names}: go on with {_going_on(folder, missing)}") from interrupt


def _going_on(folder: Path, missing: Sequence[str]) -> str:
    """Return the commands that do on a finished run what its follow-ups would have done, or one that can."""
    lines = [line.partition(" ") for line in missing if line.partition(" ")[0] in ("show", "ablate")]
    return " and ".join(
        f"`neurosieve {name} run={folder}{space}{choices}`" for name, space, choices in lines or _ABLATE
    )


def follow_up_step(result: Result, line: str, step: Callable[[], Run]) -> Result:
    """Go on from a finished run, and return it: it stands, whatever comes of the step.

    Where its texts do not hold what the step needs, that is one more finding about them, and a warning of the run.

    Raises:
        NeurosieveError: the step went wrong otherwise; the message says that the run stands, and where.
    """
    try:
        step()
    except DataError as error:
        warned(result, f"`{line}` could not be done: {error}. The step is skipped; the ranking is kept")
        return Result(result.folder)
    except NeurosieveError as error:
        raise type(error)(
            f"`{line}` failed: {error} (the ranking before it is finished, and stands in `{result.folder}`: "
            "`neurosieve show` and `neurosieve ablate` go on from there)"
        ) from error
    return result
