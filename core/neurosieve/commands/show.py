"""`show`: chosen neurons on chosen texts, to look at."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosieve.commands.run_argument import check_given_run, open_run
from neurosieve.config.command import Command, Many
from neurosieve.config.hydra_app import run_hydra
from neurosieve.contracts import Control, Detector, Report, Source
from neurosieve.data import Document, Skipped
from neurosieve.inspection.pipeline import Show, show_neurons
from neurosieve.pipeline.reopening import PlannedRun, RunInputs, parse_neurons, result_of
from neurosieve.registry import installed
from neurosieve.runs.results import Result, Run

__all__ = ["COMMAND", "check_ahead", "go_on", "main", "show"]

COMMAND = Command("show", Show, {"reports": Many("report")}, keys={"run": "???"})


def show(
    run: Result | str | Path,
    model: Any = None,
    *,
    source: Source | Iterable[Document | Skipped] | None = None,
    detectors: Mapping[str, Detector] | None = None,
    control: Control | None = None,
    tokenizer: Any = None,
    reports: str | Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Show neurons of a finished run on texts: what they hold at each token, and what they write.

    Args:
        run: what `find` gave, or its folder.
        model: what was handed over to the run in Python must be handed over again, as it was to `find`; so for
            `source` (its texts), `detectors` and `control`.
        tokenizer: of a loaded model that knows none.
        reports: presets, or what draws the run by name.
        folder: where the run is left; `<folder of the run>/show/<time>` by default.
        **settings: the fields of `Show`, such as `k`, `neurons`, `ids` and `text`.

    Returns:
        The run, with its tables `tokens`, `contexts`, `promoted` and `distribution`.

    Raises:
        NeurosieveError: it cannot be done; the message says what to do next.
    """
    result = result_of(run)
    parts = COMMAND.from_python({"reports": reports}, settings)
    opened, handed_over = open_run(result, model, tokenizer, source, detectors, control)
    return show_neurons(opened, **parts, folder=COMMAND.run_folder(folder, result.folder), config=handed_over)


def check_ahead(parts: Mapping[str, Any], ahead: PlannedRun) -> None:
    """Raise where a follow-up asks for what a run that is to come cannot have."""
    settings: Show = parts["settings"]
    ahead.check_behaviour(settings.behaviour)
    if not parse_neurons(settings.neurons, ahead.atlas, ahead.model):
        ahead.check_k(settings.k)


def go_on(parts: Mapping[str, Any], result: Result, inputs: RunInputs, folder: Path) -> Run:
    """Run a follow-up on a run that has just ended."""
    return show_neurons(inputs.reopen(result, installed().announce), **parts, folder=folder, config={})


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `show`."""
    from neurosieve.terminal.finished_run import show_run

    def task(config: Any, folder: Path) -> None:
        opened, _ = open_run(result_of(config.run))
        show_run(show_neurons(opened, **COMMAND.build(config), folder=folder, config={}))

    check_given_run("show", arguments)
    run_hydra(COMMAND, arguments, task)
