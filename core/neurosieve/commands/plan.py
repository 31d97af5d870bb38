"""`plan`: what a run of `find` would use and cost, before any weight is loaded."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from neurosieve.commands import find
from neurosieve.config.hydra_app import run_hydra
from neurosieve.errors import ConfigError
from neurosieve.pipeline.job import Job
from neurosieve.pipeline.planning import Plan, plan_run
from neurosieve.pipeline.settings import NO_STORE
from neurosieve.runs.blocks import Cell, Header, Note, Table
from neurosieve.runs.tables import number
from neurosieve.texts.units.unit import unit_names, units_in_words
from neurosieve.wording import plural

__all__ = ["COMMAND", "main", "plan"]

COMMAND = replace(find.COMMAND, name="plan", schema="find")


def plan(*choices: Any, **more: Any) -> Plan:
    """Return what `neurosieve.find` would read and cost with the same arguments. No weights are loaded.

    Args:
        *choices: the model, source, detectors and scorers, as `neurosieve.find` takes them.
        **more: its other arguments, and the fields of `Find`; there is no folder, as nothing is left.

    Raises:
        NeurosieveError: the run could not be made; the message is that of the run.
    """
    return _planned(find.job_of(*choices, **more))


def _planned(job: Job) -> Plan:
    if job.settings.store == NO_STORE:
        raise ConfigError(
            "`store=none` chooses no positions, for it reads every token: there is nothing to plan but the size of the "
            "texts; leave it out to plan a run with a store"
        )
    return plan_run(job)


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `plan`."""

    def task(config: Any, _: Path) -> None:
        _show(_planned(Job(**COMMAND.build(config))))

    run_hydra(COMMAND, arguments, task)


def _show(plan: Plan) -> None:
    from neurosieve.terminal.printing import console, show_blocks, show_warnings

    table = plan.behaviours
    headers = [Header(""), *(Header(behaviour, True) for behaviour in table.behaviour)]
    rows = [
        [
            Cell(words.format(units=unit_names(plan.unit)[1])),
            *(Cell("none could" if value != value else number(value)) for value in table[name].tolist()),
        ]
        for name, words in _LINES.items()
        if name in table
    ]
    back = ""
    if plan.backward_passes:
        back = f" and {plural(plan.backward_passes, 'backward pass', 'backward passes')}"
    note = (
        f"reads {units_in_words(plan.unit, plan.positions)} of {plural(plan.documents, 'document')} in "
        f"{plural(plan.forward_passes, 'forward pass', 'forward passes')} of {plural(plan.tokens, 'token')}{back}, "
        f"unless the store holds them: about {_time(plan.seconds)} of reading on this machine, and "
        f"{plan.bytes / 2**20:,.0f} MiB of disk"
    )
    show_warnings(plan.warnings, out := console())
    notes = [Note(f"note: {text}") for text in plan.notes]
    show_blocks(
        [*notes, Table(headers, rows, f"what {plural(plan.neurons, 'neuron')} would be ranked by"), Note(note)], out
    )


_LINES = {
    "documents_with": "documents with it",
    "spans": "spans",
    "ranking_present": "present {units} that rank",
    "ranking_control": "control {units} that rank",
    "ranking_groups": "groups that rank",
    "minimum_detectable_auc": "smallest AUC that could reach p_fwer 0.05",
    "heldout_present": "present {units} held out",
    "heldout_control": "control {units} held out",
    "heldout_groups": "groups held out",
    "minimum_detectable_auc_heldout": "smallest AUC that could replicate",
}


def _time(seconds: float) -> str:
    for size, unit in ((3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
