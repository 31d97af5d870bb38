"""`ablate mode=circuit`: how the effect grows with the number of neurons, and the fewest that have half of it.

Half of the held-out texts choose these; the other half tell what they do, ablated and kept by themselves.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosieve.ablation.chosen_neurons import requested_behaviour
from neurosieve.ablation.circuit_tables import circuit_table, doses_table, sufficiency_table
from neurosieve.ablation.group_effects import GroupEffects
from neurosieve.ablation.halves import halves_of, halves_table
from neurosieve.ablation.measured_groups import MeasuredGroups
from neurosieve.ablation.measured_tokens import MeasuredToken, measured_tokens
from neurosieve.ablation.preparation import prepare
from neurosieve.ablation.settings import Ablate
from neurosieve.ablation.smallest_dose import smallest_dose
from neurosieve.ablation.teacher_forcing import NEGLIGIBLE
from neurosieve.contracts import Intervention, Report
from neurosieve.pipeline.reopening import Reopened
from neurosieve.runs.circuit_summary import CIRCUIT, DOSES, SUFFICIENCY
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Run

__all__ = ["ablate_for_circuit"]

_SHARE = 0.5
"""The circuit has so much of the effect of the largest dose."""


def ablate_for_circuit(
    opened: Reopened,
    intervention: Intervention,
    settings: Ablate,
    reports: Mapping[str, Report],
    folder: Path,
    config: Mapping[str, Any],
) -> Run:
    """Edit more and more neurons of a finished run, find the fewest with half of the effect, and write the run.

    `config` is what else it takes to make the run again, for `run.json`.

    Raises:
        NeurosieveError: the run cannot be made; nothing is left in `folder`.
    """
    opened.atlas.check_editable()
    with recording("ablate", folder, reports) as run:
        behaviour = requested_behaviour(opened.result, settings)
        counts = Counter[str]()
        table, documents = opened.positions.table, settings.documents or 40
        tokens, warnings = measured_tokens(
            opened.documents, table, behaviour, documents, settings.positions, settings.seed, counts
        )
        # The rest of a span is not measured: its tokens would cost as much as the edits.
        tokens = [token._replace(further=range(0)) for token in tokens]
        halves = halves_of(tokens, settings.seed, settings.min_groups)
        prepared = prepare(run, opened, intervention, settings)
        doses = settings.circuit_doses(len(prepared.neurons))
        groups = MeasuredGroups(prepared, run.announce)
        with run.stage("choosing"):
            tried, k, reason = _chosen(groups, halves.choosing, doses)
        with run.stage("estimating"):
            ks = sorted({*doses, k or doses[-1]})
            without = groups.ablated(halves.estimating, [(number, dose) for dose in ks for number in groups.sets])
            alone = groups.kept(halves.estimating, k) if k else None
        what = {"behaviour": behaviour, "intervention": groups.name, "strength": groups.strength}
        ranking = opened.result.neurons[opened.result.neurons.behaviour == behaviour]
        run.tables |= {
            DOSES: doses_table(what, ks, list(groups.sets), without, tried),
            CIRCUIT: circuit_table(behaviour, prepared.neurons[: k or 0], ranking),
            "measured_tokens": halves_table(behaviour, halves),
        }
        if k and alone:
            run.tables[SUFFICIENCY] = sufficiency_table(what, k, list(groups.sets), alone)
        prepared.record(run, prepared.sets, {"reports": reports}, config)
        run.warnings += warnings + groups.warnings()
        counts.update(groups.counts)
        run.record |= {
            "circuit": {
                "k": k,
                "share": _SHARE,
                "largest": doses[-1],
                "layers": sorted({neuron.layer for neuron in prepared.neurons[: k or 0]}),
                "reason": reason,
                "effects_choosing": [{"k": dose, "effect": effect} for dose, effect in tried.items()],
                "groups_choosing": len({token.document.group for token in halves.choosing if token.label == 1}),
                "groups_estimating": without.resamples.groups,
            },
            "proof": groups.proof._asdict(),
            "counts": {**counts, "neurons": len(prepared.neurons), "control_sets": len(prepared.sets)},
        }
    return run.run


def _chosen(
    groups: MeasuredGroups, tokens: Sequence[MeasuredToken], doses: Sequence[int]
) -> tuple[Mapping[int, float], int | None, str]:
    """Return the effect of each dose that was tried, the smallest with half of the effect, and why there is none."""
    edited = [(-1, dose) for dose in doses] + [(number, doses[-1]) for number in groups.sets if number >= 0]
    measured = groups.ablated(tokens, edited)
    tried = {dose: measured.effect(number).value for number, dose in enumerate(doses)}
    largest = len(doses) - 1
    if reason := _no_effect(measured, largest, range(largest + 1, len(edited))):
        return tried, None, reason

    def effect_of(dose: int) -> float:
        return groups.ablated(tokens, [(-1, dose)]).effect(0).value

    smallest = smallest_dose(tried, effect_of, _SHARE)
    return smallest.effects, smallest.k, ""


def _no_effect(measured: GroupEffects, largest: int, controls: Sequence[int]) -> str:
    """Return why the largest dose has no effect of which half could be sought; nothing where it has one."""
    effect, beyond = measured.effect(largest), measured.beyond(largest, controls)
    low, high = effect.interval()
    if not (low > 0 or high < 0) or abs(effect.value) <= NEGLIGIBLE:
        return "the largest dose has no effect that can be told from 0"
    low, high = beyond.interval()
    furthest = max(abs(measured.effect(control).value) for control in controls)
    if not (low > 0 or high < 0) or abs(effect.value) <= furthest:
        return "the largest dose has no effect beyond that of its control neurons"
    return ""
