"""What a run of `find` is followed by, in its own folder: other commands, and fresh traces of the same model."""

import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, NamedTuple

from neurosieve.config.composition import outside_the_job
from neurosieve.config.configuration import composed, publish
from neurosieve.config.hydra_errors import explained
from neurosieve.errors import ConfigError, nearest
from neurosieve.reopening import AtHand
from neurosieve.results import Result, Run

__all__ = ["FollowUp", "follow", "planned"]

FOLLOWERS = ("analyze", "show", "ablate")
"""The commands that go on from a run."""


class FollowUp(NamedTuple):
    """A command to follow a run, and its config."""

    command: str
    config: Any


def planned(lines: Sequence[str], reports: Iterable[str]) -> list[FollowUp]:
    """Return what some lines such as `ablate k=[1,10]` ask for, checked before anything is run.

    Args:
        lines: each a command and its overrides, as on the command line.
        reports: what draws them, by name, unless a line says otherwise.

    Raises:
        ConfigError: there is no such command to follow a run, or it has no such option.
    """
    plans = []
    for line in lines:
        command, *overrides = shlex.split(line) or [""]
        if command not in FOLLOWERS:
            raise ConfigError(f"`then` holds `{line}`, which cannot follow a run: {nearest(command, FOLLOWERS)}")
        module = import_module(f"neurosieve.commands.{command}")
        publish(module.SCHEMAS)
        if command != "analyze":
            overrides.append("run=that")
        if not any(one.startswith("reports=") for one in overrides):
            overrides.append(f"reports=[{','.join(reports)}]")
        with outside_the_job(), explained(command, overrides):
            plans.append(FollowUp(command, composed(command, overrides)))
    return plans


def follow(plans: Sequence[FollowUp], result: Result, at_hand: AtHand) -> list[Run]:
    """Run each follow-up on a finished run, and return what they left in its folder."""
    runs = []
    for plan in plans:
        folder = result.folder / plan.command / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
        runs.append(import_module(f"neurosieve.commands.{plan.command}").go_on(plan.config, result, at_hand, folder))
    return runs
