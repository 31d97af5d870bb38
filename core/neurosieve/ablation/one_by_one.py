"""`ablate mode=each`: each neuron is edited alone, beside matched control neurons, and gets a verdict of its own."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.ablation.conditions import with_control_activations
from neurosieve.ablation.control_neurons import Match
from neurosieve.ablation.edit import Edit
from neurosieve.ablation.edited_passes import Forced
from neurosieve.ablation.editing_hooks import Edits
from neurosieve.ablation.effects import few_groups_warning
from neurosieve.ablation.firing_replication import firing_replication
from neurosieve.ablation.measured_tokens import MeasuredToken, measured_tokens
from neurosieve.ablation.preparation import prepare
from neurosieve.ablation.settings import Ablate
from neurosieve.ablation.single_neurons import MeasuredChanges, verdict_on
from neurosieve.ablation.teacher_forcing import NEGLIGIBLE, teacher_forced
from neurosieve.contracts import Intervention, Report
from neurosieve.data import Neuron
from neurosieve.models.batches import batch_budget
from neurosieve.pipeline.reopening import Reopened
from neurosieve.runs.columns import SINGLE_VERDICTS
from neurosieve.runs.foretelling import compared, foretold_column
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Result, Run
from neurosieve.runs.single_neurons_summary import SINGLE_NEURONS
from neurosieve.runs.tables import neuron_name
from neurosieve.wording import plural

__all__ = ["ablate_one_by_one"]

_NAMED = 5


def ablate_one_by_one(
    opened: Reopened,
    intervention: Intervention,
    settings: Ablate,
    reports: Mapping[str, Report],
    folder: Path,
    config: Mapping[str, Any],
) -> Run:
    """Edit neurons of a finished run one at a time, and write the run with a verdict on each to `folder`.

    `config` is what else it takes to make the run again, for `run.json`.

    Raises:
        NeurosieveError: the run cannot be made; nothing is left in `folder`.
    """
    opened.atlas.check_editable()
    with recording("ablate", folder, reports) as run:
        prepared = prepare(run, opened, intervention, settings)
        behaviour, neurons, sets = prepared.behaviour, prepared.neurons, prepared.sets
        with run.stage("matching"):
            matches = list(zip(*sets, strict=True))
            edited = list(dict.fromkeys([*neurons, *(match.neuron for of_neuron in matches for match in of_neuron)]))
            activations = with_control_activations(set(edited), prepared.at_controls)
            [strength] = settings.doses(0)[1]
            edits = [Edit(intervention, {neuron: activations[neuron]}, strength) for neuron in edited]
        with run.stage("measuring"):
            counts: Counter[str] = Counter()
            table = opened.positions.table
            tokens, warnings = measured_tokens(
                opened.documents, table, behaviour, settings.documents or 40, settings.positions, settings.seed, counts
            )
            hooks = Edits(opened.lm, opened.atlas, *edits)
            budget = batch_budget(settings.tokens_per_batch, opened.lm)
            forced = teacher_forced(opened.lm, tokens, hooks, settings.seed, budget, run.announce)
        with run.stage("comparing"):
            number_of = {neuron: number for number, neuron in enumerate(edited)}
            changes = _changes(forced, tokens, settings, len(neurons))
            firing = firing_replication(opened.result, behaviour)
            single = _single_neurons(
                opened.result, behaviour, neurons, matches, number_of, changes, firing.replicates, settings
            )
        run.tables |= {
            SINGLE_NEURONS: single,
            "matched_controls": _matched_controls(behaviour, neurons, matches, number_of, changes),
        }
        unchanged = [neuron_name(*neuron) for neuron in neurons if not hooks.changed(number_of[neuron])]
        onset_groups = {token.document.group for token in tokens if token.label == 1}
        prepared.record(run, sets, {"reports": reports}, config)
        run.warnings += few_groups_warning(len(onset_groups), settings.min_groups) + warnings
        if firing.why_unknown:
            run.notes.append(
                "no neuron can be said to read out only, for whether its firing replicates is not known: "
                f"{firing.why_unknown}"
            )
        if unchanged:
            some = ", ".join(unchanged[:_NAMED]) + (" and others" if len(unchanged) > _NAMED else "")
            run.warnings.append(
                f"the {edits[0].name} edit changed nothing of {plural(len(unchanged), 'neuron')} ({some}): "
                f"{'it has' if len(unchanged) == 1 else 'they have'} these values already"
            )
        counts.update(forward_passes=forced.forward_passes, tokens=forced.tokens)
        verdicts = single.verdict.value_counts()
        run.record |= {
            "neuron_verdicts": {name: int(verdicts.get(name, 0)) for name in SINGLE_VERDICTS},
            "confidence": changes.confidence,
            "proof": hooks.proof()._asdict(),
            "counts": {**counts, "neurons": len(neurons), "control_neurons": len(edited) - len(neurons)},
        }
        made = single.assign(intervention=edits[0].name, strength=edits[0].strength)
        if (foretelling := compared(opened.result, made)) is not None:
            run.record["foretelling"] = foretelling.record()
    return run.run


def _changes(forced: Forced, tokens: Sequence[MeasuredToken], settings: Ablate, tried: int) -> MeasuredChanges:
    onset = np.array([token.label == 1 for token in tokens])
    groups = [token.document.group for token in tokens]
    draws, seed, min_groups = settings.interval_bootstraps, settings.seed, settings.min_groups
    return MeasuredChanges.of(forced.change, forced.rest, onset, groups, draws, seed, min_groups, tried)


def _single_neurons(
    result: Result,
    behaviour: str,
    neurons: Sequence[Neuron],
    matches: Sequence[Sequence[Match]],
    number_of: Mapping[Neuron, int],
    changes: MeasuredChanges,
    firing_replicates: Mapping[Neuron, bool],
    settings: Ablate,
) -> pd.DataFrame:
    """Return a row for each neuron: what the ranking says of it, what its edit does, and the verdict."""
    tried = pd.DataFrame(neurons, columns=["layer", "neuron"])
    ranking = result.neurons[result.neurons.behaviour == behaviour].merge(tried, on=["layer", "neuron"])
    of_neuron = {Neuron(line["layer"], line["neuron"]): line for line in ranking.to_dict("records")}
    foretold = foretold_column(result)
    onsets = changes.onset
    size = {"n": int(onsets.sum()), "groups": len(set(np.array(changes.groups, dtype=object)[onsets]))}
    rows = []
    for neuron, controls in zip(neurons, matches, strict=True):
        ranked: Mapping[Any, Any] = of_neuron.get(neuron, {})
        single = changes.single(number_of[neuron], [number_of[match.neuron] for match in controls])
        verdict = verdict_on(single, firing_replicates.get(neuron, False), settings.smallest_effect, NEGLIGIBLE)
        rows.append(
            {
                "behaviour": behaviour,
                "layer": neuron.layer,
                "neuron": neuron.neuron,
                "rank": ranked.get("rank", pd.NA),
                "replicates": ranked.get("replicates", pd.NA),
                "firing_replicates": firing_replicates.get(neuron, pd.NA),
                **({"foretold": float(ranked.get(foretold, np.nan))} if foretold else {}),
                **single.columns(),
                **size,
                "verdict": verdict,
            }
        )
    return pd.DataFrame(rows).astype({"rank": "Int64", "replicates": "boolean", "firing_replicates": "boolean"})


def _matched_controls(
    behaviour: str,
    neurons: Sequence[Neuron],
    matches: Sequence[Sequence[Match]],
    number_of: Mapping[Neuron, int],
    changes: MeasuredChanges,
) -> pd.DataFrame:
    """Return a row for each control neuron of each neuron, with what the same edit of it does."""
    onset = changes.onset
    rows = []
    for neuron, controls in zip(neurons, matches, strict=True):
        for control_set, match in enumerate(controls):
            change = changes.change[number_of[match.neuron]]
            rows.append(
                {
                    "behaviour": behaviour,
                    "layer": neuron.layer,
                    "neuron": neuron.neuron,
                    "control_set": control_set,
                    "control_layer": match.neuron.layer,
                    "control_neuron": match.neuron.neuron,
                    "ratio": match.ratio,
                    "effect": float(change[onset].mean()),
                    "effect_control_tokens": float(change[~onset].mean()) if (~onset).any() else np.nan,
                }
            )
    return pd.DataFrame(rows)
