"""The sections of how good labels are: detectors against annotators, and beside each other."""

from collections.abc import Iterator

import pandas as pd

from neurosieve import Block, Run, as_table, disagreement_tables, reliability_blocks
from neurosieve_plugins.reports.bar_charts import scores, thresholds
from neurosieve_plugins.reports.blocks import Figure, Fold, Grid, Section
from neurosieve_plugins.reports.matrix_charts import shares_matrix
from neurosieve_plugins.reports.text import plain

__all__ = ["agreement_sections"]

_DISAGREEMENTS = 50
"""So many sentences on which a pair differs are shown; the table `disagreements` has up to 200."""


def agreement_sections(run: Run) -> Iterator[Section]:
    """Yield how well detectors find what annotators found, and how far detectors agree."""
    if "agreement" in run.tables and len(table := run.table("agreement")):
        yield _agreement(_by_annotator(table))
    if "thresholds" in run.tables and len(table := run.table("thresholds")):
        caption = (
            "Precision and recall at each threshold of the trained detector, on documents that it was not trained on."
        )
        lead = "What a higher threshold buys in precision, and costs in recall."
        yield Section("Which threshold?", lead, (Figure("thresholds", thresholds(table), caption),))
    if "confusion" in run.tables and len(table := run.table("confusion")):
        lead = "How many of the sentences of each label a detector marks, whatever it was meant to find."
        yield Section("What else it finds", lead, (_confusion(_by_annotator(table)),))
    if "rater_pairs" in run.tables and len(table := run.table("rater_pairs")):
        lead = "The same sentences, rated by each detector, and by annotators where one of their labels was named."
        blocks = (_beside(table), *reliability_blocks(run))
        yield Section("Do detectors agree with each other?", lead, blocks)
        if folds := tuple(_disagreements(run)):
            lead = "Sentences that one marks and the other does not, drawn at random where there are very many."
            yield Section("Where they differ", lead, folds)


def _by_annotator(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose detectors are named with the annotator that each is compared with, where there are some."""
    if "annotator" not in table:
        return table
    names = [f"{detector} · {annotator}" for detector, annotator in zip(table.detector, table.annotator, strict=True)]
    return table.assign(detector=names).drop(columns="annotator")


def _agreement(table: pd.DataFrame) -> Section:
    """Return precision, recall and F1 of each detector and label, as dots with their intervals and as a table."""
    measures = [name for name in ("precision", "recall", "f1") if name in table]
    long = pd.concat(
        pd.DataFrame(
            {
                "detector": [plain(name) for name in table.detector],
                "label": [plain(name) for name in table.label],
                "measure": measure.replace("f1", "F1"),
                "value": table[measure],
                "low": table.get(f"{measure}_low", pd.Series(float("nan"), table.index)),
                "high": table.get(f"{measure}_high", pd.Series(float("nan"), table.index)),
            }
        )
        for measure in measures
    )
    charts = tuple((str(label), scores(rows)) for label, rows in long.groupby("label", sort=False))
    with_interval = " Lines: 95 % intervals from resampling whole groups." if long.low.notna().any() else ""
    caption = (
        "Precision: of the sentences that the detector marks, the share that annotators labelled so. Recall: of "
        f"the labelled sentences, the share that it marks. F1: the harmonic mean of the two.{with_interval}"
    )
    titles = {str(name): str(name).replace("_", " ") for name in table}
    blocks = (Grid("agreement", charts, caption), as_table(table, titles, "Detectors against annotators"))
    return Section("Do detectors and annotators agree?", "Sentence by sentence, any overlap counting.", blocks)


def _confusion(table: pd.DataFrame) -> Figure:
    """Return the confusion matrix of annotators' labels and detectors; the label that is marked most comes first."""
    order = table.groupby("label", sort=False).share.max().sort_values(ascending=False, kind="stable").index
    place = {label: number for number, label in enumerate(order)}
    table = table.sort_values("label", key=lambda labels: labels.map(place), kind="stable").dropna(subset="share")
    cells = pd.DataFrame(
        {
            "row": [plain(name) or "(no label)" for name in table.label],
            "column": [plain(name) for name in table.detector],
            **{"share": table.share, "part": table.detected, "whole": table.sentences},
        }
    )
    caption = (
        "Each row is a label of the annotators, each column a detector: the share of the label's sentences in which "
        "the detector marks something."
    )
    if ((cells.share - cells.part / cells.whole).abs() > 1e-9).any():
        caption += " Shares are of what the sentences stand for; the numbers below them count sentences as they are."
    return Figure("confusion", shares_matrix(cells, "label", "detector"), caption)


def _beside(pairs: pd.DataFrame) -> Grid:
    """Return a matrix of raters for each kind of text that is rated: who marks what another marks."""
    charts = []
    for over, of_kind in pairs.groupby("over", sort=False):
        names = list(dict.fromkeys((*of_kind["first"], *of_kind["second"])))
        shares = {}
        for row in of_kind.to_dict("records"):
            first, second, both = row["first"], row["second"], row["both"]
            shares[first, second] = (both, both + row["only_first"])
            shares[second, first] = (both, both + row["only_second"])
        lines = []
        for number, name in enumerate(names, 1):
            for place, other in enumerate(names, 1):
                part, whole = shares.get((name, other), (0, 0))
                # The columns have numbers, for which there is room in a narrow window.
                lines.append((f"{number} {plain(name)}", str(place), part / whole if whole else None, part, whole))
        cells = pd.DataFrame(lines, columns=["row", "column", "share", "part", "whole"])
        charts.append((f"over {over}", shares_matrix(cells.astype({"share": float}), "marked by", "and by number")))
    caption = (
        "Of the sentences that the row's rater marks, the share that the rater with the column's number marks as well."
    )
    return Grid("raters", tuple(charts), caption)


def _disagreements(run: Run) -> Iterator[Block]:
    tables = list(disagreement_tables(run, _DISAGREEMENTS))
    for place, table in enumerate(tables):
        yield table if len(tables) == 1 else Fold(table.caption, (table,), unfolded=place == 0)
