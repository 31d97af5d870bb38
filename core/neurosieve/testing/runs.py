"""Small finished runs of every command, to check reports with: drawn from a seed, with texts that are awkward."""

import json
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.evidence.comparison import common, pairs, summaries
from neurosieve.runs.columns import BASELINES, VERDICTS
from neurosieve.runs.results import Result, Run
from neurosieve.runs.writer import write_run

__all__ = ["AWKWARD", "MARKUP", "written_runs"]

MARKUP = (
    "</script><script id=planted>document.title='obeyed'</script><img src=planted onerror=\"document.title='obeyed'\">"
)
"""What must show as it is written here, wherever it stands in a run."""

AWKWARD = (
    MARKUP,
    "{{ 7 * 7 }} {% raw %} ${7 * 7} <!-- & &amp; &lt;b&gt;",
    "one\n\ttwo\r\u2028three\x00\x1b[31m",
    "İstanbul 🤔👩‍👩‍👧‍👦 e\u0301 \u202eright to left",
    "'single' \"double\" `back` \\slash\\ %s %(name)s",
)
"""Texts that a page may trip over."""

_BEHAVIOURS = ("backtracking", MARKUP)
_MODEL = {"name": f"tiny {MARKUP}", "dtype": "float32", "device": "cpu", "layers": [0, 1, 2], "neurons_per_layer": 40}


def written_runs(folder: Path) -> list[Run]:
    """Write runs of every command into a folder, and return them; one of `find` holds others, which went on from it."""
    find = _find(folder / "find")
    bare = _find(folder / "bare find", behaviours=_BEHAVIOURS[:1], held_out=False)
    return [
        find,
        _show(find.folder / "show" / "1", find),
        _rescored(find.folder / "rescore", find),
        _ablate(find.folder / "ablate" / "1", find, "teacher_forced"),
        _ablate(find.folder / "ablate" / "2", find, "generated"),
        _beside(find.folder / "beside", find),
        _ablate(find.folder / "beside" / "ablate" / "1", find, "teacher_forced"),
        _ablate_each(find.folder / "ablate" / "3", find),
        _ablate_circuit(find.folder / "ablate" / "4", find),
        bare,
        _analyze(folder / "analyze"),
        _detect(folder / "detect"),
        _generate(folder / "generate"),
        _compare(folder / "compare", find, bare),
        write_run(folder / "unheard of", _record("unheard_of", config={"text": MARKUP}), {}),
        *_empty(folder / "empty"),
    ]


def _record(command: str, **more: Any) -> dict[str, Any]:
    return {
        "command": command,
        "warnings": [f"beware of {MARKUP}", f"the document {AWKWARD[2]} is empty"],
        "counts": {"documents": 12},
        "model": _MODEL,
        "timings_seconds": {"reading": 1.5},
        "versions": {"python": "3.11", "neurosieve": "0", "torch": MARKUP},
        "hashes": {"positions": "0f"},
        **more,
    }


def _grid(**columns: Iterable[Any]) -> pd.DataFrame:
    """Return a table with a row for each combination of the values of its columns."""
    return pd.DataFrame(product(*columns.values()), columns=list(columns))


