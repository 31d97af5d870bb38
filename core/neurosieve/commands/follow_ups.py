"""What a run of `find` is followed by, in its own folder: other commands, and fresh traces of the same model."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from omegaconf import open_dict

from neurosieve.config.composition import outside_the_job
from neurosieve.config.configuration import composed, publish
from neurosieve.config.hydra_errors import explained
from neurosieve.contracts import Report
from neurosieve.errors import ConfigError, DataError, NeurosieveError, nearest
from neurosieve.pipeline.reopening import PlannedRun, RunInputs
from neurosieve.registry import describe
from neurosieve.runs.results import Result, Run, warned

__all__ = ["FollowUp", "check_ahead", "follow", "follow_up_step", "planned"]

FOLLOWERS = ("analyze", "show", "ablate")
"""The commands that go on from a run."""


class FollowUp(NamedTuple):
    """A command to follow a run, and its config."""

    command: str
    config: Any
    line: str
    """As it was asked for."""


def planned(lines: Sequence[str], reports: Mapping[str, Report]) -> list[FollowUp]:
    """Return what some lines such as `ablate k=[1,10]` ask for, checked before anything is run.

    Args:
        lines: each a command and its overrides, as on the command line.
        reports: what draws them, unless a line says otherwise.

    Raises:
        ConfigError: there is no such command to follow a run, or it has no such option.
    """
    plans = []
    for line in lines:
        command, *overrides = shlex.split(line) or [""]
        if command not in FOLLOWERS:
            raise ConfigError(f"`follow_up` holds `{line}`, which cannot follow a run: {nearest(command, FOLLOWERS)}")
        module = import_module(f"neurosieve.commands.{command}")
        publish(module.SCHEMAS)
        if command != "analyze":
            overrides.append("run=that")
        with outside_the_job(), explained(command, overrides):
            config = composed(command, overrides)
        if not any(one.startswith("reports") for one in overrides):
            with open_dict(config):
                config.reports = {name: describe(report) for name, report in reports.items()}
        plans.append(FollowUp(command, config, line))
    return plans


def check_ahead(plans: Sequence[FollowUp], ahead: PlannedRun) -> None:
    """Raise where a follow-up asks for what the run to come cannot have, before anything is read for it.

    Raises:
        ConfigError: it does; the message names it.
    """
    for plan in plans:
        try:
            import_module(f"neurosieve.commands.{plan.command}").check_ahead(plan.config, ahead)
        except NeurosieveError as error:
            raise ConfigError(f"`follow_up` holds `{plan.line}`: {error}") from error


def follow(plans: Sequence[FollowUp], result: Result, inputs: RunInputs) -> Result:
    """Run each follow-up on a finished run, and return the run, with a warning for each that its texts do not allow.

    Raises:
        NeurosieveError: one of them went wrong otherwise; the message says that the run stands, and where.
    """
    for plan in plans:
        folder = result.folder / plan.command / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
        module = import_module(f"neurosieve.commands.{plan.command}")
        result = follow_up_step(result, plan.line, partial(module.go_on, plan.config, result, inputs, folder))
    return result


def follow_up_step(result: Result, asked: str, step: Callable[[], Run]) -> Result:
    """Go on from a finished run, and return it: it stands, whatever comes of the step.

    Where its texts do not hold what the step needs, that is one more finding about them, and a warning of the run.

    Raises:
        NeurosieveError: the step went wrong otherwise; the message says that the run stands, and where.
    """
    try:
        step()
    except DataError as error:
        warned(result, f"`{asked}` came to nothing: {error}. NOTHING WAS TRIED: the ranking is as it was")
        return Result(result.folder)
    except NeurosieveError as error:
        raise type(error)(
            f"`{asked}` failed: {error} (the ranking before it is finished, and stands in `{result.folder}`: "
            "`neurosieve show` and `neurosieve ablate` go on from there)"
        ) from error
    return result
