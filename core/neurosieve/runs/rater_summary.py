"""What a run of `detect` says of detectors beside each other, and beside annotators."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from neurosieve.runs.blocks import Block, Table
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.tables import as_table, in_context, share_cell, shortened

__all__ = ["disagreement_tables", "reliability_blocks"]


def reliability_blocks(run: RunFolder) -> Iterator[Block]:
    """Yield how far raters agree beyond chance: any two of them, and all of them; nothing where there are no two."""
    if "rater_pairs" not in run.tables:
        return
    pairs, reliability = run.table("rater_pairs"), run.table("reliability")
    titles = {"first": "first", "second": "second", "kappa": "kappa", "both": "both", "only_first": "only the first"}
    titles |= {"only_second": "only the second", "neither": "neither", "not_known": "not known"}
    caption = f"Cohen's kappa of any two, over {_over(pairs)}: how many of these both mark, only one, or neither"
    yield as_table(_with_intervals(pairs, "kappa"), titles, caption)
    titles = {"raters": "raters", "alpha": "alpha", "sentences": "rated by two or more"}
    caption = f"Krippendorff's alpha of all together, over {_over(reliability)}: for raters that look for the same"
    yield as_table(_with_intervals(reliability, "alpha"), titles, caption)


def disagreement_tables(run: RunFolder, most: int) -> Iterator[Table]:
    """Yield, for each pair of raters, at most so many sentences that the one marks and the other does not."""
    if "disagreements" not in run.tables:
        return
    pairs = run.table("rater_pairs")
    titles = {"document": "document", "text": "in context", "marked_by": "marked by", "not_marked_by": "not marked by"}
    for (first, second), rows in run.table("disagreements").groupby(["first", "second"], sort=False):
        of_pair = pairs[(pairs["first"] == first) & (pairs["second"] == second)]
        number = int(of_pair.only_first.sum() + of_pair.only_second.sum())
        # Spread evenly over all that are kept.
        places = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))
        shown = rows.iloc[places]
        some = f"{len(places):,} of {number:,}" if len(places) < number else f"all {number:,}"
        caption = f"{first} and {second} differ: {some} {_over(rows)}"
        yield as_table(in_context(shown.assign(text=shown.text.map(shortened))), titles, caption)


def _with_intervals(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    cells = [share_cell(row, measure) for row in table.to_dict("records")]
    return table.assign(**{measure: pd.Series(cells, index=table.index, dtype=object)})


def _over(table: pd.DataFrame) -> str:
    return " and ".join(dict.fromkeys(table.over))