def _find(folder: Path, behaviours: tuple[str, ...] = _BEHAVIOURS, held_out: bool = True) -> Run:
    rng = np.random.default_rng(0)
    neurons = pd.concat([_neurons(behaviour, held_out, rng) for behaviour in behaviours], ignore_index=True)
    counts = {"spans": 9, "documents_with": 8, "ranking_present": 5, "ranking_control": 50, "ranking_groups": 6}
    counts |= {"heldout_present": 4 * held_out, "heldout_control": 40 * held_out}
    null = {"permutations": 1000, "null_max_median": 0.2, "null_max_q95": 0.25, "p_fwer_05": 3, "q_fdr_05": 4}
    run = _record(
        "find",
        null=dict.fromkeys(behaviours, null) if held_out else {},
        behaviours=list(behaviours),
        scorers=["auc", "cohens_d"],
        rank_by="auc",
        neutral={"auc": dict.fromkeys(behaviours, 0.5), "cohens_d": dict.fromkeys(behaviours, 0.0)},
        counts={"documents": 12, "behaviours": dict.fromkeys(behaviours, counts)},
        reading={"forward_passes": 2, "tokens": 300},
        config={"source": {"_target_": "source/text", "path": MARKUP}, "selection": {"at": "onset"}},
    )
    positions = {"behaviour": list(behaviours), "group": "g0", "part": "ranking", "token": 0, "text": MARKUP}
    tables = {
        "neurons": neurons,
        "positions": pd.DataFrame(positions),
        "spans": _spans(*behaviours),
        "activations": _activations(neurons, ("ranking", "heldout") if held_out else ("ranking",), rng),
    }
    if held_out:
        baselines = _grid(behaviour=behaviours, baseline=BASELINES)
        score = np.resize([0.7, 0.6, 0.55, np.nan], len(baselines))  # One has too few groups for a score.
        tables["baselines"] = _scored(baselines, score, score - 0.02, 0.03)
    (folder / ".hydra").mkdir(parents=True)
    override = json.dumps(f"source.path='{MARKUP}'")  # A JSON string is a YAML string.
    (folder / ".hydra" / "overrides.yaml").write_text(f"- model=tiny\n- {override}\n", encoding="utf-8")
    return write_run(folder, run, tables)


def _neurons(behaviour: str, held_out: bool, rng: np.random.Generator) -> pd.DataFrame:
    table = _grid(behaviour=[behaviour], layer=range(3), neuron=range(40))
    score = np.clip(0.5 + 0.15 * rng.standard_normal(len(table)), 0, 1)
    score[::17] = np.nan  # A neuron that never fires has no score.
    noise = 0.05 * rng.standard_normal(len(table)) if held_out else np.nan
    order = np.argsort(-np.abs(score - 0.5), kind="stable")
    table = table.iloc[order].assign(rank=np.arange(1, len(table) + 1))
    tested = table["rank"] <= 10 * held_out
    table = _scored(table, score[order], np.clip(score + noise, 0, 1)[order], np.where(tested, 0.1, np.nan))
    same_sign = table.auc_minus_neutral_heldout_low * table.auc_minus_neutral_heldout_high > 0
    table["replicates"] = same_sign.astype("boolean").where(tested)
    if not held_out:
        return table
    # Of those that replicate, some have each verdict that they can have.
    verdicts = np.resize([verdict for verdict in VERDICTS if verdict != "not replicated"], len(table))
    p = table.auc.where(table.auc.isna(), 1 / 1001)
    return table.assign(
        p=p,
        p_fwer=p,
        q_fdr=p,
        verdict=pd.Series(verdicts, table.index, "string").where(same_sign, "not replicated").where(tested),
        beats_baselines=(table.auc_minus_neutral_heldout.abs() > 0.2).astype("boolean").where(table.auc.notna()),
        stability=np.where(tested, 0.9, np.nan),
    )


def _scored(table: pd.DataFrame, auc: Any, auc_heldout: Any, half_width: Any) -> pd.DataFrame:
    """Return a table with scores on either part too, and with an interval of the held-out AUC."""
    for suffix, score in (("", auc), ("_heldout", auc_heldout)):
        table = table.assign(**{f"auc{suffix}": score, f"cohens_d{suffix}": (score - 0.5) * 5})
        table[f"auc_minus_neutral{suffix}"] = score - 0.5
    distance = "auc_minus_neutral_heldout"
    ends = {f"{distance}_low": table[distance] - half_width, f"{distance}_high": table[distance] + half_width}
    return table.assign(**ends)


