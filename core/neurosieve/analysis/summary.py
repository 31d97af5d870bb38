"""What is in traces: right answers, ended thoughts, cut-off traces, behaviours, overall and by level and type."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from neurosieve.analysis.grading import TRUTH_FIELDS, truth_of
from neurosieve.analysis.unknowns import mark_unknown, unanswered_warning
from neurosieve.data import Document, Verdict
from neurosieve.disk import atomic_write
from neurosieve.errors import ConfigError
from neurosieve.fields import check_fields
from neurosieve.runs.recording import Recording
from neurosieve.texts.spans import DetectedDocument
from neurosieve.wording import plural

__all__ = ["Analyze", "summarize_traces", "wilson", "write_summary"]

_BOX = "\\boxed"


@dataclass(frozen=True)
class Analyze:
    """Settings of `analyze`."""

    truth_fields: tuple[str, ...] = TRUTH_FIELDS
    """Where a document's metadata holds the right answer, or a solution that ends with it: the first that is there."""
    level_field: str = "problem_level"
    """Where it holds how hard the problem is."""
    type_field: str = "problem_type"
    """Where it holds what the problem is about."""
    thought_end: str = "</think>"
    """What the model writes as its thought ends."""

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("level_field", "type_field", "thought_end"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is empty: give a text")
        if not self.truth_fields:
            raise ConfigError("truth_fields is empty: name at least one field, or switch grading off with grader=none")


def wilson(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of `count` in `n` independent trials; nan where there is none.

    Source: Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22.
    """
    from scipy.stats import binomtest

    if n == 0:
        return float("nan"), float("nan")
    low, high = binomtest(count, n).proportion_ci(confidence, method="wilson")
    return float(low), float(high)


def summarize_traces(
    run: Recording,
    detected: Sequence[DetectedDocument],
    verdicts: Sequence[Verdict] | None,
    settings: Analyze,
    unknown: Mapping[str, Set[str]] = MappingProxyType({}),
) -> None:
    """Add to a run what is in some documents, given their spans and, unless nothing was graded, the verdict on each.

    The table `traces` has a row per trace, `spans` one per behaviour and span, and `summary` one per measure: overall,
    by level, by type and by whether the answer is right.

    Where the metadata of a document says whether it `ended`, that counts. Any other was cut off if it begins no boxed
    answer, where its prompt or its solution has one: that is the founding notebook's rule. Where neither has one, it is
    not known.

    `unknown` holds, by behaviour, the documents of which its detector does not know all: such a trace shows the
    behaviour if there is a span all the same, and is otherwise not known.

    A share of nothing is undefined: where no trace has an answer, or the mark that ends a thought, n is 0. A trace that
    ran out of tokens without an answer is not right, as in the founding notebook; `mark_unknown` tells of any other.
    """
    behaviours = list(detected[0].spans)
    rows = []
    for number, (document, spans) in enumerate(detected):
        completion = document.text_of()
        verdict = verdicts[number] if verdicts is not None else Verdict(None)
        out, rule = _out_of_tokens(document, truth_of(document, settings.truth_fields))
        fields = (settings.level_field, settings.type_field)
        level, kind = ("" if (value := document.metadata.get(field)) is None else str(value) for field in fields)
        tokens = document.metadata.get("tokens")
        rows.append(
            {
                "id": document.id,
                "group": document.group,
                "level": level,
                "type": kind,
                "answer": verdict.answer,
                "right": verdict.right,
                "reason": verdict.reason,
                "unanswered": verdict.unanswered,
                "thought_ended": _thought_ended(document, settings.thought_end),
                "out_of_tokens": out,
                "ended_known_by": rule,
                "tokens": tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None,
                "characters": len(completion),
                **{f"{behaviour}_spans": len(spans[behaviour]) for behaviour in behaviours},
            }
        )
    kinds = dict.fromkeys(("right", "thought_ended", "out_of_tokens"), "boolean") | {"tokens": "Int64"}
    traces = pd.DataFrame(rows).astype(kinds)
    for behaviour in behaviours:
        shows = (traces[f"{behaviour}_spans"] > 0).astype("boolean")
        traces[f"shows_{behaviour}"] = shows.mask(~shows & traces.id.isin(unknown.get(behaviour, ())))
    run.warnings += mark_unknown(traces, [document.text for document, _ in detected], settings.thought_end)
    span_rows = [
        (behaviour, document.id, *span, document.text[span.start : span.end], right)
        for behaviour in behaviours
        for (document, spans), right in zip(detected, traces.right, strict=True)
        for span in spans[behaviour]
    ]
    columns = ["behaviour", "document", "start", "end", "label", "text", "right"]
    spans_table, graded = pd.DataFrame(span_rows, columns=columns).astype({"right": "boolean"}), verdicts is not None
    run.tables |= {"traces": traces, "spans": spans_table, "summary": _summary(traces, behaviours, graded)}
    run.record["counts"] = _counts(traces, behaviours, graded)
    run.warnings += _warnings(traces, graded)
    run.warnings += [
        f"of {count:,} of {plural(len(traces), 'trace')} it is not known whether they show `{behaviour}`: they are "
        "left out of its shares"
        for behaviour in behaviours
        if (count := int(traces[f"shows_{behaviour}"].isna().sum()))
    ]


def write_summary(summary: pd.DataFrame, path: Path) -> None:
    """Write a summary as JSON: an array of objects, with null where a share is undefined."""
    text = json.dumps(json.loads(summary.to_json(orient="records", double_precision=15)), indent=1, ensure_ascii=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"))


def _out_of_tokens(document: Document, truth: str) -> tuple[bool | None, str]:
    """Return whether a trace was cut off, and by what that is known: a `record`, the `answer`, or nothing."""
    ended = document.metadata.get("ended")
    if isinstance(ended, bool):
        return not ended, "record"
    if _BOX in document.text_of("prompt") or _BOX in truth:
        return _BOX not in document.text_of(), "answer"
    return None, ""


def _thought_ended(document: Document, thought_end: str) -> bool:
    """Return whether a thought ended: by its mark, or, where it is known as a passage, as the model wrote on."""
    thoughts = [passage for passage in document.passages if passage.role == "thought"]
    if not thoughts:
        return thought_end in document.text_of()
    last = thoughts[-1]
    return thought_end in document.text[last.start :] or document.stretches()[-1][1] > last.end


def _summary(traces: pd.DataFrame, behaviours: Sequence[str], graded: bool) -> pd.DataFrame:
    measures = {name: traces[name] for name in ("right", "thought_ended", "out_of_tokens")}
    measures |= {f"shows_{behaviour}": traces[f"shows_{behaviour}"] for behaviour in behaviours}
    rows = []
    for by, value, chosen in _parts(traces):
        for measure, values in measures.items():
            if by == "answer" and measure == "right":
                continue
            wanted = measure == "thought_ended" or (measure == "right" and graded)  # A reader misses these.
            if values.isna().all() and not (by == "overall" and wanted):
                continue
            known = values[chosen].dropna()
            n, count = len(known), int(known.sum())
            rows.append((by, value, measure, n, count, count / n if n else float("nan"), *wilson(count, n)))
    return pd.DataFrame(rows, columns=["by", "value", "measure", "n", "count", "share", "low", "high"])


def _parts(traces: pd.DataFrame) -> Iterator[tuple[str, str, pd.Series]]:
    """Yield by what, with what value, and which traces."""
    yield "overall", "all", pd.Series(True, index=traces.index)
    for by in ("level", "type"):
        values = sorted(traces[by].unique(), key=_natural)
        for value in values if values != [""] else ():
            yield by, value, traces[by] == value
    if traces.right.notna().any():
        unanswered = traces.unanswered
        right, wrong = traces.right.fillna(False), ~traces.right.fillna(True) & ~unanswered
        without = traces.right.isna() & ~unanswered
        kinds = (("right", right), ("wrong", wrong), ("no answer", unanswered), ("no verdict", without))
        for value, chosen in kinds:
            if chosen.any():
                yield "answer", value, chosen


def _natural(value: str) -> list[tuple[int, str]]:
    # Level 2 stands before Level 10.
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", value)]


def _counts(traces: pd.DataFrame, behaviours: Sequence[str], graded: bool) -> dict[str, Any]:
    known_by = traces.ended_known_by.value_counts()
    return {
        "documents": len(traces),
        "groups": traces.group.nunique(),
        "graded": int(traces.right.notna().sum()),
        "without_verdict": int(traces.right.isna().sum()) if graded else 0,
        "unanswered": int(traces.unanswered.sum()),
        "ended_by_record": int(known_by.get("record", 0)),
        "ended_by_answer": int(known_by.get("answer", 0)),
        "ended_unknown": int(known_by.get("", 0)),
        "behaviours": {
            behaviour: {
                "documents_with": int((spans > 0).sum()),
                "documents_not_known": int(traces[f"shows_{behaviour}"].isna().sum()),
                "spans": int(spans.sum()),
            }
            for behaviour, spans in ((name, traces[f"{name}_spans"]) for name in behaviours)
        },
    }


def _warnings(traces: pd.DataFrame, graded: bool) -> list[str]:
    """Return what a reader of the shares must know first."""
    warnings, total = [], len(traces)
    sizes = traces.group.value_counts()
    if several := int((sizes > 1).sum()):
        warnings.append(
            f"there are several traces of {several:,} of {plural(len(sizes), 'problem')}, which are not independent: "
            "the intervals treat them as independent, and are too narrow"
        )
    warnings += unanswered_warning(traces)
    without = traces[traces.right.isna() & ~traces.unanswered]
    if graded and len(without):
        counted = Counter(without.reason).most_common(3)
        reasons = "; ".join(f"{count:,}: {reason:.200}" for reason, count in counted)
        warnings.append(
            f"{len(without):,} of {total:,} answers have no verdict, and are counted neither as right nor as wrong "
            f"({reasons})"
        )
    by_answer = traces[traces.ended_known_by == "answer"]
    if len(by_answer):
        out = by_answer.out_of_tokens.astype(bool)
        closed, never = int((out & by_answer.thought_ended).sum()), int((~out & ~by_answer.thought_ended).sum())
        odd = f" ({closed:,} of these ended their thought, and {never:,} of the others never did)"
        warnings.append(
            f"{len(by_answer):,} of {total:,} traces do not say whether they `ended`: those of them that begin no "
            f"boxed answer are taken to have run out of tokens, {int(out.sum()):,} in all{odd * (closed + never > 0)}"
        )
    return warnings
