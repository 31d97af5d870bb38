"""Small finished runs of `ablate`, one for each of its modes, to check reports with."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.runs.results import Run
from neurosieve.runs.writer import write_run
from neurosieve.testing.awkward import AWKWARD, MARKUP, grid, record

__all__ = ["run_of_circuit", "run_of_sets", "run_of_single_neurons"]


def run_of_sets(folder: Path, find: Run, mode: str) -> Run:
    """Write a run of sets of neurons that are edited together; `mode` is `teacher_forced` or `generated`."""
    sets = {"set": ["target", "control", "control"], "control_set": [-1, 0, 1], "change": [-1.0, -0.1, -0.1]}
    effects = grid(k=(1, 10), measure=("log_p_onset", MARKUP)).merge(pd.DataFrame(sets), how="cross")
    noise = 0.02 * np.random.default_rng(2).standard_normal(len(effects))
    value, target = effects.change * effects.k / 10 + noise, effects["set"] == "target"
    effects = effects.assign(mode=mode, behaviour="backtracking", intervention="mean", strength=1.0, n=30, groups=12)
    difference = (value + 0.1).where(target)
    for column, mean in (("value", value), ("change", value), ("difference", difference)):
        ends = "" if column == "value" else f"{column}_"
        effects = effects.assign(**{column: mean, f"{ends}low": mean - 0.1, f"{ends}high": mean + 0.1})
    effects["p_controls"] = np.where(target, 0.05, np.nan)
    tables = {"neurons": pd.DataFrame({"set": ["target"], "control_set": -1, "layer": 0, "neuron": 3, "place": 1})}
    if mode == "generated":
        none: dict[str, Any] = {"set": "unedited", "control_set": -1, "intervention": "none", "strength": 0.0, "k": 0}
        unedited = effects.head(1).assign(**none, value=0.3, low=0.2, high=0.4, difference=np.nan)
        effects = pd.concat([effects, unedited], ignore_index=True)
        traces = pd.DataFrame({"set": ["unedited", "target"], "k": [0, 10], "strength": 1.0})
        traces = traces.merge(grid(problem=AWKWARD), how="cross")
        tables["traces"] = traces.assign(sample=0, tokens=12, spans=1, text=AWKWARD[2] + MARKUP)
    written = record(
        "ablate",
        run=str(find.folder),
        behaviours=["backtracking"],
        mode=mode,
        intervention={"_target_": "intervention/mean"},
        measures={"log_p_onset": f"the log-probability of the onset {MARKUP}"},
        verdicts=[{"k": 10, "strength": 1.0, "verdict": "no effect beyond its controls", "sentence": f"So: {MARKUP}"}],
        proof={"calls": 12, "values": 120, "changed": 118, "largest_deviation": 0.0},
    )
    return write_run(folder, written, tables | {"effects": effects})


def run_of_single_neurons(folder: Path, find: Run) -> Run:
    """Write a run of neurons that are edited one at a time, with each verdict once."""
    verdicts = ["drives", "opposes", "general", "reads out only", "not settled"]
    effect = np.array([-1.0, 1.0, -0.5, 0.0, -0.1])
    neurons = pd.DataFrame({"layer": 0, "neuron": range(5), "verdict": verdicts, "half_width": 0.1})
    neurons = neurons.assign(behaviour=MARKUP, rank=range(1, 6), replicates=True, foretold=effect, n=30, groups=12)
    for name in ("effect", "effect_control_tokens", "difference", "effect_rest"):
        neurons = neurons.assign(**{name: effect, f"{name}_low": effect - 0.1, f"{name}_high": effect + 0.1})
    neurons = neurons.assign(controls=3, controls_lowest=-0.05, controls_highest=0.05)
    controls = neurons[["behaviour", "layer", "neuron"]].merge(grid(control_set=(0, 1, 2)), how="cross")
    controls = controls.assign(control_layer=0, control_neuron=9, ratio=1.1, effect=0.05, effect_control_tokens=0.0)
    written = record(
        "ablate",
        run=str(find.folder),
        behaviours=[MARKUP],
        mode="each",
        sign="negative",
        intervention={"_target_": "intervention/mean"},
        neuron_verdicts=dict.fromkeys(verdicts, 1),
        confidence=0.99,
        foretelling={"neurons": 5, "spearman": 0.9, "mean_foretold": -0.12, "mean_effect": -0.12},
        proof={"calls": 12, "values": 120, "changed": 118, "largest_deviation": 0.0},
        config={"smallest_effect": 0.05, "strength": 1.0},
    )
    return write_run(folder, written, {"single_neurons": neurons, "matched_controls": controls})


def run_of_circuit(folder: Path, find: Run) -> Run:
    """Write a run that finds a circuit, and tests it on the other half."""
    what: dict[str, Any] = {"behaviour": MARKUP, "intervention": "mean", "strength": 1.0}
    sets = pd.DataFrame(
        {"set": ["target", "control", "control"], "control_set": [-1, 0, 1], "size": [-0.4, 0.01, 0.02]}
    )
    doses = grid(k=(1, 5, 10, 100)).merge(sets, how="cross").assign(**what, n=30, groups=12)
    effect, target = doses["size"] * np.log10(1 + doses.k), doses["set"] == "target"
    columns: dict[str, Any] = {
        "effect": effect,
        "effect_control_tokens": effect / 9,
        "beyond_controls": effect.where(target),
    }
    columns |= {"share": (effect / effect.min()).where(target)}
    for name, value in columns.items():
        doses = doses.assign(**{name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1})
    doses = doses.assign(kl_control_tokens=0.01, effect_choosing=effect.where(target)).drop(columns="size")
    kept = sets.drop(columns="size").assign(**what, kept=10, kl_control_tokens=0.01, n=30, groups=12)
    faithfulness = pd.Series([0.6, 0.01, 0.02])
    columns = {"faithfulness": faithfulness, "effect": faithfulness - 1, "effect_all_ablated": -1.0}
    for name, value in columns.items():
        kept = kept.assign(**{name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1})
    kept = kept.assign(effect_control_tokens=-0.3, effect_control_tokens_low=-0.4, effect_control_tokens_high=-0.2)
    members = pd.DataFrame({"behaviour": MARKUP, "place": range(1, 11), "layer": 0, "neuron": range(10)})
    interval = {"effect_low": -0.9, "effect_high": -0.3}
    beyond = {"beyond_controls": -0.4, "beyond_controls_low": -0.9, "beyond_controls_high": -0.3}
    tested: dict[str, Any] = {**interval, **beyond, "verdict": "an effect"}
    written = record(
        "ablate",
        run=str(find.folder),
        behaviours=[MARKUP],
        mode="circuit",
        sign="negative",
        intervention={"_target_": "intervention/mean"},
        circuit={
            "k": 10,
            "share": 0.5,
            "largest": 100,
            "layers": [0],
            "reason": "",
            "confirmed": True,
            "choosing": {"largest": {"effect": -0.8, **tested}},
            "estimating": {"largest": {"effect": -0.8, **tested}, "circuit": {"effect": -0.4, **tested}},
            "effects_choosing": [{"k": 10, "effect": -0.4}, {"k": 100, "effect": -0.8}],
            "groups_choosing": 12,
            "groups_estimating": 12,
        },
        proof={"calls": 12, "values": 120, "changed": 118, "largest_deviation": 0.0},
    )
    tables = {"doses": doses, "circuit": members.assign(rank=members.place), "sufficiency": kept}
    return write_run(folder, written, tables)
