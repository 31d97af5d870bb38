"""Spans in a terminal: highlighted in their context, counted, and beside what annotators found."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from neurosieve.runs.results import Run
from neurosieve.terminal.find import console
from neurosieve.wording import plural, visible

__all__ = ["agreement_lines", "show_detection", "show_learning"]

_LONGEST = 200
"""Of a longer span, its beginning and its end are printed."""
_PHRASES = 20
"""How many phrases of each behaviour are printed."""


def show_detection(run: Run, out: Console | None = None) -> None:
    """Print what a run of `detect` found: spans in context, phrases, and how well they agree with annotations."""
    out, told = out or console(), run.run
    for warning in told["warnings"]:
        out.print(f"[bold yellow]warning:[/] {escape(visible(warning))}")
    spans, phrases = run.table("spans"), run.table("phrases")
    for behaviour in told["behaviours"]:
        mine = spans[spans.behaviour == behaviour]
        counts = told["counts"]["behaviours"][behaviour]
        if len(mine) and told["config"]["contexts"]:
            out.print(_contexts(mine, behaviour, told["config"]["contexts"]))
        if len(mine):
            out.print(_phrases(phrases[phrases.behaviour == behaviour], behaviour))
        out.print(
            f"{escape(visible(behaviour))}: {plural(counts['spans'], 'span')}; in "
            f"{plural(counts['documents_with'], 'document')}, and not in {counts['documents_without']:,}"
        )
    if "agreement" in run.tables:
        sentences = told["counts"]["annotated_sentences"]
        title = f"beside {sentences:,} annotated sentences of {told['counts']['annotated_documents']:,} documents"
        out.print(agreement_lines(run.table("agreement"), title))
        out.print(_confusion(run.table("confusion"), told["behaviours"]))
    out.print(f"run folder: {escape(str(run.folder))}", soft_wrap=True)


def show_learning(run: Run, out: Console | None = None) -> None:
    """Print what a trained detector is worth on documents that had no part in it, and where it is."""
    out, told = out or console(), run.run
    for warning in told["warnings"]:
        out.print(f"[bold yellow]warning:[/] {escape(visible(warning))}")
    learned, table = told["training"], run.table("agreement")
    title = (
        f"{visible(told['behaviours'][0])}: {learned['with_the_behaviour']:,} of {learned['sentences']:,} annotated "
        f"sentences, {plural(learned['documents'], 'document')} in {plural(learned['groups'], 'group')}"
    )
    out.print(agreement_lines(table, title))
    wanted = (
        "for the best F1"
        if learned["wanted_precision"] is None
        else f"for a precision of {learned['wanted_precision']:g}"
    )
    out.print(
        f"`{escape(told['config']['learner'])}` is cross-validated: trained {learned['folds']} times without a part of "
        "the groups, its threshold chosen without that part too, and measured on it"
    )
    out.print(f"the detector itself is trained on all; its threshold {wanted}: {learned['threshold']:.3f}")
    name = told["config"]["learner"]
    out.print(f"detector: {escape(told['output'])}", soft_wrap=True)
    out.print(
        f"use it: neurosieve find detectors=\\[{name}] detectors.{name}.path={escape(told['output'])}", soft_wrap=True
    )
    out.print(f"run folder: {escape(str(run.folder))}", soft_wrap=True)


def agreement_lines(table: pd.DataFrame, title: str) -> Table:
    """Return precision, recall and F1 with their intervals, a line per detector and label."""
    shown = Table(title=escape(title), title_justify="left")
    for column in ("detector", "label"):
        shown.add_column(column)
    for column in ("precision", "recall", "F1", "sentences with it"):
        shown.add_column(column, justify="right")
    for line in table.to_dict("records"):
        cells = [_measure(line, measure) for measure in ("precision", "recall", "f1")]
        sentences = f"{line['true_positive'] + line['false_negative']:,}"
        shown.add_row(Text(visible(line["detector"])), Text(visible(line["label"])), *cells, sentences)
    return shown


def _measure(line: dict[Any, Any], measure: str) -> str:
    value, low, high = (line[name] for name in (measure, f"{measure}_low", f"{measure}_high"))
    interval = "" if math.isnan(low) else f" ({low:.2f} to {high:.2f})"
    return "–" if math.isnan(value) else f"{value:.2f}{interval}"


def _confusion(table: pd.DataFrame, detectors: Sequence[str]) -> Table:
    shown = Table(title="which share of each label's sentences each detector marks", title_justify="left")
    shown.add_column("label")
    shown.add_column("sentences", justify="right")
    for detector in detectors:
        shown.add_column(Text(visible(detector)), justify="right")
    for label, mine in table.groupby("label", sort=False):
        by_detector = mine.set_index("detector")
        cells = [f"{by_detector.detected[detector]:,} ({by_detector.share[detector]:.1%})" for detector in detectors]
        shown.add_row(Text(visible(str(label))), f"{mine.sentences.iat[0]:,}", *cells)
    return shown


def _contexts(spans: pd.DataFrame, behaviour: str, count: int) -> Table:
    """Return some of the spans in their context, spread evenly over all."""
    places = np.unique(np.linspace(0, len(spans) - 1, min(count, len(spans))).round().astype(int))
    chosen = f"{len(places):,} of {len(spans):,} spans, spread evenly" if len(places) < len(spans) else "all spans"
    shown = Table(title=escape(f"{visible(behaviour)}: {chosen}"), title_justify="left", show_lines=True)
    shown.add_column("document")
    shown.add_column("start", justify="right")
    shown.add_column("in context", overflow="fold")
    for line in spans.iloc[places].to_dict("records"):
        text = line["text"]
        if len(text) > _LONGEST:
            text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
        context = Text(visible(line["before"]), style="dim")
        context.append(visible(text), style="bold reverse")
        context.append(visible(line["after"]), style="dim")
        shown.add_row(Text(visible(line["document"])), str(line["start"]), context)
    return shown


def _phrases(phrases: pd.DataFrame, behaviour: str) -> Table:
    more = f", the first {_PHRASES} of {len(phrases):,}" if len(phrases) > _PHRASES else ""
    shown = Table(title=escape(f"{visible(behaviour)}: what was found{more}"), title_justify="left")
    shown.add_column("phrase")
    for column in ("spans", "documents"):
        shown.add_column(column, justify="right")
    for line in phrases.head(_PHRASES).to_dict("records"):
        shown.add_row(Text(visible(line["label"])), f"{line['spans']:,}", f"{line['documents']:,}")
    return shown