def _spans(*behaviours: str) -> pd.DataFrame:
    labels = [*AWKWARD, *AWKWARD[:2], AWKWARD[0], ""]
    spans = pd.DataFrame(
        {
            "document": [f"{text} {number}" for number, text in enumerate(labels)],
            "group": labels,
            "part": "ranking",
            "start": 0,
            "end": [max(1, len(label)) for label in labels],
            "label": labels,
            "text": labels,
            "before": f"before {MARKUP}",
            "after": "after\n",
        }
    )
    return _grid(behaviour=behaviours).merge(spans, how="cross")


def _activations(neurons: pd.DataFrame, parts: tuple[str, ...], rng: np.random.Generator) -> pd.DataFrame:
    best = neurons[neurons["rank"] <= 3][["behaviour", "layer", "neuron"]]
    table = _grid(part=parts, label=(0, 1), _=range(20)).drop(columns="_").merge(best, how="cross")
    table["activation"] = rng.standard_normal(len(table)) + table.label
    return table.astype({"label": "int8", "activation": "float32"})


def _beside(folder: Path, find: Run) -> Run:
    """Write a ranking of the same behaviours by attribution."""
    rng = np.random.default_rng(3)
    table = find.table("neurons").drop(columns=["verdict", "beats_baselines", "stability"])
    table = table[[name for name in table if not str(name).startswith("cohens_d")]]
    table.columns = pd.Index([str(name).replace("auc", "mean_difference") for name in table])
    effect = 0.02 * rng.standard_normal(len(table)) ** 3
    held_out = effect + 0.005 * rng.standard_normal(len(table))
    distance = "mean_difference_minus_neutral"
    columns = {"mean_difference": effect, distance: effect, f"{distance}_heldout": held_out}
    columns |= {"mean_difference_heldout": held_out}
    columns |= {f"{distance}_heldout_low": held_out - 0.01, f"{distance}_heldout_high": held_out + 0.01}
    table = table.assign(**columns)
    table = table.loc[table[distance].abs().sort_values(ascending=False, kind="stable").index]
    table = pd.concat([table[table.behaviour == name] for name in _BEHAVIOURS], ignore_index=True)
    table["rank"] = table.groupby("behaviour").cumcount() + 1
    null = {"permutations": 1000, "null_max_median": 0.04, "null_max_q95": 0.08, "p_fwer_05": 3, "q_fdr_05": 4}
    record: dict[str, Any] = {
        **find.run,
        "scorers": ["mean_difference"],
        "rank_by": "mean_difference",
        "neutral": {"mean_difference": dict.fromkeys(_BEHAVIOURS, 0.0)},
        "null": dict.fromkeys(_BEHAVIOURS, null),
        "config": {**find.run["config"], "reading": {"_target_": "reading/attribution"}},
    }
    tables = {"neurons": table, "positions": find.table("positions")}
    return write_run(folder, record, tables | {"activations": _activations(table, ("ranking", "heldout"), rng)})


def _rescored(folder: Path, find: Run) -> Run:
    copied = {name: find.run[name] for name in ("behaviours", "scorers", "rank_by", "neutral", "counts")}
    record = _record("rescore", **copied, run=str(find.folder), config={"texts": MARKUP})
    neurons = find.table("neurons").drop(columns=["p", "p_fwer", "q_fdr", "verdict", "stability", "beats_baselines"])
    return write_run(folder, record, {"neurons": neurons, "spans": find.table("spans")})


