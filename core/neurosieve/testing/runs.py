"""Small finished runs of every command, to check reports with: drawn from a seed, with texts that are awkward."""

import json
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.evidence.comparison import pairs, summaries
from neurosieve.runs.columns import BASELINES, VERDICTS
from neurosieve.runs.results import Result, Run, write_run

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
_VERSIONS = {"python": "3.11", "neurosieve": "0", "torch": MARKUP}
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
        bare,
        _analyze(folder / "analyze"),
        _detect(folder / "detect"),
        _generate(folder / "generate"),
        _compare(folder / "compare", find, bare),
        write_run(folder / "unheard of", _record("unheard_of", config={"text": MARKUP}), {}),
        *_empty(folder / "empty"),
    ]


def _record(command: str, **more: Any) -> dict[str, Any]:
    record = {
        "command": command,
        "warnings": [f"beware of {MARKUP}", f"the document {AWKWARD[2]} is empty"],
        "counts": {"documents": 12},
        "model": _MODEL,
    }
    return {**record, "timings_seconds": {"reading": 1.5}, "versions": _VERSIONS, "hashes": {"positions": "0f"}, **more}


def _find(folder: Path, behaviours: tuple[str, ...] = _BEHAVIOURS, held_out: bool = True) -> Run:
    rng = np.random.default_rng(0)
    tables = []
    for behaviour in behaviours:
        table = pd.DataFrame(product([behaviour], range(3), range(40)), columns=["behaviour", "layer", "neuron"])
        score = np.clip(0.5 + 0.15 * rng.standard_normal(len(table)), 0, 1)
        score[::17] = np.nan  # A neuron that never fires has no score.
        table = table.assign(auc=score, cohens_d=(score - 0.5) * 5, auc_minus_neutral=score - 0.5)
        held_out_score = (
            np.clip(score + 0.05 * rng.standard_normal(len(table)), 0, 1) if held_out else np.full(len(table), np.nan)
        )
        table = table.assign(auc_heldout=held_out_score, cohens_d_heldout=(held_out_score - 0.5) * 5)
        table["auc_minus_neutral_heldout"] = held_out_score - 0.5
        table = table.loc[table.auc_minus_neutral.abs().sort_values(ascending=False, kind="stable").index]
        table.insert(3, "rank", range(1, len(table) + 1))
        tested = table["rank"] <= (10 if held_out else 0)
        low, high = (table.auc_minus_neutral_heldout.where(tested) + by for by in (-0.1, 0.1))
        table = table.assign(auc_minus_neutral_heldout_low=low, auc_minus_neutral_heldout_high=high)
        verdict = pd.array((low * high > 0).to_numpy(), dtype="boolean")
        verdict[~tested.to_numpy()] = pd.NA
        table = table.assign(replicates=verdict)
        if held_out:
            p = table.auc.where(table.auc.isna(), 1 / 1001)
            # Of those that replicate, some have each verdict that they can have.
            words = pd.Series(
                np.resize([verdict for verdict in VERDICTS if verdict != "not replicated"], len(table)), table.index
            )
            verdicts = words.where(table.replicates.fillna(False).astype(bool), "not replicated").where(tested)
            beats = pd.array((table.auc_minus_neutral_heldout.abs() > 0.2).to_numpy(), dtype="boolean")
            beats[table.auc_minus_neutral_heldout.isna().to_numpy()] = pd.NA
            table = table.assign(p=p, p_fwer=p, q_fdr=p, verdict=verdicts.astype("string"), beats_baselines=beats)
            table["stability"] = np.where(tested, 0.9, np.nan)
        tables.append(table)
    neurons = pd.concat(tables, ignore_index=True)
    counts = {"spans": 9, "documents_with": 8, "ranking_present": 5, "ranking_control": 50, "ranking_groups": 6}
    counts |= {"heldout_present": 4 * held_out, "heldout_control": 40 * held_out}
    null = {"permutations": 1000, "null_max_median": 0.2, "null_max_q95": 0.25}
    null |= {"p_fwer_05": 3, "q_fdr_05": 4}
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
    parts = ("ranking", "heldout") if held_out else ("ranking",)
    tables_of_run = {
        "neurons": neurons,
        "positions": pd.DataFrame(
            {"behaviour": list(behaviours), "group": "g0", "part": "ranking", "token": 0, "text": MARKUP}
        ),
        "spans": pd.concat([_spans(behaviour) for behaviour in behaviours], ignore_index=True),
        "activations": _activations(neurons, parts, rng),
    }
    if held_out:
        tables_of_run["baselines"] = _baselines(behaviours)
    (folder / ".hydra").mkdir(parents=True)
    override = json.dumps(f"source.path='{MARKUP}'")  # A JSON string is a YAML string.
    (folder / ".hydra" / "overrides.yaml").write_text(f"- model=tiny\n- {override}\n", encoding="utf-8")
    return write_run(folder, run, tables_of_run)


