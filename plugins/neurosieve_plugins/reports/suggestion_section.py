"""The section of phrases that were suggested for a list: what it is worth with them, and the preset to take."""

from typing import Any

import pandas as pd

from neurosieve import Block, Run, suggestion_blocks
from neurosieve_plugins.reports.blocks import Code, Figure, Fold, Section, by_behaviour

__all__ = ["suggestion_section"]


def suggestion_section(run: Run) -> Section | None:
    """Return the phrases that detectors miss, None where none were looked for."""
    suggestions = run.run.get("suggestions", {})
    if not suggestions or "mended" not in run.tables:
        return None
    lead = (
        "Phrases that sentences with the behaviour hold and the list misses. Half of the groups proposed them; what "
        "they are worth is measured on the other half."
    )
    return Section("Which phrases are missed?", lead, by_behaviour({name: _blocks(run, name) for name in suggestions}))


def _blocks(run: Run, name: str) -> tuple[Block, ...]:
    mended = run.table("mended")
    mended = mended[mended.detector == name]
    blocks = list(suggestion_blocks(run, name, every=True))
    if len(mended) > 1:
        caption = (
            "Precision, recall and F1 of the list with the first phrases, on groups that had no part in proposing them."
        )
        if mended.f1_low.notna().any():
            caption += " Bands: 95 % intervals from resampling whole groups."
        blocks.insert(1, Figure("mended", mended_list(mended), caption))
    preset = (run.folder / run.run["suggestions"][name].get("preset", "")).resolve()
    # A run may come from others: the page shows no file from outside of it.
    if preset.is_file() and preset.is_relative_to(run.folder.resolve()):
        blocks.append(Fold("The preset with these phrases", (Code(preset.read_text(encoding="utf-8"), "config"),)))
    return tuple(blocks)


def mended_list(table: pd.DataFrame, height: int = 240) -> Any:
    """Draw what a list is worth with more and more phrases: phrases, precision, recall, f1, and their intervals."""
    import altair as alt

    names = {"precision": "precision", "recall": "recall", "f1": "F1"}
    long = pd.concat(
        pd.DataFrame(
            {
                "phrases": table.phrases,
                "measure": shown,
                "value": table[name],
                "low": table[f"{name}_low"],
                "high": table[f"{name}_high"],
            }
        )
        for name, shown in names.items()
    )
    x = alt.X("phrases:Q").title("phrases added to the list").axis(tickMinStep=1, format=",d").scale(nice=False)
    y = alt.Y("value:Q").title(", ".join(names.values())).scale(domain=[0, 1]).axis(tickCount=5)
    colour = alt.Color("measure:N").scale(domain=list(names.values()))
    shown = [
        alt.Tooltip("measure:N"),
        alt.Tooltip("phrases:Q", format=",d"),
        alt.Tooltip("value:Q", format=".3f"),
        alt.Tooltip("low:Q", format=".3f", title="from"),
        alt.Tooltip("high:Q", format=".3f", title="to"),
    ]
    chart = alt.Chart(long)
    bands = chart.mark_area(opacity=0.12).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), colour)
    lines = chart.mark_line(strokeWidth=2, point=True).encode(x, y, colour, tooltip=shown)
    return (bands + lines).properties(height=height)
