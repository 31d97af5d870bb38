"""The finished run that a command goes on from: whether one is given, and the run opened again."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from neurosieve.config.choices import handed_over
from neurosieve.contracts import Control, Detector
from neurosieve.data import Document, Skipped
from neurosieve.errors import ConfigError
from neurosieve.pipeline.reopening import Reopened, reopen, result_of
from neurosieve.registry import installed
from neurosieve.runs.results import Result

__all__ = ["check_given_run", "open_run"]


def check_given_run(command: str, arguments: Sequence[str]) -> None:
    """Raise unless the arguments name a finished run of `find`, or ask for no run at all, as `--help` does.

    This comes first, for Hydra would make a folder in it.

    Raises:
        ConfigError: no run is named.
        DataError: what is named is none.
    """
    if any(argument.startswith("-") for argument in arguments):  # A sweep, or a look at the config: Hydra sees to them.
        return
    given = [argument.partition("=")[2] for argument in arguments if argument.startswith("run=")]
    if not given:
        raise ConfigError(f"no run is given: name the folder of one, as in `neurosieve {command} run=runs/find/...`")
    result_of(given[-1].strip("'\""))


def open_run(
    result: Result,
    model: Any = None,
    tokenizer: Any = None,
    source: Iterable[Document | Skipped] | None = None,
    detectors: Mapping[str, Detector] | None = None,
    control: Control | None = None,
) -> tuple[Reopened, dict[str, Any]]:
    """Return a run opened again, and what `run.json` says of what was handed over in Python for it."""
    given = {"model": model, "source": source}
    opened = reopen(
        result,
        model=None if model is None else handed_over(model, tokenizer),
        documents=source,
        detectors=detectors,
        control=control,
        announce=installed().announce,
    )
    return opened, {"handed_over": [name for name, value in given.items() if value is not None]}
