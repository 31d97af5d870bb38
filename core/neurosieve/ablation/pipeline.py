"""From a finished run to the effect of editing its neurons: the stages of `ablate`, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.ablation.comparison import Comparison, Judgement, Observed
from neurosieve.ablation.conditions import (
    FIRST_SETS,
    Condition,
    best_neurons,
    conditions,
    control_sets,
    ranked_neurons,
    rounds,
)
from neurosieve.ablation.completions import Writing, described_writing
from neurosieve.ablation.hooks import check_editable
from neurosieve.ablation.effects import FEW_SETS
from neurosieve.ablation.generation import observe_generated
from neurosieve.ablation.control_neurons import Match
from neurosieve.ablation.control_positions import ControlPositions
from neurosieve.ablation.settings import Ablate
from neurosieve.ablation.teacher_forcing import observe_forced
from neurosieve.contracts import Intervention, Report
from neurosieve.data import Neuron
from neurosieve.errors import ConfigError, nearest
from neurosieve.pipeline.reopening import Reopened, neurons_asked
from neurosieve.registry import describe, installed
from neurosieve.runs.record import Stopwatch, versions
from neurosieve.runs.results import Run, draw, write_run

__all__ = ["ablate_neurons"]

_FAR = 2.0
"""Control neurons that fire more than so many times as often or as strongly as their targets are warned of."""


def ablate_neurons(
    opened: Reopened,
    intervention: Intervention,
    settings: Ablate,
    writing: Writing,
    reports: Mapping[str, Report],
    folder: Path,
    config: Mapping[str, Any],
) -> Run:
    """Edit neurons of a finished run and control neurons, and leave in `folder` what that does.

    Args:
        opened: the run.
        intervention: the edit.
        settings: which neurons, how many, how strongly, and where to look.
        writing: what the model is given to write, where it writes.
        reports: draw what is left.
        folder: where to.
        config: what else it takes to do it again, for `run.json`.

    Raises:
        NeurosieveError: what is asked cannot be done; nothing is left in `folder`.
    """
    if (folder / "run.json").exists():
        raise ConfigError(f"`{folder}` holds a finished run already, which is not written over: give another folder")
    check_editable(opened.atlas)
    announce = installed().announce
    announce("run_started", command="ablate", folder=folder)
    watch, warnings, result = Stopwatch(), list[str](), opened.result
    behaviour = settings.behaviour or result.behaviours[0]
    if behaviour not in result.behaviours:
        raise ConfigError(f"the run has no behaviour `{behaviour}`: {nearest(behaviour, result.behaviours)}")
    listed = neurons_asked(settings.neurons, opened.atlas, opened.held.name)
    ks, strengths = settings.doses(len(listed))
    targets = (listed or ranked_neurons(result, behaviour, ks[-1]))[: ks[-1]]
    with watch.stage("matching"):
        at_controls = ControlPositions(opened, behaviour, settings.seed, announce)
        layers = [site.layer for site in opened.space.sites]
        best = best_neurons(result, behaviour)
        sets = control_sets(targets, at_controls, layers, best, settings.control_sets, settings.seed)
        asked = conditions(intervention, targets, sets, at_controls, ks, strengths)
    described = describe(intervention)
    name = str(described["_target_"]).rpartition("/")[2]

    def observe(looked_at: Sequence[Condition]) -> Observed:
        if settings.mode == "generated":
            return observe_generated(opened, behaviour, looked_at, name, settings, writing, announce)
        return observe_forced(opened, behaviour, looked_at, name, settings, announce)

    with watch.stage("measuring"):
        # Texts as they stand can be read again under further edits; all traces are made together, as one experiment.
        asked, further = (asked, []) if settings.mode == "generated" else rounds(asked)
        observed = observe(asked)
        if further and any(one.verdict == FEW_SETS for one in _judged(observed, asked, settings)):
            observed, asked = observed.joined(observe(further)), [*asked, *further]
        elif further:
            sets = sets[:FIRST_SETS]
    with watch.stage("comparing"):
        compared = _compared(observed, asked, settings)
        told = {"mode": settings.mode, "behaviour": behaviour}
        effects = pd.DataFrame([{**told, **line} for one in compared for line in one.lines(name)])
        judgements = [one._asdict() for one in _judged(observed, asked, settings)]
    warnings += _cautions(sets, compared[0], settings.min_groups) + observed.warnings
    observed.counts["control_sets"] = len(sets)
    run = {
        "command": "ablate",
        "run": str(result.folder),
        "behaviours": [behaviour],
        "mode": settings.mode,
        "intervention": described,
        "measures": {measure.name: measure.words for measure in observed.measures},
        "verdicts": judgements,
        "negligible": observed.negligible,
        "proof": observed.proof._asdict(),
        "matching": _matching(sets),
        "warnings": warnings,
        "counts": observed.counts,
        "timings_seconds": watch.seconds,
        "model": {
            "name": opened.held.name,
            "site": opened.atlas.kind,
            "weights": opened.held.fingerprint,
            "device": str(opened.held.device),
            "dtype": str(opened.held.dtype).removeprefix("torch."),
        },
        "config": {
            "run": str(result.folder),
            "intervention": described,
            **asdict(settings),
            **(described_writing(writing) if settings.mode == "generated" else {}),
            "reports": {name: describe(report) for name, report in reports.items()},
            **config,
        },
        "versions": versions(),
    }
    written = write_run(folder, run, {"effects": effects, "neurons": _neurons(targets, sets), **observed.tables})
    draw(folder, reports)
    announce("run_ended", command="ablate", folder=folder)
    return written


def _compared(observed: Observed, conditions: Sequence[Condition], settings: Ablate) -> list[Comparison]:
    return [
        Comparison(measure, conditions, settings.interval_bootstraps, settings.seed, settings.min_groups)
        for measure in observed.measures
    ]


def _judged(observed: Observed, conditions: Sequence[Condition], settings: Ablate) -> list[Judgement]:
    compared = _compared(observed, conditions, settings)[: observed.judged]
    return [judgement for one in compared for judgement in one.judgements(observed.negligible)]


def _neurons(targets: Sequence[Neuron], sets: Sequence[Sequence[Match]]) -> pd.DataFrame:
    """Return a line for each neuron that was edited; `place` 1 is edited whatever `k` is."""
    lines = [("target", -1, *neuron, place, np.nan) for place, neuron in enumerate(targets, 1)]
    lines += [
        ("control", number, *match.neuron, place, match.ratio)
        for number, matches in enumerate(sets)
        for place, match in enumerate(matches, 1)
    ]
    return pd.DataFrame(lines, columns=["set", "control_set", "layer", "neuron", "place", "ratio"])


def _matching(sets: Sequence[Sequence[Match]]) -> dict[str, Any]:
    ratios = [match.ratio for matches in sets for match in matches]
    wide = sum(match.wide for matches in sets for match in matches)
    return {"sets": len(sets), "worst_ratio": max(ratios), "median_ratio": float(np.median(ratios)), "wide": wide}


def _cautions(sets: Sequence[Sequence[Match]], judged: Comparison, enough: int) -> list[str]:
    """Return what a reader of the effects must know first."""
    found, told = [], _matching(sets)
    if told["worst_ratio"] > _FAR:
        far = sum(match.ratio > _FAR for matches in sets for match in matches)
        found.append(
            f"{far:,} of {sum(map(len, sets)):,} control neurons are no close match: the worst fires "
            f"{told['worst_ratio']:.3g} times as often or as strongly as its target, or its target as it"
        )
    if told["wide"]:
        found.append(
            f"{told['wide']:,} control neurons are of another layer than their target, or among the best of the "
            "ranking, as its layer has no other left: a smaller `k` leaves more"
        )
    if judged.resamples.groups < enough:
        found.append(
            f"the effect is measured in {judged.resamples.groups} groups: with fewer than {enough} there is no "
            "interval and no verdict"
        )
    return found
