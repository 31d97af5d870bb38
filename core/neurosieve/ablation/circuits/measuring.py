"""`ablate mode=circuit`: how the effect grows with the number of neurons, and the fewest that have half of it.

Half of the held-out texts choose these; the other half tell what they do, ablated and kept by themselves, and whether
that confirms the choice.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from neurosieve.ablation.chosen_neurons import chosen_neurons, listed_neurons, requested_behaviour
from neurosieve.ablation.circuits.halves import halves_of, halves_table
from neurosieve.ablation.circuits.measured_groups import MeasuredGroups
from neurosieve.ablation.circuits.smallest_dose import smallest_dose
from neurosieve.ablation.circuits.tables import circuit_table, doses_table, effect_record, sufficiency_table
from neurosieve.ablation.measured_tokens import MeasuredToken, measured_tokens
from neurosieve.ablation.preparation import prepare
from neurosieve.ablation.settings import ENOUGH_SETS, Ablate
from neurosieve.contracts import Intervention, Report
from neurosieve.pipeline.reopening import Reopened
from neurosieve.runs.circuit_summary import CIRCUIT, DOSES, SUFFICIENCY
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Run
from neurosieve.wording import plural

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
    behaviour = requested_behaviour(opened.result, settings)
    # What cannot be chosen is refused before texts are read.
    chosen_neurons(opened.result, behaviour, listed_neurons(opened, settings), settings)
    with recording("ablate", folder, reports) as run:
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
            chosen = _chosen(groups, halves.choosing, doses)
            k, tried = chosen.k, chosen.effects
        with run.stage("estimating"):
            ks = sorted({*doses, k or doses[-1]})
            edited = [(number, dose) for dose in ks for number in groups.sets]
            without = groups.ablated(halves.estimating, edited)
            alone = groups.kept(halves.estimating, k) if k else None
        estimated = {
            name: effect_record(
                without,
                edited.index((-1, dose)),
                [edited.index((number, dose)) for number in groups.sets if number >= 0],
                chosen.largest["effect"] if k else 0.0,
            )
            for name, dose in (("largest", doses[-1]), ("circuit", k))
            if dose
        }
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
        if len(prepared.sets) < ENOUGH_SETS:
            run.notes.append(
                f"{plural(len(prepared.sets), 'control set describes', 'control sets describe')} what the edit of "
                f"other neurons does; there is no test of chance, which takes {ENOUGH_SETS} (`controls={ENOUGH_SETS}`)"
            )
        counts.update(groups.counts)
        run.record |= {
            "circuit": {
                "k": k,
                "share": _SHARE,
                "largest": doses[-1],
                "layers": sorted({neuron.layer for neuron in prepared.neurons[: k or 0]}),
                "reason": "" if k else f"the largest dose has {chosen.largest['verdict']}",
                "confirmed": all(effect["verdict"] == "an effect" for effect in estimated.values()) if k else None,
                "choosing": {"largest": chosen.largest},
                "estimating": estimated,
                "effects_choosing": [{"k": dose, "effect": effect} for dose, effect in tried.items()],
                "groups_choosing": len({token.document.group for token in halves.choosing if token.label == 1}),
                "groups_estimating": without.resamples.groups,
            },
            "proof": groups.proof._asdict(),
            "counts": {**counts, "neurons": len(prepared.neurons), "control_sets": len(prepared.sets)},
        }
    return run.run


class _Chosen(NamedTuple):
    k: int | None
    """The smallest dose with half of the effect; None where the largest has no effect."""
    effects: Mapping[int, float]
    """Of each dose that was tried."""
    largest: Mapping[str, Any]
    """The effect of the largest dose, and the verdict on it."""


def _chosen(groups: MeasuredGroups, tokens: Sequence[MeasuredToken], doses: Sequence[int]) -> _Chosen:
    """Return the smallest dose with half of the effect in these texts."""
    edited = [(-1, dose) for dose in doses] + [(number, doses[-1]) for number in groups.sets if number >= 0]
    measured = groups.ablated(tokens, edited)
    tried = {dose: measured.effect(number).value for number, dose in enumerate(doses)}
    largest = effect_record(measured, len(doses) - 1, range(len(doses), len(edited)))
    if largest["verdict"] != "an effect":
        return _Chosen(None, tried, largest)

    def effect_of(dose: int) -> float:
        return groups.ablated(tokens, [(-1, dose)]).effect(0).value

    smallest = smallest_dose(tried, effect_of, _SHARE)
    return _Chosen(smallest.k, smallest.effects, largest)
