"""The sections of several runs side by side: what each found, and a matrix of what replicates from one to another."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from neurosieve import (
    DataError,
    Facts,
    Note,
    Run,
    common_table,
    load,
    number,
    pairs_table,
    plural,
    ranking_with_one_beside,
    runs_table,
)
from neurosieve_plugins.reports.blocks import Fold, Grid, Section
from neurosieve_plugins.reports.text import plain
from neurosieve_plugins.reports.two_rankings_section import two_rankings_section

__all__ = ["comparison_sections"]

_CELL = 46
"""How high a cell of a matrix is, in pixels."""
_TWO = 2
_LISTED = 300
"""So many of the neurons that two runs have in common are listed."""
_MATRICES = {
    "replicated": "replicated",
    "overlap": "in common among the best",
    "rank_correlation": "rank correlation",
}


def comparison_sections(run: Run, most_points: int) -> Iterator[Section]:
    """Yield what several runs found, and, for each behaviour, what they agree on.

    A ranking and the one beside it come first in one picture, of at most `most_points` neurons.
    """
    runs, table, k = run.table("runs"), run.table("comparison"), run.run["k"]
    common = run.table("common") if "common" in run.tables else pd.DataFrame({"behaviour": []})
    numbered = {name: number for number, name in enumerate(dict.fromkeys(runs.run), 1)}
    folder = ranking_with_one_beside(run.run.get("config", {}).get("folders", ()))
    if folder is not None:
        yield _both_readings(folder, most_points)
    yield Section(
        "What each run found",
        f"{plural(len(numbered), 'run')}, each with its best neuron beside the best that chance would give.",
        (Facts(tuple((str(number), name) for name, number in numbered.items())), runs_table(runs)),
    )
    for place, (behaviour, lines) in enumerate(table.groupby("behaviour", sort=False)):
        charts = tuple(
            (title, _matrix(lines, numbered, measure, title))
            for measure, title in _MATRICES.items()
            if lines[measure].notna().any()
        )
        caption = _explained(lines, k)
        blocks: tuple[Any, ...] = ()
        if charts:
            blocks = (Grid(f"replication-{place}" if place else "replication", charts, caption),)
        if (lines.groups_in_common > 0).any():
            blocks += (
                Note(
                    "Some of these runs ranked on the same groups. What they agree on there may be the noise of those "
                    "groups: to replicate, a ranking needs others."
                ),
            )
        in_both = common[common.behaviour == behaviour]
        if len(in_both):
            of_both = f"Neurons among the best {k:,} of both runs of a pair, those first that are high up in both"
            if len(in_both) > _LISTED:
                of_both += f"; {_LISTED:,} of {len(in_both):,}, common.parquet has all"
            table_of_both = common_table(in_both.head(_LISTED), numbered, of_both)
            blocks += (Fold("Neurons among the best of both", (table_of_both,), unfolded=len(numbered) == _TWO),)
        blocks += (Fold("As a table", (pairs_table(lines, numbered, f"Every pair of runs on {plain(behaviour)}"),)),)
        yield Section(
            f"What they agree on: {plain(behaviour)}", "The stronger the colour, the more two runs agree.", blocks
        )


def _both_readings(folder: Path, most_points: int) -> Section:
    """Return the picture of a ranking and of the one beside it; why there is none, where they are gone."""
    title, lead = "Both rankings in one picture", "Every neuron by both of its rankings."
    try:
        section = two_rankings_section(load(folder), most_points)
    except DataError as error:
        return Section(title, lead, (Note(f"The picture is missing: {plain(str(error))}."),))
    return section or Section(title, lead, (Note("The two rankings share no behaviour and no neuron to draw."),))


def _explained(lines: pd.DataFrame, k: int) -> str:
    """Return what the matrices show, in words."""
    sentences = ["Rows and columns are the runs above, by number."]
    if lines.overlap_by_chance.notna().any():
        low, high = lines.overlap_by_chance.min(), lines.overlap_by_chance.max()
        share = number(low) if low == high else f"{number(low)} to {number(high)}"
        sentences.append(
            f"In common among the best: the share of the best {k:,}; rankings that have nothing to do with each other "
            f"would share {share}."
        )
    if lines.replicated.notna().any():
        sentences.append(
            f"Replicated: the share of the best {k:,} neurons of the row's run that the column's run scores with the "
            "same sign and a p of at most 0.05; chance gives 0.025."
        )
    else:
        sentences.append(
            "What replicates is left open: the runs have no p, or different readings, whose signs say different things."
        )
    return " ".join(sentences)


def _matrix(lines: pd.DataFrame, numbered: dict[str, int], measure: str, title: str) -> Any:
    """Draw one measure of every pair of runs, row by column."""
    import altair as alt

    back = f"{measure}_back" if f"{measure}_back" in lines else measure
    there = [(row, column, value) for row, column, value in lines[["run", "other", measure]].itertuples(index=False)]
    there += [(column, row, value) for row, column, value in lines[["run", "other", back]].itertuples(index=False)]
    # Where two runs cannot be compared in this, their cell is empty.
    cells = pd.DataFrame(there, columns=["run", "other", "value"]).dropna()
    cells = cells.assign(row=cells.run.map(numbered).astype(str), column=cells.other.map(numbered).astype(str))
    for name in ("run", "other"):
        cells[name] = [plain(one) for one in cells[name]]
    compared = {*lines.run, *lines.other}
    order = [str(number) for name, number in numbered.items() if name in compared]
    x = alt.X("column:N", sort=order).scale(domain=order).title("in run").axis(labelAngle=0)
    y = alt.Y("row:N", sort=order).scale(domain=order).title("the best of run")
    least = -1 if measure == "rank_correlation" else 0
    strength = alt.Opacity("value:Q").scale(domain=[least, 1], range=[0.03, 0.5]).legend(None)
    shown = [alt.Tooltip("run:N"), alt.Tooltip("other:N"), alt.Tooltip("value:Q", format=".3f", title=title)]
    chart = alt.Chart(cells)
    squares = chart.mark_rect(style="beside").encode(x, y, strength, tooltip=shown)
    words = chart.mark_text(style="word").encode(x, y, text=alt.Text("value:Q", format=".2f"))
    return (squares + words).properties(height=_CELL * len(order))