def _spans(behaviour: str) -> pd.DataFrame:
    labels = [*AWKWARD, *AWKWARD[:2], AWKWARD[0], ""]
    return pd.DataFrame(
        {
            "behaviour": behaviour,
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


def _baselines(behaviours: tuple[str, ...]) -> pd.DataFrame:
    table = pd.DataFrame(product(behaviours, BASELINES), columns=["behaviour", "baseline"])
    score = np.resize([0.7, 0.55, np.nan], len(table))  # One has too few groups for a score.
    distances = {f"auc_minus_neutral{suffix}": score - 0.5 + by for suffix, by in (("", 0.0), ("_heldout", -0.02))}
    table = table.assign(auc=score, cohens_d=1.0, auc_heldout=score - 0.02, cohens_d_heldout=0.9, **distances)
    distance = table.auc_minus_neutral_heldout
    return table.assign(auc_minus_neutral_heldout_low=distance - 0.03, auc_minus_neutral_heldout_high=distance + 0.03)


def _activations(neurons: pd.DataFrame, parts: tuple[str, ...], rng: np.random.Generator) -> pd.DataFrame:
    best = neurons[neurons["rank"] <= 3][["behaviour", "layer", "neuron"]]
    tables = [
        best.assign(part=part, label=np.int8(label), activation=rng.standard_normal(len(best)) + label)
        for part, label, _ in product(parts, (0, 1), range(20))
    ]
    return pd.concat(tables, ignore_index=True).astype({"activation": "float32"})


def _rescored(folder: Path, find: Run) -> Run:
    kept = ("behaviours", "scorers", "rank_by", "neutral", "counts")
    record = dict(find.run)
    copied = {**{name: record[name] for name in kept}, "run": str(find.folder), "config": {"texts": MARKUP}}
    neurons = find.table("neurons").drop(columns=["p", "p_fwer", "q_fdr", "verdict", "stability", "beats_baselines"])
    return write_run(folder, _record("rescore", **copied), {"neurons": neurons, "spans": find.table("spans")})


def _show(folder: Path, find: Run) -> Run:
    rng = np.random.default_rng(1)
    neurons = [(0, 3), (2, 17)]
    lines: list[tuple[Any, ...]] = []
    for document, text in (("d0", AWKWARD[0]), (AWKWARD[1], AWKWARD[2]), ("d2", AWKWARD[3] + AWKWARD[4])):
        for layer, neuron in neurons:
            for token, start in enumerate(range(0, len(text), 4)):
                span = _BEHAVIOURS[token % 2] if token in (2, 3) else ""
                activation = float("nan") if token == 5 else float(rng.standard_normal())
                lines.append(
                    (document, token + 7, start, start + 4, text[start : start + 4], span, layer, neuron, activation)
                )
    columns = ["document", "token", "start", "end", "text", "behaviour_spans", "layer", "neuron", "activation"]
    contexts = pd.DataFrame(
        [
            (*neuron, place, "d0", 7 + place, 3.5 - place, f"before {AWKWARD[2]}", MARKUP, AWKWARD[3])
            for neuron, place in product(neurons, (1, 2))
        ],
        columns=["layer", "neuron", "place", "document", "token", "activation", "before", "text", "after"],
    )
    promoted = pd.DataFrame(
        [
            (*neuron, direction, place, place, AWKWARD[place % len(AWKWARD)], sign * (2.0 - place / 5))
            for neuron, (direction, sign), place in product(neurons, (("promotes", 1), ("suppresses", -1)), (1, 2, 3))
        ],
        columns=["layer", "neuron", "direction", "place", "token_id", "token", "logit"],
    )
    tables = {"tokens": pd.DataFrame(lines, columns=columns), "contexts": contexts, "promoted": promoted}
    tables["distribution"] = pd.DataFrame(
        [
            (*neuron, behaviour, "ranking", label, 9, 0.5, 0.2, 0.8, 0.9)
            for neuron, behaviour, label in product(neurons, _BEHAVIOURS, (0, 1))
        ],
        columns=["layer", "neuron", "behaviour", "part", "label", "positions", "median", "q25", "q75", "auc"],
    )
    record = {
        "run": str(find.folder),
        "behaviours": list(_BEHAVIOURS),
        "rank_by": "auc",
        "neurons": [
            {"layer": layer, "neuron": neuron, "ranks": {MARKUP: 1}, "direction": 1, "tokens_searched": 100}
            for layer, neuron in neurons
        ],
        "documents": [{"document": name, "part": "heldout", "tokens": 99} for name in ("d0", AWKWARD[1], "d2")],
    }
    return write_run(folder, _record("show", **record), tables)


def _ablate(folder: Path, find: Run, mode: str) -> Run:
    rng = np.random.default_rng(2)
    ends = {"unedited": 0.0, "target": -1.0, "control": -0.1}
    lines = []
    for k, measure, (who, seed) in product(
        (1, 10), ("log_p_onset", MARKUP), (("target", -1), ("control", 0), ("control", 1))
    ):
        value = ends[who] * k / 10 + 0.02 * float(rng.standard_normal())
        line = {"mode": mode, "behaviour": "backtracking", "set": who, "control_set": seed, "intervention": "mean"}
        line |= {"strength": 1.0, "k": k, "measure": measure, "value": value, "low": value - 0.1, "high": value + 0.1}
        line |= {"change": value, "change_low": value - 0.1, "change_high": value + 0.1}
        if who == "target":
            line |= {"difference": value + 0.1, "difference_low": value, "difference_high": value + 0.2}
            line["p_controls"] = 0.05
        lines.append({**line, "n": 30, "groups": 12})
    if mode == "generated":
        none = {"set": "unedited", "control_set": -1, "intervention": "none", "strength": 0.0, "k": 0}
        lines.append({**lines[0], **none, "value": 0.3, "low": 0.2, "high": 0.4, "difference": float("nan")})
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
    neurons = pd.DataFrame({"set": ["target"], "control_set": [-1], "layer": [0], "neuron": [3], "place": [1]})
    tables = {"effects": pd.DataFrame(lines), "neurons": neurons}
    if mode == "generated":
        tables["traces"] = pd.DataFrame(
            [
                (who, k, 1.0, problem, 0, 12, 1, AWKWARD[2] + MARKUP)
                for (who, k), problem in product((("unedited", 0), ("target", 10)), AWKWARD)
            ],
            columns=["set", "k", "strength", "problem", "sample", "tokens", "spans", "text"],
        )
    return write_run(folder, record, tables)


def _analyze(folder: Path) -> Run:
    lines = []
    groups = [("overall", "all"), ("level", "Level 1"), ("level", "Level 10"), ("level", "Level 2"), ("type", MARKUP)]
    for (by, value), measure in product(groups, ("right", "out_of_tokens", f"shows_{MARKUP}")):
        lines.append((by, value, measure, 10, 4, 0.4, 0.17, 0.69))
    summary = pd.DataFrame(lines, columns=["by", "value", "measure", "n", "count", "share", "low", "high"])
    traces = pd.DataFrame(
        {
            "id": [f"{text} {number}" for number, text in enumerate(AWKWARD)],
            "group": list(AWKWARD),
            "level": "Level 1",
            "type": MARKUP,
            "answer": list(AWKWARD),
            "right": pd.array([True, False, None, True, False], dtype="boolean"),
            "thought_ended": [True, False, True, True, False],
            "out_of_tokens": [False, True, False, False, True],
            "tokens": [10, 20, 30, 40, 50],
            "characters": [40, 80, 120, 160, 200],
            "backtracking_spans": [1, 0, 2, 0, 0],
        }
    )
    spans = _spans("backtracking").assign(right=pd.array([True, None, False] * 3, dtype="boolean"))
    record = _record("analyze", behaviours=["backtracking"], config={"source": {"_target_": "source/traces"}})
    return write_run(folder, record, {"summary": summary, "traces": traces, "spans": spans})


def _detect(folder: Path) -> Run:
    detectors = [("backtracking", "uncertainty"), ("backtracking", MARKUP), (MARKUP, "uncertainty"), (MARKUP, MARKUP)]
    agreement = pd.DataFrame(
        [(*pair, 0.83, 0.05, 0.1, 10, 2, 190, 5814) for pair in detectors],
        columns=[
            *("detector", "label", "precision", "recall", "f1"),
            *("true_positive", "false_positive", "false_negative", "sentences"),
        ],
    )
    agreement.loc[3, ["precision", "f1"]] = float("nan")
    confusion = pd.DataFrame(
        [(*pair, 100, 20, 0.2) for pair in detectors], columns=["detector", "label", "sentences", "detected", "share"]
    )
    spans = pd.concat([_spans(behaviour) for behaviour in _BEHAVIOURS], ignore_index=True)
    phrases = spans.groupby(["behaviour", "label"]).document.agg(spans="size", documents="nunique").reset_index()
    tables: Mapping[str, pd.DataFrame] = {
        "spans": spans,
        "phrases": phrases,
        "agreement": agreement,
        "confusion": confusion,
    }
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
    return write_run(folder, record, {"comparison": pairs(runs, 10), "runs": summaries(runs)})


def _empty(folder: Path) -> Iterator[Run]:
    """Yield runs that came to nothing: tables without lines."""
    runs = (_analyze(folder / "analyze"), _detect(folder / "detect"), _show(folder / "show", _find(folder / "find")))
    for run in runs:
        yield write_run(run.folder, run.run, {name: run.table(name).head(0) for name in run.tables})
