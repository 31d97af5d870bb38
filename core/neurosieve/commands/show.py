"""`show`: chosen neurons on chosen texts, to look at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from neurosieve.commands.run_argument import check_given_run
from neurosieve.config.choices import handed_over, presets
from neurosieve.config.configuration import as_object, build_all, composed, publish
from neurosieve.config.hydra_app import run_hydra
from neurosieve.config.hydra_errors import explained
from neurosieve.contracts import Control, Detector, Report, Source
from neurosieve.data import Document
from neurosieve.inspection.pipeline import Show, show_neurons
from neurosieve.pipeline.reopening import PlannedRun, RunInputs, neurons_asked, reopened, result_of
from neurosieve.registry import installed
from neurosieve.runs.results import Result, Run

__all__ = ["from_config", "main", "show"]


@dataclass(frozen=True)
class _Config(Show):
    """The whole config: the settings, the run, and a place for its reports."""

    run: str = "???"
    reports: Any = field(default_factory=dict)


SCHEMAS: Mapping[str, type] = {"show": _Config}


def show(
    run: Result | str | Path,
    model: Any = None,
    *,
    source: Source | Iterable[Document] | None = None,
    detectors: Mapping[str, Detector] | None = None,
    control: Control | None = None,
    tokenizer: Any = None,
    reports: Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Show neurons of a finished run on texts: what they hold at each token, and what they write.

    Args:
        run: what `find` gave, or its folder.
        model: what was handed over to the run in Python must be handed over again, as it was to `find`; so for
            `source`, `detectors` and `control`.
        source: the texts of the run.
        detectors: of the run.
        control: of the run.
        tokenizer: of a loaded model that knows none.
        reports: presets, or what draws the run by name.
        folder: where to leave what is found; `<folder of the run>/show/<time>` by default.
        **settings: the fields of `Show`, such as `k`, `neurons`, `ids` and `text`.

    Returns:
        The run, with its tables `tokens`, `contexts`, `promoted` and `distribution`.

    Raises:
        NeurosieveError: what is asked cannot be done; the message says what to do next.
    """
    publish(SCHEMAS)
    result = result_of(run)
    asked = as_object(Show, settings, "show")
    if not isinstance(reports, Mapping):
        overrides = ["run=asked", *presets({}, {"reports": reports})]
        with explained("show", overrides):
            reports = build_all(composed("show", overrides).reports, "report")
    if model is not None:
        model = handed_over(model, tokenizer)
    opened = reopened(
        result, model=model, documents=source, detectors=detectors, control=control, announce=installed().announce
    )
    config = {"handed_over": [name for name, one in (("model", model), ("source", source)) if one is not None]}
    folder = Path(folder or result.folder / "show" / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}")
    return show_neurons(opened, asked, reports, folder, config)


def from_config(config: Any, folder: Path) -> Run:
    """Run what a composed config asks for, and leave the run in `folder`."""
    opened = reopened(result_of(config.run), announce=installed().announce)
    return show_neurons(opened, _settings(config), build_all(config.reports, "report"), folder, {})


def check_ahead(config: Any, ahead: PlannedRun) -> None:
    """Raise where a composed config asks for what a run that is to come cannot have."""
    settings = _settings(config)
    build_all(config.reports, "report")
    ahead.check_behaviour(settings.behaviour)
    if not neurons_asked(settings.neurons, ahead.atlas, ahead.model):
        ahead.check_k(settings.k)


def go_on(config: Any, result: Result, inputs: RunInputs, folder: Path) -> Run:
    """Run what a composed config asks for on a run that has just ended."""
    opened = inputs.reopened(result, installed().announce)
    return show_neurons(opened, _settings(config), build_all(config.reports, "report"), folder, {})


def _settings(config: Any) -> Show:
    found: Show = as_object(Show, {name: config[name] for name in Show.__dataclass_fields__}, "show")
    return found


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `show`."""
    from neurosieve.terminal.run import show_run

    check_given_run("show", arguments)
    run_hydra("show", arguments, SCHEMAS, lambda config, folder: show_run(from_config(config, folder)))
