"""Which sentences a person is to label: drawn by chance, with a chance that is known for each."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.data import Document
from neurosieve.detection.annotation.plan import Stratum, plan
from neurosieve.detection.annotation.population import MARKS, NOT_FOUND, mark_column
from neurosieve.disk import content_address
from neurosieve.texts.draws import generator_of
from neurosieve.texts.seeds import seed_of

__all__ = ["draw_sentences", "strata_of"]


def draw_sentences(
    population: pd.DataFrame, detectors: Sequence[str], documents: Mapping[str, Document], number: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the sentences that are drawn, in the order in which a person is to see them, and the strata.

    Returns:
        A row per sentence, `sentence, document, group, start, end, text, stratum, weight` and the detectors' marks,
        where `sentence` names it by its place and its text, and `weight` is one over the chance that it was drawn. And
        a row per stratum, `stratum, sentences, drawn`.
    """
    strata, stratum_of = strata_of(population, detectors, min(number, len(population)))
    chosen, order = [], _order(population, seed)
    for place, stratum in enumerate(strata):
        members = order[stratum_of[order] == place]
        # Every so-many-th in the order of groups and documents: the chance is the same for all, and texts are spread.
        # Systematic sampling: Cochran (1977), Sampling Techniques, chapter 8.
        start = generator_of(seed, f"stratum {place}").random()
        steps = (start + np.arange(stratum.drawn)) * len(members) / stratum.drawn
        chosen.append(members[np.minimum(steps.astype(np.int64), len(members) - 1)])
    names = [_name(population, detectors, stratum_of, place, stratum) for place, stratum in enumerate(strata)]
    rows = population.iloc[np.concatenate(chosen)].reset_index(drop=True)
    places = np.repeat(np.arange(len(strata)), [stratum.drawn for stratum in strata])
    rows["text"] = [documents[name].text[start:end] for name, start, end in _stretches(rows)]
    rows["sentence"] = [
        content_address([name, start, end, text])[:12]
        for (name, start, end), text in zip(_stretches(rows), rows["text"], strict=True)
    ]
    rows["stratum"] = [names[place] for place in places]
    rows["weight"] = [strata[place].sentences / strata[place].drawn for place in places]
    for detector in detectors:
        rows[mark_column(detector)] = [MARKS[mark] for mark in rows[mark_column(detector)]]
    columns = [
        "sentence",
        "document",
        "group",
        "start",
        "end",
        "text",
        "stratum",
        "weight",
        *map(mark_column, detectors),
    ]
    # A person who stops early leaves a random part of every stratum.
    shuffled = rows.sort_values("sentence", key=lambda names: names.map(lambda name: seed_of(seed, name)))
    table = pd.DataFrame(
        [(name, stratum.sentences, stratum.drawn) for name, stratum in zip(names, strata, strict=True)],
        columns=["stratum", "sentences", "drawn"],
    )
    return shuffled[columns].reset_index(drop=True), table


def strata_of(
    population: pd.DataFrame, detectors: Sequence[str], number: int
) -> tuple[list[Stratum], npt.NDArray[np.int64]]:
    """Return the strata with how many of `number` sentences each gets, and the stratum of each sentence."""
    marks = population[[mark_column(detector) for detector in detectors]].to_numpy()
    patterns, pattern_of, sizes = np.unique(marks, axis=0, return_inverse=True, return_counts=True)
    strata = plan(patterns.astype(np.int64), sizes.astype(np.int64), number)
    stratum_of_pattern = np.zeros(len(patterns), dtype=np.int64)
    for place, stratum in enumerate(strata):
        stratum_of_pattern[list(stratum.patterns)] = place
    return strata, stratum_of_pattern[np.ravel(pattern_of)]


def _order(population: pd.DataFrame, seed: int) -> npt.NDArray[np.int64]:
    """Return the sentences by group and document, both in an order drawn by seed, and by their place in the text."""
    keys = []
    for column in ("document", "group"):
        codes, names = pd.factorize(population[column])
        places = sorted(range(len(names)), key=lambda code: (seed_of(seed, column, str(names[code])), str(names[code])))
        rank = np.empty(len(names), dtype=np.int64)
        rank[places] = np.arange(len(names))
        keys.append(rank[codes])
    return np.lexsort((population["start"].to_numpy(), *keys))


def _name(
    population: pd.DataFrame, detectors: Sequence[str], stratum_of: npt.NDArray[np.int64], place: int, stratum: Stratum
) -> str:
    """Return what all detectors say of the sentences of a stratum, in words."""
    if len(stratum.patterns) > 1:
        return f"{len(stratum.patterns)} rare patterns"
    first = population.iloc[int(np.argmax(stratum_of == place))]
    said = {detector: int(first[mark_column(detector)]) for detector in detectors}
    if all(mark == NOT_FOUND for mark in said.values()):
        return "nothing found"
    return ", ".join(f"{detector}: {MARKS[mark]}" for detector, mark in said.items() if mark != NOT_FOUND)


def _stretches(rows: pd.DataFrame) -> list[tuple[str, int, int]]:
    return [(str(name), int(start), int(end)) for name, start, end in rows[["document", "start", "end"]].to_numpy()]
