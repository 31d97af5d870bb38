"""The section of a ranking and the one beside it: both in one picture, with what edits of single neurons did."""

from neurosieve import Block, Run, TwoRankings, edit_name, plural, real_effect_blocks, two_rankings, two_rankings_blocks
from neurosieve_plugins.reports.any_sections import listed
from neurosieve_plugins.reports.blocks import Figure, Section, by_behaviour
from neurosieve_plugins.reports.two_axes_chart import ZOOMS, drawn_of_both, two_axes
from neurosieve_plugins.reports.two_axes_plane import as_foretold, foretold, real_axis

__all__ = ["two_rankings_section"]

_EDITS = {"mean": "setting a neuron to its mean", "zero": "setting a neuron to zero"}
_BEST = 10
"""So many of the best neurons of either ranking are listed with both scores."""


def two_rankings_section(run: Run, most_points: int) -> Section | None:
    """Return the picture of a ranking of `find` and of the one beside it, where there is one.

    `most_points` is how many neurons are drawn, of all behaviours together.
    """
    most = max(500, most_points // max(len(run.run["behaviours"]), 1) // 2)
    blocks: dict[str, tuple[Block, ...]] = {}
    for place, name in enumerate(run.run["behaviours"]):
        both = two_rankings(run, name)
        if both is None or both.table.empty:
            continue
        across, up = both.axes
        drawn, defined = len(drawn_of_both(both, most)), len(both.table)
        caption = f"Each point is a neuron. Across: {across.title}. Up: {up.title}. Dashed: chance level."
        if both.tested:
            caption += " Dotted: in 5 % of permutations the best of all comes so far, or further."
        if drawn < defined:
            caption += (
                f" {drawn:,} of {defined:,} are drawn: where several would lie on each other, the one that is best in "
                "either ranking."
            )
        edits = tuple(real_effect_blocks(run, name))
        caption += _of_edits(both) if edits else " Whether a neuron does what its place says, an ablation tests."
        if both.unplaced:
            caption += (
                f" {plural(both.unplaced, 'neuron that was', 'neurons that were')} edited alone "
                f"{'has' if both.unplaced == 1 else 'have'} no score in one of the rankings, and no place here."
            )
        caption += " Click on a neuron to see more of it, where the page has more."
        figure = Figure(f"both-{place}" if place else "both", two_axes(both, most), caption, ZOOMS)
        agreement, *tables = two_rankings_blocks(run, name, _BEST)
        blocks[name] = (figure, *edits, agreement, *tables)
        cells = up.cells
    if not blocks:
        return None
    meaning = f" Up is {cells.title}: {cells.help[:1].lower()}{cells.help[1:]}" if cells.help else ""
    sign = f" {cells.negative[:1].upper()}{cells.negative[1:]}." if cells.negative else ""
    lead = f"Every neuron by both of its rankings.{meaning}{sign}"
    return Section(f"{run.cells.name.capitalize()} and {cells.name} in one picture", lead, by_behaviour(blocks))


def _of_edits(both: TwoRankings) -> str:
    """Return what is drawn of the neurons that were edited alone."""
    place = real_axis(both)
    if place is None:
        return " In colour: the neurons that were edited alone, by the verdict on them."
    axis = both.axes[place]
    what = "at onsets less that at other tokens" if foretold(axis) == "real_difference" else "at onsets"
    edit = _EDITS.get(axis.edit, f"the edit `{axis.edit}`")
    caption = (
        f" In colour: the neurons that were edited alone. Circle: the effect of {edit}, as {axis.cells.name} foretold "
        f"it, on the texts that ranked. Diamond: the real effect of {edit}, {what}, on held-out texts, with its "
        "interval, which is cut off where it leaves the picture. Dashed: from the one to the other."
    )
    edited = both.table[both.table.real_verdict.notna()]
    others = edited[~as_foretold(edited, place)]
    if len(others):
        edits = listed(dict.fromkeys(map(edit_name, others.real_intervention, others.real_strength)))
        caption += (
            f" {plural(len(others), 'neuron has', 'neurons have')} a circle alone: what was measured ({edits}, on the "
            f"first token of onsets) is not what {axis.cells.name} foretold."
        )
    return caption
