"""The sections of what is in texts: right answers, phrases, what a model wrote."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

from neurosieve import Block, Run, as_table, number, plural, spans_table
from neurosieve_plugins.reports.bar_charts import phrases, shares
from neurosieve_plugins.reports.blocks import Code, Figure, Fold, Grid, Section, Tiles
from neurosieve_plugins.reports.text import plain

__all__ = ["analysis_sections", "found_section", "phrase_figure", "written_sections"]

_BARS = 20
_LINES = 500
_TRACES = 5
_CHARACTERS = 20_000
_PARTS = {"level": "By level of the problem", "type": "By type of the problem", "answer": "By how the answer came out"}


def phrase_figure(spans: pd.DataFrame, behaviour: str, name: str) -> tuple[Block, ...]:
    """Return how often each phrase of one behaviour was found: a figure of the most frequent, a table of all."""
    said = {"spans": ("document", "size"), "documents": ("document", "nunique")}
    if "right" in spans and spans.right.notna().any():
        spans = spans.assign(right_in=spans.document.where(spans.right.fillna(False).astype(bool)))
        said["right"] = ("right_in", "nunique")
    counted = (
        spans.groupby("label", sort=False)
        .agg(**said)
        .reset_index()
        .sort_values(["spans", "label"], ascending=[False, True], ignore_index=True)
    )
    counted["label"] = [plain(one) or "(no label)" for one in counted.label]
    counted = counted.assign(share=counted.spans / counted.spans.sum())
    titles = {
        "label": "phrase",
        "spans": "spans",
        "share": "of all",
        "documents": "documents",
        "right": "answered right",
    }
    total, most = plural(int(counted.spans.sum()), "span"), counted.iloc[0]
    caption = f"{total} of {behaviour}; “{most.label}” makes {100 * most.share:.0f} % of them."
    if len(counted) > _BARS:
        caption += f" The {_BARS} most frequent of {len(counted)} phrases."
    table = as_table(counted, titles, f"Every phrase of {behaviour}", shares=["share"])
    return Figure(name, phrases(counted.head(_BARS)), caption), Fold("As a table", (table,))


def analysis_sections(run: Run) -> Iterator[Section]:
    """Yield what `analyze` counted: shares overall, by level and by type, and the traces one by one."""
    summary = run.table("summary")
    overall = summary[summary.by == "overall"]
    tiles = Tiles(
        tuple(
            (f"{100 * share:.1f} %", f"{_measure(measure)}: {count:,} of {n:,}")
            if n
            else ("not known", _measure(measure))
            for measure, share, count, n in overall[["measure", "share", "count", "n"]].itertuples(index=False)
        )
    )
    blocks: list[Block] = [tiles]
    for by, of_kind in summary[summary.by != "overall"].groupby("by", sort=False):
        charts = []
        for measure, lines in of_kind.groupby("measure", sort=False):
            order = sorted(lines.index, key=lambda at: _natural(str(lines.value[at])))
            charts.append((_measure(str(measure)), shares(_visible(lines.loc[order], "value"))))
        caption = f"{_PARTS.get(str(by), f'By {by}')}: the share of traces, with its 95 % interval (Wilson)."
        blocks.append(Grid(f"by-{_slug(str(by))}", tuple(charts), caption))
    titles = {name: name for name in ("by", "value", "measure", "count", "n", "share", "low", "high")}
    table = as_table(
        summary, titles | {"n": "of", "low": "from", "high": "to"}, "Every share", ["share", "low", "high"]
    )
    blocks.append(Fold("As a table", (table,)))
    yield Section(
        "What is in the traces", "Shares of the traces that were read, overall and by kind of problem.", tuple(blocks)
    )
    if "traces" in run.tables:
        yield _traces(run.table("traces"))


def _measure(name: str) -> str:
    known = {"right": "answered right", "thought_ended": "thought ended", "out_of_tokens": "ran out of tokens"}
    return plain(known.get(name, name.replace("shows_", "shows ", 1).replace("_", " ")))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "other"


def _natural(value: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", value)]


def _visible(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return table.assign(**{name: [plain(one) or "(none)" for one in table[name]] for name in columns})


def _traces(traces: pd.DataFrame) -> Section:
    counted = [name for name in traces if str(name).endswith("_spans")]
    if counted:
        traces = traces.assign(_with=traces[counted].sum(axis=1)).sort_values("_with", ascending=False, kind="stable")
    titles = {str(name): str(name).replace("_", " ") for name in traces if name not in ("group", "_with")}
    caption = plural(len(traces), "trace") + ", those with the behaviour first"
    if len(traces) > _LINES:
        caption += f"; the first {_LINES:,} are shown, all are in traces.parquet"
    table = as_table(traces.head(_LINES), titles, caption)
    return Section("The traces, one by one", "What each trace came to; choose a heading to sort by it.", (table,))


def found_section(run: Run) -> Section | None:
    """Return the spans one by one, in their context."""
    spans = run.table("spans") if "spans" in run.tables else None
    if spans is None or not len(spans) or not {"before", "after"} <= set(spans):
        return None
    shown = spans.head(_LINES)
    caption = plural(len(spans), "span")
    if len(spans) > _LINES:
        caption += f"; the first {_LINES:,} are shown, all are in spans.parquet"
    return Section("What was found, in context", "Each span as it stands in its text.", (spans_table(shown, caption),))


def written_sections(run: Run) -> Iterator[Section]:
    """Yield the first traces that `generate` wrote, as they are."""
    path = run.folder / "traces.jsonl"
    if not path.is_file():
        return
    blocks: list[Block] = []
    total = 0
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            total += 1
            if total <= _TRACES:
                blocks.append(_trace(json.loads(line), first=total == 1))
    lead = (
        f"The first {min(total, _TRACES)} of {plural(total, 'trace')}, as the model wrote them; all are in "
        "traces.jsonl."
    )
    yield Section("What the model wrote", lead, tuple(blocks))


def _trace(record: dict[str, Any], first: bool) -> Fold:
    text = str(record.get("generated_cot", ""))
    if len(text) > _CHARACTERS:
        text = f"{text[:_CHARACTERS]}\n… and {number(len(text) - _CHARACTERS)} characters more"
    problem = " ".join(str(record.get("problem_text", "")).split())
    title = f"{record.get('problem_id', '')}: {problem[:100]}{'…' * (len(problem) > 100)}"
    return Fold(title, (Code(text, "trace", wraps=True),), unfolded=first)
