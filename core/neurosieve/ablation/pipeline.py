"""From a finished run to the effect of editing its neurons: the stages of `ablate`, in order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.ablation.chosen_neurons import best_neurons, chosen_neurons, listed_neurons, requested_behaviour
from neurosieve.ablation.comparison import Comparison, Judgement, Observed
from neurosieve.ablation.completion_likelihood import check_head
from neurosieve.ablation.completions import Writing
from neurosieve.ablation.conditions import Condition, conditions
from neurosieve.ablation.control_neurons import Match, draw_controls, firing_of, matching_of, matching_warnings
from neurosieve.ablation.control_positions import ControlPositions
from neurosieve.ablation.effects import FEW_SETS, few_groups_warning
from neurosieve.ablation.generation import observe_generated
from neurosieve.ablation.settings import Ablate
from neurosieve.ablation.teacher_forcing import observe_forced
from neurosieve.contracts import Intervention, Report
from neurosieve.data import Neuron
from neurosieve.models.architectures import model_record
from neurosieve.models.assumptions import check_model
from neurosieve.pipeline.reopening import Reopened
from neurosieve.registry import describe
from neurosieve.runs.record_fields import described
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Run
from neurosieve.texts.intake import intake_notes, intake_warnings

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
        behaviour = requested_behaviour(opened.result, settings)
        listed = listed_neurons(opened, settings)
        ks, strengths = settings.doses(len(listed))
        targets, sign, how_chosen = chosen_neurons(opened.result, behaviour, listed, settings, ks[-1], "k")
        with run.stage("testing the model"):
            check_head(opened.lm)
            tests = check_model(opened.lm, opened.atlas, opened.space.sites)
        run.warnings += tests.warnings(opened.lm.name)
        with run.stage("matching"):
            at_controls = ControlPositions(opened, behaviour, settings.seed, run.announce)
            layers = [site.layer for site in opened.space.sites]
            best = best_neurons(opened.result, behaviour)
            firing = cache(lambda layer: firing_of(at_controls.at(layer)))
            sets = draw_controls(targets, layers, firing, best, settings.control_sets, settings.seed)
            requested = conditions(intervention, targets, sets, at_controls, ks, strengths)
        with run.stage("measuring"):
            measured, observed = _measure(opened, behaviour, requested, settings, writing, run.announce)
        sets = sets[: 1 + max(condition.control_set for condition in measured)]
        with run.stage("comparing"):
            comparisons = _comparisons(observed, measured, settings)
            what = {"mode": settings.mode, "behaviour": behaviour}
            rows = [what | row for comparison in comparisons for row in comparison.rows()]
            verdicts = [judgement._asdict() for judgement in _judgements(observed, comparisons)]
        run.tables |= {"effects": pd.DataFrame(rows), "neurons": _neurons(targets, sets), **observed.tables}
        matching = matching_of(sets)
        run.notes += [how_chosen, *intake_notes(opened.counts)]
        run.warnings += intake_warnings(opened.counts)
        run.warnings += matching_warnings(sets)
        run.warnings += few_groups_warning(comparisons[0].resamples.groups, settings.min_groups) + observed.warnings
        choices = {"intervention": intervention, "reports": reports}
        if settings.mode == "generated":
            choices |= {key: getattr(writing, key) for key in ("problems", "prompt", "sampling", "grader")}
        run.record |= {
            "run": str(opened.result.folder),
            "behaviours": [behaviour],
            "mode": settings.mode,
            "sign": sign,
            "intervention": describe(intervention),
            "measures": {measure.name: measure.words for measure in observed.measures},
            "verdicts": verdicts,
            "negligible": observed.negligible,
            "proof": observed.proof._asdict(),
            "matching": matching,
            "counts": observed.counts | {"control_sets": len(sets)},
            "model": model_record(opened.lm, opened.atlas, opened.space.sites, opened.atlas.neurons)
            | {"tests": tests.record()},
            "config": {"run": str(opened.result.folder), **asdict(settings), **described(choices), **config},
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
