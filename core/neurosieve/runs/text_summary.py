"""What runs on texts say: what detectors mark, how well they agree with annotators, what is in traces."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.registry import TARGET
from neurosieve.runs.blocks import Block, Cell, Note, Table
from neurosieve.runs.rater_summary import disagreement_tables, reliability_blocks
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.suggestion_summary import suggestion_blocks
from neurosieve.runs.tables import as_table, in_context, share_cell, shortened
from neurosieve.wording import plural

__all__ = ["analysis_blocks", "detection_blocks", "generation_blocks", "learning_blocks", "spans_table"]

_LISTED = 20
"""So many phrases and traces of each behaviour are listed; the tables have them all."""
_PAIRS = 6
"""Of so many pairs of raters the disagreements are printed."""
_MEASURES = {"right": "answer right", "thought_ended": "thought ended", "out_of_tokens": "out of tokens"}


def detection_blocks(run: RunFolder) -> Iterator[Block]:
    """Yield what a run of `detect` marks: spans in context, phrases, agreement with annotators."""
    record, spans, phrases = run.run, run.table("spans"), run.table("phrases")
    contexts = record.get("config", {}).get("contexts", 0)
    for behaviour in record["behaviours"]:
        marked = spans[spans.behaviour == behaviour]
        if len(marked) and contexts:
            # Spread evenly over all spans.
            places = np.unique(np.linspace(0, len(marked) - 1, min(contexts, len(marked))).round().astype(int))
            some = f"{len(places):,} of {len(marked):,} spans, spread evenly"
            shown = marked.iloc[places]
            shown = shown.assign(text=shown.text.map(shortened))
            yield spans_table(shown, f"{behaviour}: {some if len(places) < len(marked) else 'all spans'}")
        if len(marked):
            table = phrases[phrases.behaviour == behaviour]
            more = f", the first {_LISTED} of {len(table):,}" if len(table) > _LISTED else ""
            titles = {"label": "phrase", "spans": "spans", "documents": "documents"}
            yield as_table(table.head(_LISTED), titles, f"{behaviour}: what was found{more}")
        if counts := record["counts"].get("behaviours", {}).get(behaviour):
            yield Note(
                f"{behaviour}: {plural(counts['spans'], 'span')}; in {plural(counts['documents_with'], 'document')}, "
                f"and not in {counts['documents_without']:,}"
            )
    if "agreement" in run.tables:
        yield _agreement(run.table("agreement"), "agreement with annotated sentences")
        yield _confusion(run.table("confusion"))
        if "annotated_sentences" in record["counts"]:
            yield Note(
                f"agreement: {record['counts']['annotated_sentences']:,} annotated sentences of "
                f"{record['counts']['annotated_documents']:,} documents"
            )
    yield from reliability_blocks(run)
    if contexts:
        tables = list(disagreement_tables(run, contexts))
        yield from tables[:_PAIRS]
        if len(tables) > _PAIRS:
            further = plural(len(tables) - _PAIRS, "further pair")
            yield Note(f"disagreements of {further} of raters are in the table `disagreements`")
    for detector in record.get("suggestions", {}):
        yield from suggestion_blocks(run, detector)


def spans_table(spans: pd.DataFrame, caption: str) -> Table:
    """Return spans in their context, with the behaviour of each where there are several."""
    titles = {"document": "document", "start": "start", "text": "in context"}
    if spans.behaviour.nunique() > 1:
        titles = {"behaviour": "behaviour"} | titles
    return as_table(in_context(spans), titles, caption)


def learning_blocks(run: RunFolder) -> Iterator[Block]:
    """Yield how good a trained detector is on documents that had no part in its training, and where it is."""
    record, training = run.run, run.run["training"]
    output, learner = record["output"], training.get("learner", {}).get(TARGET, "learner/words")
    caption = (
        f"{record['behaviours'][0]}: {training['with_the_behaviour']:,} of {training['sentences']:,} annotated "
        f"sentences, {plural(training['documents'], 'document')} in {plural(training['groups'], 'group')}"
    )
    yield _agreement(run.table("agreement"), caption)
    yield Note(
        f"`learned` is cross-validated: trained {training['folds']} times without a part of the groups, its threshold "
        f"chosen without that part too, and measured on it; the learner is `{learner.partition('/')[2]}`"
    )
    wanted = training["wanted_precision"]
    aim = "for the best F1" if wanted is None else f"for a precision of {wanted:g}"
    yield Note(f"the detector itself is trained on all; its threshold {aim}: {training['threshold']:.3f}")
    yield Note("detector:", output)
    yield Note("use it:", f"neurosieve find detectors=[learned] detectors.learned.path={output}")


def _agreement(agreement: pd.DataFrame, caption: str) -> Table:
    """Return precision, recall and F1 with their intervals, a row per detector and label."""
    titles = {"detector": "detector", "label": "label", "precision": "precision", "recall": "recall", "f1": "F1"}
    rows = [
        {
            **row,
            **{measure: share_cell(row, measure) for measure in ("precision", "recall", "f1")},
            "positive": row["true_positive"] + row["false_negative"],
        }
        for row in agreement.to_dict("records")
    ]
    return as_table(pd.DataFrame(rows), titles | {"positive": "sentences with it"}, caption)


def _confusion(table: pd.DataFrame) -> Table:
    rows = []
    for label, of_label in table.groupby("label", sort=False):
        row: dict[str, Any] = {"label": label, "sentences": of_label.sentences.tolist()[0]}
        for marked in of_label.to_dict("records"):
            share = marked["share"]
            row[f"by {marked['detector']}"] = Cell(f"{marked['detected']:,} ({share:.1%})", share)
        rows.append(row)
    titles = {"label": "label", "sentences": "sentences", **{f"by {name}": name for name in table.detector}}
    return as_table(pd.DataFrame(rows), titles, "the share of each label's sentences that each detector marks")


def analysis_blocks(run: RunFolder) -> Iterator[Block]:
    """Yield what a run of `analyze` counts: shares of traces, and the traces that show each behaviour."""
    counts, summary, traces, spans = run.run["counts"], *map(run.table, ("summary", "traces", "spans"))
    groups = f" of {plural(counts['groups'], 'problem')}" if "groups" in counts else ""
    rows = [
        {
            **row,
            "measure": _measure(row["measure"]),
            "share": Cell(f"{100 * row['share']:.2f} %" if row["n"] else "not known", row["share"]),
            "interval": Cell(f"{100 * row['low']:.2f} to {100 * row['high']:.2f} %" if row["n"] else "", row["low"]),
        }
        for row in summary[summary.by == "overall"].to_dict("records")
    ]
    titles = {"measure": "", "count": "traces", "n": "of", "share": "share", "interval": "95 % interval"}
    yield as_table(pd.DataFrame(rows), titles, f"{plural(counts['documents'], 'trace')}{groups}")
    for by, part in summary[summary.by != "overall"].groupby("by", sort=False):
        yield _by(part, f"by {by}")
    for behaviour in run.run["behaviours"]:
        showing = traces[traces[f"{behaviour}_spans"] > 0]
        if len(showing):
            yield _listed(showing, spans[spans.behaviour == behaviour], behaviour)


def _measure(measure: str) -> str:
    return _MEASURES.get(measure) or measure.removeprefix("shows_")


def _by(summary: pd.DataFrame, caption: str) -> Table:
    rows = [
        {"value": str(value) or "(none)", **{row["measure"]: _share_of(row) for row in of_value.to_dict("records")}}
        for value, of_value in summary.groupby("value", sort=False)
    ]
    titles = {"value": "", **{measure: _measure(measure) for measure in summary.measure}}
    return as_table(pd.DataFrame(rows), titles, caption)


def _share_of(row: Mapping[Any, Any]) -> Cell:
    if not row["n"]:
        return Cell("–", math.nan)
    share, low, high = (round(100 * row[name]) for name in ("share", "low", "high"))
    return Cell(f"{row['count']:,} of {row['n']:,}: {share} % ({low} to {high} %)", row["share"])


def _listed(traces: pd.DataFrame, spans: pd.DataFrame, behaviour: str) -> Table:
    more = f", the first {_LISTED} of them" if len(traces) > _LISTED else ""
    listed = traces.head(_LISTED)
    phrases = []
    for trace in listed.id:
        labels = spans[spans.document == trace].label.value_counts(sort=False)
        phrases.append(", ".join(f"{label} ×{count}" if count > 1 else str(label) for label, count in labels.items()))
    titles = {"id": "trace", "level": "level", "type": "type", "right": "answer right", "phrases": "phrases"}
    return as_table(listed.assign(phrases=phrases), titles, f"{behaviour}: {plural(len(traces), 'trace')}{more}")


def generation_blocks(run: RunFolder) -> Iterator[Block]:
    """Yield how much a run of `generate` wrote, and what can be done with it."""
    counts, model = run.run["counts"], run.run["model"]
    if "traces" not in counts:
        return
    reused = f", {counts['from_the_store']:,} of them kept from before" if counts["from_the_store"] else ""
    yield Note(
        f"{plural(counts['traces'], 'trace')} of {plural(counts['problems'], 'problem')} by {model['name']} "
        f"({model['dtype']}, {model['device']}){reused}: {counts['tokens']:,} tokens; {counts['ended']:,} were ended "
        f"by the model, {counts['out_of_tokens']:,} ran out of tokens"
    )
    if written := counts["tokens_made"]:
        seconds = run.run["timings_seconds"]["generating"]
        yield Note(f"{written:,} tokens were made in {seconds:,.0f} s, {written / max(seconds, 0.001):,.0f} a second")
    traces = run.folder / "traces.jsonl"
    yield Note("traces:", str(traces))
    yield Note("next:", f"neurosieve analyze source=traces source.path={traces}")
