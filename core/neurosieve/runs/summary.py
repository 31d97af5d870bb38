"""What a finished run of each command says, as blocks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from neurosieve.runs.annotation_summary import annotation_blocks
from neurosieve.runs.blocks import Block, Cell, Facts, Header, Note, Table
from neurosieve.runs.circuit_summary import DOSES, circuit_blocks
from neurosieve.runs.ranking_summary import ranking_blocks, rescored_blocks
from neurosieve.runs.reader import BESIDE, RECORD, RunFolder
from neurosieve.runs.real_effects_summary import real_effect_blocks
from neurosieve.runs.single_neurons_summary import SINGLE_NEURONS, single_neuron_blocks
from neurosieve.runs.tables import as_table, in_context, interval, neuron_name, number
from neurosieve.runs.text_summary import analysis_blocks, detection_blocks, generation_blocks, learning_blocks
from neurosieve.runs.two_rankings import two_rankings_blocks
from neurosieve.wording import plural

__all__ = [
    "both_readings_blocks",
    "common_table",
    "comparison_blocks",
    "contexts_table",
    "pairs_table",
    "ranking_with_one_beside",
    "run_blocks",
    "runs_table",
]

_RUNS_IN_FULL = 8
"""Of so many runs each pair has its row; of more there is a matrix."""


def run_blocks(run: RunFolder, k: int = 10) -> Iterator[Block]:
    """Yield what a run of any command says, its warnings apart; of a ranking the best `k` neurons."""
    match run.command:
        case "find":
            yield from ranking_blocks(run, k)
        case "rescore":
            yield from rescored_blocks(run, k)
        case "detect":
            yield from detection_blocks(run)
        case "annotate":
            yield from annotation_blocks(run)
        case "learn":
            yield from learning_blocks(run)
        case "analyze":
            yield from analysis_blocks(run)
        case "generate":
            yield from generation_blocks(run)
        case "ablate" if SINGLE_NEURONS in run.tables:
            yield from single_neuron_blocks(run)
            yield _proof(run)
        case "ablate" if DOSES in run.tables:
            yield from circuit_blocks(run)
            yield _proof(run)
        case "ablate":
            yield from _effects(run)
        case "show":
            contexts = run.table("contexts")
            for layer, neuron in contexts[["layer", "neuron"]].drop_duplicates().itertuples(index=False, name=None):
                yield contexts_table(contexts[(contexts.layer == layer) & (contexts.neuron == neuron)].head(k))
        case "compare":
            common = run.table("common") if "common" in run.tables else None
            yield from comparison_blocks(run.table("runs"), run.table("comparison"), run.run["k"], common)
            yield from both_readings_blocks(run.run.get("config", {}).get("folders", ()), k)


def contexts_table(contexts: pd.DataFrame) -> Table:
    """Return the places where one neuron is strongest, in their context."""
    name = neuron_name(contexts.layer.tolist()[0], contexts.neuron.tolist()[0])
    titles = {"activation": "activation", "text": "where", "document": "document"}
    return as_table(
        in_context(contexts.sort_values("place")), titles, f"where {name} is strongest, one place a document"
    )


def _effects(run: RunFolder) -> Iterator[Block]:
    """Yield the effects of an edit, dose by dose, the verdicts, and the proof that the edit took place."""
    record, effects = run.run, run.table("effects")
    unedited = effects[effects.set == "unedited"].set_index("measure").value
    for k, strength in dict.fromkeys((verdict["k"], verdict["strength"]) for verdict in record["verdicts"]):
        yield _effect_table(run, effects[(effects.k == k) & (effects.strength == strength)], unedited, k, strength)
        for verdict in record["verdicts"]:
            if (verdict["k"], verdict["strength"]) == (k, strength):
                yield Note(f"{verdict['sentence']}.", finding=True)
    yield _proof(run)


def _proof(run: RunFolder) -> Note:
    proof = run.run["proof"]
    return Note(
        f"proof: {proof['values']:,} activations edited in {proof['calls']:,} calls, and read back inside the model: "
        f"the largest deviation is {proof['largest_deviation']:g}"
    )


def _effect_table(run: RunFolder, effects: pd.DataFrame, unedited: pd.Series, k: int, strength: float) -> Table:
    titles = ["change", "95 % interval", "controls", "beyond them", "95 % interval", "p", "n", "groups"]
    if len(unedited):
        titles = ["unedited", "edited", *titles]
    rows = []
    for measure, of_measure in effects.groupby("measure", sort=False):
        [target] = of_measure[of_measure.set == "target"].to_dict("records")
        controls = of_measure[of_measure.set == "control"].change
        spread = f" ({interval(controls.min(), controls.max(), signed=True)})" if len(controls) > 1 else ""
        texts = (
            *map(number, (unedited.get(measure, math.nan), target["value"]) if len(unedited) else ()),
            number(target["change"], signed=True),
            interval(target["change_low"], target["change_high"], signed=True),
            number(controls.mean(), signed=True) + spread,
            number(target["difference"], signed=True),
            interval(target["difference_low"], target["difference_high"], signed=True),
            "" if math.isnan(target["p_controls"]) else f"{target['p_controls']:.2g}",
            f"{target['n']:,}",
            f"{target['groups']:,}",
        )
        rows.append((Cell(run.run["measures"].get(str(measure), str(measure))), *map(Cell, texts)))
    intervention = str(run.run["intervention"]["_target_"]).rpartition("/")[2]
    neurons = f"{k:,} {run.site.neurons if k != 1 else run.site.neurons.removesuffix('s')}"
    dose = f", strength {strength:g}" if strength != 1 else ""
    caption = f"{run.run['behaviours'][0]}: {neurons} edited (intervention {intervention}{dose})"
    return Table([Header("measure"), *(Header(title, True) for title in titles)], rows, caption)


_TWO = 2
_IN_BOTH = 20
"""So many of the neurons that are among the best of both runs are listed; the table has them all."""
_SHARED = ("behaviour", "model", "reading", "rank_by")
_RUN_TITLES = {
    "number": "run",
    "behaviour": "behaviour",
    "model": "model",
    "reading": "reading",
    "rank_by": "ranked by",
    "spans": "spans",
    "present": "present positions",
    "neurons": "neurons",
    "best": "best score",
    "best_minus_neutral": "from chance level",
    "null_max_q95": "best by chance, in 5 %",
    "p_fwer_05": "p_fwer ≤ 0.05",
    "tested": "tested",
    "replicated": "replicate",
}
_PAIR_TITLES = {
    "run": "run",
    "other": "other",
    "overlap": "in common among the best",
    "overlap_by_chance": "by chance",
    "rank_correlation": "rank correlation",
    "score_correlation": "score correlation",
    "replicated": "replicated in the other",
    "replicated_back": "the other's in it",
    "groups_in_common": "groups in common",
    "groups": "of",
}


def comparison_blocks(
    runs: pd.DataFrame, pairs: pd.DataFrame, k: int, common: pd.DataFrame | None = None
) -> Iterator[Block]:
    """Yield what several runs found, and what each pair agrees on; of two runs also the first neurons that both have.

    Args:
        runs: a row per run and behaviour, as the table `runs` of a comparison.
        pairs: a row per behaviour and pair of runs, as its table `comparison`.
        k: of how many best neurons the overlap is taken.
        common: a row per pair and neuron that is among the best of both, as its table `common`.
    """
    numbers = {name: place for place, name in enumerate(dict.fromkeys(runs.run), 1)}
    yield Facts(tuple((f"{place:>3}", name) for name, place in numbers.items()))
    yield runs_table(runs)
    for behaviour, of_behaviour in pairs.groupby("behaviour", sort=False):
        caption = f"{behaviour}: runs side by side, by their best {k:,}"
        if len(numbers) <= _RUNS_IN_FULL:
            yield pairs_table(of_behaviour, numbers, caption)
        else:
            yield _matrix(of_behaviour, numbers, f"{caption}: the share in common")
            yield Note("what else is known of each pair: `--output <folder>`, and `neurosieve.compare(...)`")
        in_both = pd.DataFrame() if common is None else common[common.behaviour == behaviour]
        if len(numbers) == _TWO and len(in_both):
            yield common_table(in_both.head(_IN_BOTH), numbers, f"{behaviour}: {_how_many(in_both, k)}")


def ranking_with_one_beside(folders: Sequence[str | Path]) -> Path | None:
    """Return the folder of the ranking where two folders are compared: its own, and that of the one beside it."""
    pair = sorted((Path(folder).resolve() for folder in folders), key=lambda folder: len(folder.parts))
    return pair[0] if len(pair) == _TWO and pair[1] == pair[0] / BESIDE else None


def both_readings_blocks(folders: Sequence[str | Path], k: int) -> Iterator[Block]:
    """Yield what a ranking and the one beside it say together, where these two are compared: as the ranking itself."""
    folder = ranking_with_one_beside(folders)
    if folder is not None and (folder / RECORD).is_file():
        run = RunFolder(folder)
        for behaviour in run.run["behaviours"]:
            yield from real_effect_blocks(run, behaviour)
            yield from two_rankings_blocks(run, behaviour, (k + 1) // 2)


def _how_many(in_both: pd.DataFrame, k: int) -> str:
    first = f", the first {_IN_BOTH}" if len(in_both) > _IN_BOTH else ""
    return f"{plural(len(in_both), 'neuron is', 'neurons are')} among the best {k:,} of both runs{first}"


def common_table(common: pd.DataFrame, numbers: Mapping[str, int], caption: str) -> Table:
    """Return the neurons that are among the best of both runs of a pair; the runs by number."""
    pairs = common[["run", "other"]].drop_duplicates()
    names = [neuron_name(int(layer), int(neuron)) for layer, neuron in zip(common.layer, common.neuron, strict=True)]
    rows = common.assign(name=names, run=common.run.map(numbers), other=common.other.map(numbers))
    titles = {"name": "neuron"}
    if len(pairs) == 1:  # The columns are called by the runs.
        [(run, other)] = pairs.itertuples(index=False, name=None)
        for end, number_of in (("", numbers[run]), ("_other", numbers[other])):
            titles |= {f"rank{end}": f"rank in run {number_of}", f"score{end}": f"score in run {number_of}"}
    else:
        titles |= {"run": "run", "rank": "rank", "score": "score"}
        titles |= {"other": "other", "rank_other": "rank there", "score_other": "score there"}
    return as_table(rows, titles, caption, names=["run", "other"])


def runs_table(runs: pd.DataFrame) -> Table:
    """Return what each run found, without the columns that are the same in all, or count nothing."""
    same = [column for column in _SHARED if column in runs and runs[column].nunique() == 1]
    verdicts = [str(column) for column in runs if str(column).startswith("verdict: ") and runs[column].any()]
    titles = _RUN_TITLES | {column: column.removeprefix("verdict: ") for column in verdicts}
    numbers = {name: place for place, name in enumerate(dict.fromkeys(runs.run), 1)}
    numbered = runs.assign(number=runs.run.map(numbers)).drop(columns=same)
    return as_table(numbered, titles, "what each run found", names=["number"])


def pairs_table(pairs: pd.DataFrame, numbers: Mapping[str, int], caption: str) -> Table:
    """Return what each pair of runs agrees on; the runs by number."""
    numbered = pairs.assign(run=pairs.run.map(numbers), other=pairs.other.map(numbers))
    return as_table(numbered, _PAIR_TITLES, caption, names=["run", "other"])


def _matrix(pairs: pd.DataFrame, numbers: Mapping[str, int], caption: str) -> Table:
    """Return the overlap of each pair of runs: a row for one, a column for the other."""
    names = list(numbers)
    overlap = pairs.pivot(index="other", columns="run", values="overlap").reindex(index=names[1:], columns=names[:-1])
    rows = [
        (Cell(str(numbers[name])), *(Cell("" if math.isnan(share) else f"{share:.2f}") for share in shares))
        for name, *shares in overlap.itertuples(name=None)
    ]
    return Table([Header("run"), *(Header(str(numbers[name]), True) for name in names[:-1])], rows, caption)
