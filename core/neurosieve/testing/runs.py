"""Small finished runs of every command, to check reports with: drawn from a seed, with texts that are awkward."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.evidence.comparison import common, pairs, summaries
from neurosieve.runs.columns import VERDICTS
from neurosieve.runs.results import Result, Run
from neurosieve.runs.writer import write_run
from neurosieve.testing.ablation_runs import run_of_circuit, run_of_sets, run_of_single_neurons
from neurosieve.testing.annotation_runs import run_of_labels, run_of_sample
from neurosieve.testing.awkward import AWKWARD, BEHAVIOURS, MARKUP, grid, record, spans
from neurosieve.testing.detection_runs import run_of_detection

__all__ = ["written_runs"]

_BASELINES_OF_A_TOKEN = ("token", "token kind", "position", "previous tokens")


def written_runs(folder: Path) -> list[Run]:
    """Write runs of every command into a folder, and return them; one of `find` holds others, which went on from it."""
    find = _find(folder / "find")
    bare = _find(folder / "bare find", behaviours=BEHAVIOURS[:1], held_out=False)
    return [
        find,
        _show(find.folder / "show" / "1", find),
        _rescored(find.folder / "rescore", find),
        run_of_sets(find.folder / "ablate" / "1", find, "teacher_forced"),
        run_of_sets(find.folder / "ablate" / "2", find, "generated"),
        _beside(find.folder / "beside", find),
        run_of_sets(find.folder / "beside" / "ablate" / "1", find, "teacher_forced"),
        run_of_single_neurons(find.folder / "ablate" / "3", find),
        run_of_circuit(find.folder / "ablate" / "4", find),
        bare,
        _analyze(folder / "analyze"),
        run_of_detection(folder / "detect"),
        run_of_sample(folder / "annotate"),
        run_of_labels(folder / "annotate read"),
        _generate(folder / "generate"),
        _compare(folder / "compare", find, bare),
        write_run(folder / "unheard of", record("unheard_of", config={"text": MARKUP}), {}),
        *_empty(folder / "empty"),
    ]


def _find(folder: Path, behaviours: tuple[str, ...] = BEHAVIOURS, held_out: bool = True) -> Run:
    rng = np.random.default_rng(0)
    neurons = pd.concat([_neurons(behaviour, held_out, rng) for behaviour in behaviours], ignore_index=True)
    counts = {"spans": 9, "documents_with": 8, "ranking_present": 5, "ranking_control": 50, "ranking_groups": 6}
    counts |= {"heldout_present": 4 * held_out, "heldout_control": 40 * held_out}
    null = {"permutations": 1000, "null_max_median": 0.2, "null_max_q95": 0.25, "p_fwer_05": 3, "q_fdr_05": 4}
    run = record(
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
        "spans": spans(*behaviours),
        "activations": _activations(neurons, ("ranking", "heldout") if held_out else ("ranking",), rng),
    }
    if held_out:
        baselines = grid(behaviour=behaviours, baseline=_BASELINES_OF_A_TOKEN)
        score = np.resize([0.7, 0.6, 0.55, np.nan], len(baselines))  # One has too few groups for a score.
        tables["baselines"] = _scored(baselines, score, score - 0.02, 0.03)
    (folder / ".hydra").mkdir(parents=True)
    override = json.dumps(f"source.path='{MARKUP}'")  # A JSON string is a YAML string.
    (folder / ".hydra" / "overrides.yaml").write_text(f"- model=tiny\n- {override}\n", encoding="utf-8")
    return write_run(folder, run, tables)


def _neurons(behaviour: str, held_out: bool, rng: np.random.Generator) -> pd.DataFrame:
    table = grid(behaviour=[behaviour], layer=range(3), neuron=range(40))
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


def _activations(neurons: pd.DataFrame, parts: tuple[str, ...], rng: np.random.Generator) -> pd.DataFrame:
    best = neurons[neurons["rank"] <= 3][["behaviour", "layer", "neuron"]]
    places = grid(part=parts, label=(0, 1), token=range(20))
    table = places.assign(document=MARKUP, token=np.arange(len(places))).merge(best, how="cross")
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
    table = pd.concat([table[table.behaviour == name] for name in BEHAVIOURS], ignore_index=True)
    table["rank"] = table.groupby("behaviour").cumcount() + 1
    null = {"permutations": 1000, "null_max_median": 0.04, "null_max_q95": 0.08, "p_fwer_05": 3, "q_fdr_05": 4}
    written: dict[str, Any] = {
        **find.run,
        "scorers": ["mean_difference"],
        "rank_by": "mean_difference",
        "neutral": {"mean_difference": dict.fromkeys(BEHAVIOURS, 0.0)},
        "null": dict.fromkeys(BEHAVIOURS, null),
        "config": {**find.run["config"], "reading": {"_target_": "reading/attribution"}},
    }
    tables = {"neurons": table, "positions": find.table("positions")}
    return write_run(folder, written, tables | {"activations": _activations(table, ("ranking", "heldout"), rng)})


def _rescored(folder: Path, find: Run) -> Run:
    copied = {name: find.run[name] for name in ("behaviours", "scorers", "rank_by", "neutral", "counts")}
    written = record("rescore", **copied, run=str(find.folder), config={"texts": MARKUP})
    neurons = find.table("neurons").drop(columns=["p", "p_fwer", "q_fdr", "verdict", "stability", "beats_baselines"])
    return write_run(folder, written, {"neurons": neurons, "spans": find.table("spans")})


def _show(folder: Path, find: Run) -> Run:
    rng = np.random.default_rng(1)
    neurons = pd.DataFrame({"layer": [0, 2], "neuron": [3, 17]})
    texts = {"d0": AWKWARD[0], AWKWARD[1]: AWKWARD[2], "d2": AWKWARD[3] + AWKWARD[4]}
    tokens = []
    for (document, text), (layer, neuron) in product(texts.items(), neurons.itertuples(index=False)):
        start = np.arange(0, len(text), 4)
        columns = {"document": document, "token": np.arange(7, 7 + len(start)), "start": start, "end": start + 4}
        columns |= {"text": [text[place : place + 4] for place in start], "layer": layer, "neuron": neuron}
        columns |= {"behaviour_spans": ["", "", *BEHAVIOURS, *[""] * (len(start) - 4)]}
        activation = rng.standard_normal(len(start))
        activation[5] = np.nan
        tokens.append(pd.DataFrame(columns | {"activation": activation}))
    contexts = neurons.merge(grid(place=(1, 2)), how="cross")
    contexts = contexts.assign(document="d0", token=7 + contexts.place, activation=3.5 - contexts.place)
    promoted = neurons.merge(grid(direction=("promotes", "suppresses"), place=(1, 2, 3)), how="cross")
    logit = np.where(promoted.direction == "promotes", 1, -1) * (2.0 - promoted.place / 5)
    words = [AWKWARD[place] for place in promoted.place]
    distribution = neurons.merge(grid(behaviour=BEHAVIOURS, part=["ranking"], label=(0, 1)), how="cross")
    tables = {
        "tokens": pd.concat(tokens, ignore_index=True),
        "contexts": contexts.assign(before=f"before {AWKWARD[2]}", text=MARKUP, after=AWKWARD[3]),
        "promoted": promoted.assign(token_id=promoted.place, token=words, logit=logit),
        "distribution": distribution.assign(positions=9, median=0.5, q25=0.2, q75=0.8, auc=0.9),
    }
    about = {"ranks": {MARKUP: 1}, "direction": 1, "tokens_searched": 100}
    written = record(
        "show",
        run=str(find.folder),
        behaviours=list(BEHAVIOURS),
        rank_by="auc",
        neurons=[neuron | about for neuron in neurons.to_dict("records")],
        documents=[{"document": name, "part": "heldout", "tokens": 99} for name in texts],
    )
    return write_run(folder, written, tables)


def _analyze(folder: Path) -> Run:
    groups = {"overall": ["all"], "level": ["Level 1", "Level 10", "Level 2"], "type": [MARKUP]}
    summary = pd.Series(groups).explode().rename_axis("by").reset_index(name="value")
    summary = summary.merge(grid(measure=("right", "out_of_tokens", f"shows_{MARKUP}")), how="cross")
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
        "spans": spans("backtracking").assign(right=pd.array([True, None, False] * 3, dtype="boolean")),
    }
    written = record("analyze", behaviours=["backtracking"], config={"source": {"_target_": "source/traces"}})
    return write_run(folder, written, tables)


def _generate(folder: Path) -> Run:
    folder.mkdir(parents=True)
    records = [
        {"problem_id": text, "problem_text": text, "problem_level": "Level 1", "generated_cot": f"{text}<think>{text}"}
        for text in AWKWARD
    ]
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "traces.jsonl").write_text(text, encoding="utf-8")
    return write_run(folder, record("generate"), {})


def _compare(folder: Path, find: Run, bare: Run) -> Run:
    runs = {name: Result(run.folder) for name, run in (("find", find), ("bare find", bare), (MARKUP, find))}
    written = record("compare", behaviours=list(BEHAVIOURS), k=10, config={"k": 10})
    tables = {"comparison": pairs(runs, 10), "runs": summaries(runs), "common": common(runs, 10)}
    return write_run(folder, written, tables)


def _empty(folder: Path) -> Iterator[Run]:
    """Yield runs that came to nothing: tables without lines."""
    runs = (
        _analyze(folder / "analyze"),
        run_of_detection(folder / "detect"),
        _show(folder / "show", _find(folder / "find")),
    )
    for run in runs:
        yield write_run(run.folder, run.run, {name: run.table(name).head(0) for name in run.tables})