def _show(folder: Path, find: Run) -> Run:
    rng = np.random.default_rng(1)
    neurons = pd.DataFrame({"layer": [0, 2], "neuron": [3, 17]})
    texts = {"d0": AWKWARD[0], AWKWARD[1]: AWKWARD[2], "d2": AWKWARD[3] + AWKWARD[4]}
    tokens = []
    for (document, text), (layer, neuron) in product(texts.items(), neurons.itertuples(index=False)):
        start = np.arange(0, len(text), 4)
        columns = {"document": document, "token": np.arange(7, 7 + len(start)), "start": start, "end": start + 4}
        columns |= {"text": [text[place : place + 4] for place in start], "layer": layer, "neuron": neuron}
        columns |= {"behaviour_spans": ["", "", *_BEHAVIOURS, *[""] * (len(start) - 4)]}
        activation = rng.standard_normal(len(start))
        activation[5] = np.nan
        tokens.append(pd.DataFrame(columns | {"activation": activation}))
    contexts = neurons.merge(_grid(place=(1, 2)), how="cross")
    contexts = contexts.assign(document="d0", token=7 + contexts.place, activation=3.5 - contexts.place)
    promoted = neurons.merge(_grid(direction=("promotes", "suppresses"), place=(1, 2, 3)), how="cross")
    logit = np.where(promoted.direction == "promotes", 1, -1) * (2.0 - promoted.place / 5)
    words = [AWKWARD[place] for place in promoted.place]
    distribution = neurons.merge(_grid(behaviour=_BEHAVIOURS, part=["ranking"], label=(0, 1)), how="cross")
    tables = {
        "tokens": pd.concat(tokens, ignore_index=True),
        "contexts": contexts.assign(before=f"before {AWKWARD[2]}", text=MARKUP, after=AWKWARD[3]),
        "promoted": promoted.assign(token_id=promoted.place, token=words, logit=logit),
        "distribution": distribution.assign(positions=9, median=0.5, q25=0.2, q75=0.8, auc=0.9),
    }
    about = {"ranks": {MARKUP: 1}, "direction": 1, "tokens_searched": 100}
    record = _record(
        "show",
        run=str(find.folder),
        behaviours=list(_BEHAVIOURS),
        rank_by="auc",
        neurons=[neuron | about for neuron in neurons.to_dict("records")],
        documents=[{"document": name, "part": "heldout", "tokens": 99} for name in texts],
    )
    return write_run(folder, record, tables)


def _ablate(folder: Path, find: Run, mode: str) -> Run:
    sets = {"set": ["target", "control", "control"], "control_set": [-1, 0, 1], "change": [-1.0, -0.1, -0.1]}
    effects = _grid(k=(1, 10), measure=("log_p_onset", MARKUP)).merge(pd.DataFrame(sets), how="cross")
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
        traces = traces.merge(_grid(problem=AWKWARD), how="cross")
        tables["traces"] = traces.assign(sample=0, tokens=12, spans=1, text=AWKWARD[2] + MARKUP)
    record = _record(
        "ablate",
        run=str(find.folder),
        behaviours=["backtracking"],
        mode=mode,
        intervention={"_target_": "intervention/mean"},
        measures={"log_p_onset": f"the log-probability of the onset {MARKUP}"},
        verdicts=[{"k": 10, "strength": 1.0, "verdict": "no effect beyond its controls", "sentence": f"So: {MARKUP}"}],
        proof={"calls": 12, "values": 120, "changed": 118, "largest_deviation": 0.0},
    )
    return write_run(folder, record, tables | {"effects": effects})


