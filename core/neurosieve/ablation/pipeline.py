"""From a finished run to the effect of editing its neurons: the stages of `ablate`, in order."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.ablation.comparison import Comparison, Judgement, Observed
from neurosieve.ablation.completions import Writing
from neurosieve.ablation.conditions import Condition, conditions
from neurosieve.ablation.control_neurons import Match
from neurosieve.ablation.effects import FEW_SETS, few_groups_warning
from neurosieve.ablation.generation import observe_generated
from neurosieve.ablation.preparation import prepare
from neurosieve.ablation.settings import Ablate
from neurosieve.ablation.teacher_forcing import observe_forced
from neurosieve.contracts import Intervention, Report
from neurosieve.data import Neuron
from neurosieve.pipeline.reopening import Reopened
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Run

__all__ = ["ablate_neurons"]

_FIRST_SETS = 3
"""So many sets of controls are measured first: where one of them has as large an effect as the targets, no more are."""


def ablate_neurons(
    opened: Reopened,
    intervention: Intervention,
    settings: Ablate,
    writing: Writing,
    reports: Mapping[str, Report],
    folder: Path,
    config: Mapping[str, Any],
) -> Run:
    """Edit neurons of a finished run, and control neurons, and write the run that shows the effect to `folder`.

    `config` is what else it takes to make the run again, for `run.json`.

    Raises:
        NeurosieveError: the run cannot be made; nothing is left in `folder`.
    """
    opened.atlas.check_editable()
    with recording("ablate", folder, reports) as run:
        prepared = prepare(run, opened, intervention, settings)
        behaviour, targets, sets = prepared.behaviour, prepared.neurons, prepared.sets
        ks, strengths = settings.doses(len(settings.neurons) and len(targets))
        with run.stage("matching"):
            requested = conditions(intervention, targets, sets, prepared.at_controls, ks, strengths)
        with run.stage("measuring"):
            measured, observed = _measure(opened, behaviour, requested, settings, writing, run.announce)
        sets = sets[: 1 + max(condition.control_set for condition in measured)]
        with run.stage("comparing"):
            comparisons = _comparisons(observed, measured, settings)
            what = {"mode": settings.mode, "behaviour": behaviour}
            rows = [what | row for comparison in comparisons for row in comparison.rows()]
            verdicts = [judgement._asdict() for judgement in _judgements(observed, comparisons)]
        run.tables |= {"effects": pd.DataFrame(rows), "neurons": _neurons(targets, sets), **observed.tables}
        choices: dict[str, Any] = {"reports": reports}
        if settings.mode == "generated":
            choices |= {key: getattr(writing, key) for key in ("problems", "prompt", "sampling", "grader")}
        prepared.record(run, sets, choices, config)
        run.warnings += few_groups_warning(comparisons[0].resamples.groups, settings.min_groups) + observed.warnings
        run.notes += observed.notes
        run.record |= {
            "measures": {measure.name: measure.words for measure in observed.measures},
            "verdicts": verdicts,
            "negligible": observed.negligible,
            "proof": observed.proof._asdict(),
            "counts": observed.counts | {"control_sets": len(sets)},
        }
    return run.run


def _measure(
    opened: Reopened,
    behaviour: str,
    requested: Sequence[Condition],
    settings: Ablate,
    writing: Writing,
    announce: Callable[..., None],
) -> tuple[Sequence[Condition], Observed]:
    """Return the conditions that were measured, and what was measured: further control sets only where they matter.

    A verdict that neurons matter needs them to beat every set. So to stop at a set that they do not beat does not
    raise the chance of a false verdict.

    Source: Besag and Clifford (1991), Sequential Monte Carlo p-values, Biometrika 78.
    """
    if settings.mode == "generated":  # All traces are made together, as one experiment.
        return requested, observe_generated(opened, behaviour, requested, settings, writing, announce)
    first = [condition for condition in requested if condition.control_set < _FIRST_SETS]
    further = [condition for condition in requested if condition.control_set >= _FIRST_SETS]
    observed = observe_forced(opened, behaviour, first, settings, announce)
    judgements = _judgements(observed, _comparisons(observed, first, settings)) if further else []
    if all(judgement.verdict != FEW_SETS for judgement in judgements):
        return first, observed
    more = observe_forced(opened, behaviour, further, settings, announce)
    return [*first, *further], observed.joined(more)


def _comparisons(observed: Observed, conditions: Sequence[Condition], settings: Ablate) -> list[Comparison]:
    return [
        Comparison(measure, conditions, settings.interval_bootstraps, settings.seed, settings.min_groups)
        for measure in observed.measures
    ]


def _judgements(observed: Observed, comparisons: Sequence[Comparison]) -> list[Judgement]:
    tested = comparisons[: observed.with_verdict]
    return [judgement for comparison in tested for judgement in comparison.judgements(observed.negligible)]


def _neurons(targets: Sequence[Neuron], sets: Sequence[Sequence[Match]]) -> pd.DataFrame:
    """Return a row for each neuron that was edited; `place` 1 is edited whatever `k` is."""
    rows = [
        ("target" if number < 0 else "control", number, *match.neuron, place, match.ratio)
        for number, matches in enumerate([[Match(neuron, np.nan, False) for neuron in targets], *sets], -1)
        for place, match in enumerate(matches, 1)
    ]
    return pd.DataFrame(rows, columns=["set", "control_set", "layer", "neuron", "place", "ratio"])
