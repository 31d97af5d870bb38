"""Whether a command that goes on from a finished run was given one, before Hydra makes a folder in it."""

from collections.abc import Sequence

from neurosieve.errors import ConfigError
from neurosieve.pipeline.reopening import result_of

__all__ = ["check_given_run"]


def check_given_run(command: str, arguments: Sequence[str]) -> None:
    """Raise unless the arguments name a finished run of `find`, or ask for no run at all, as `--help` does.

    Raises:
        ConfigError: no run is named.
        DataError: what is named is none.
    """
    if any(one.startswith("-") for one in arguments):  # A sweep, or a look at the config: Hydra sees to them.
        return
    given = [one.partition("=")[2] for one in arguments if one.startswith("run=")]
    if not given:
        raise ConfigError(f"no run is given: name the folder of one, as in `neurosieve {command} run=runs/find/...`")
    result_of(given[-1].strip("'\""))