def _ablate_each(folder: Path, find: Run) -> Run:
    verdicts = ["drives", "opposes", "general", "reads out only", "not settled"]
    effect = np.array([-1.0, 1.0, -0.5, 0.0, -0.1])
    neurons = pd.DataFrame({"layer": 0, "neuron": range(5), "verdict": verdicts, "half_width": 0.1})
    neurons = neurons.assign(behaviour=MARKUP, rank=range(1, 6), replicates=True, foretold=effect, n=30, groups=12)
    for name in ("effect", "effect_control_tokens", "difference", "effect_rest"):
        neurons = neurons.assign(**{name: effect, f"{name}_low": effect - 0.1, f"{name}_high": effect + 0.1})
    neurons = neurons.assign(controls=3, controls_lowest=-0.05, controls_highest=0.05)
    controls = neurons[["behaviour", "layer", "neuron"]].merge(_grid(control_set=(0, 1, 2)), how="cross")
    controls = controls.assign(control_layer=0, control_neuron=9, ratio=1.1, effect=0.05, effect_control_tokens=0.0)
    record = _record(
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
    return write_run(folder, record, {"single_neurons": neurons, "matched_controls": controls})


def _ablate_circuit(folder: Path, find: Run) -> Run:
    what: dict[str, Any] = {"behaviour": MARKUP, "intervention": "mean", "strength": 1.0}
    sets = pd.DataFrame(
        {"set": ["target", "control", "control"], "control_set": [-1, 0, 1], "size": [-0.4, 0.01, 0.02]}
    )
    doses = _grid(k=(1, 5, 10, 100)).merge(sets, how="cross").assign(**what, n=30, groups=12)
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
    record = _record(
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
    return write_run(folder, record, tables)


def _analyze(folder: Path) -> Run:
    groups = {"overall": ["all"], "level": ["Level 1", "Level 10", "Level 2"], "type": [MARKUP]}
    summary = pd.Series(groups).explode().rename_axis("by").reset_index(name="value")
    summary = summary.merge(_grid(measure=("right", "out_of_tokens", f"shows_{MARKUP}")), how="cross")
    traces = pd.DataFrame(
        {
            "id": [f"{text} {number}" for number, text in enumerate(AWKWARD)],
            "group": AWKWARD,
            "level": "Level 1",
            "type": MARKUP,
            "answer": AWKWARD,
            "right": pd.array([True, False, None, True, False], dtype="boolean"),
            "thought_ended": [True, False, True, True, False],
            "out_of_tokens": [False, True, False, False, True],
            "tokens": [10, 20, 30, 40, 50],
            "characters": [40, 80, 120, 160, 200],
            "backtracking_spans": [1, 0, 2, 0, 0],
        }
    )
    tables = {
        "summary": summary.assign(n=10, count=4, share=0.4, low=0.17, high=0.69),
        "traces": traces,
        "spans": _spans("backtracking").assign(right=pd.array([True, None, False] * 3, dtype="boolean")),
    }
    record = _record("analyze", behaviours=["backtracking"], config={"source": {"_target_": "source/traces"}})
    return write_run(folder, record, tables)


def _detect(folder: Path) -> Run:
    detectors = _grid(detector=_BEHAVIOURS, label=("uncertainty", MARKUP))
    undefined_last = np.array([1, 1, 1, np.nan])
    agreement = detectors.assign(precision=0.83 * undefined_last, recall=0.05, f1=0.1 * undefined_last)
    counts = {"true_positive": 10, "false_positive": 2, "false_negative": 190, "sentences": 5814}
    spans = _spans(*_BEHAVIOURS)
    phrases = spans.groupby(["behaviour", "label"]).document.agg(spans="size", documents="nunique").reset_index()
    confusion = detectors.assign(sentences=100, detected=20, share=0.2)
    tables = {"spans": spans, "phrases": phrases, "agreement": agreement.assign(**counts), "confusion": confusion}
    return write_run(folder, _record("detect", behaviours=list(_BEHAVIOURS)), tables)


def _generate(folder: Path) -> Run:
    folder.mkdir(parents=True)
    records = [
        {"problem_id": text, "problem_text": text, "problem_level": "Level 1", "generated_cot": f"{text}<think>{text}"}
        for text in AWKWARD
    ]
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "traces.jsonl").write_text(text, encoding="utf-8")
    return write_run(folder, _record("generate"), {})


def _compare(folder: Path, find: Run, bare: Run) -> Run:
    runs = {name: Result(run.folder) for name, run in (("find", find), ("bare find", bare), (MARKUP, find))}
    record = _record("compare", behaviours=list(_BEHAVIOURS), k=10, config={"k": 10})
    tables = {"comparison": pairs(runs, 10), "runs": summaries(runs), "common": common(runs, 10)}
    return write_run(folder, record, tables)


def _empty(folder: Path) -> Iterator[Run]:
    """Yield runs that came to nothing: tables without lines."""
    runs = (_analyze(folder / "analyze"), _detect(folder / "detect"), _show(folder / "show", _find(folder / "find")))
    for run in runs:
        yield write_run(run.folder, run.run, {name: run.table(name).head(0) for name in run.tables})
