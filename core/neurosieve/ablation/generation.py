"""The effect of edits on generated text: how often the behaviour shows, and at what cost."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.ablation.comparison import Measure, Observed
from neurosieve.ablation.completions import Writing, complete_each, likelihoods
from neurosieve.ablation.conditions import Condition, columns_of
from neurosieve.ablation.effects import Estimate, sign_test
from neurosieve.ablation.settings import Ablate
from neurosieve.ablation.tasks import Task, refuse_blind, tasks_of_documents, tasks_of_problems
from neurosieve.analysis.grading import grade_documents, truth_of
from neurosieve.contracts import Grader
from neurosieve.data import Document, Verdict
from neurosieve.errors import ConfigError, DataError
from neurosieve.generation.requests import Completion, Request, request_seed
from neurosieve.generation.sampling import Sampling
from neurosieve.pipeline.reopening import Reopened
from neurosieve.texts.intake import check_documents, intake_notes
from neurosieve.texts.near_misses import near_misses_of
from neurosieve.texts.spans import detect_each
from neurosieve.wording import plural, visible

__all__ = ["observe_generated"]

Values = npt.NDArray[np.float64]


def observe_generated(
    opened: Reopened,
    behaviour: str,
    conditions: Sequence[Condition],
    settings: Ablate,
    writing: Writing,
    announce: Callable[..., None],
) -> Observed:
    """Measure the conditions on completions of the same prompts with the same random draws.

    Raises:
        NeurosieveError: there is nothing to complete, or the model cannot be run or edited.
    """
    warnings = list[str]()
    tasks = _tasks(opened, behaviour, settings, writing, warnings)
    sampling = writing.sampling
    if writing.problems is not None:
        sampling = replace(sampling, stop=(*sampling.stop, *writing.prompt.stop))
    pairs = [(task, sample) for task in tasks for sample in range(settings.samples)]
    requests = [
        Request(f"{task.id}#{sample}", task.prompt, request_seed(settings.seed, sample)) for task, sample in pairs
    ]
    written, proof, from_the_store = complete_each(opened, requests, sampling, conditions, settings, announce)
    likelihood = likelihoods(opened.lm, [task.prompt for task in tasks], settings.samples, written, announce)
    read = _read(opened, behaviour, pairs, written, announce)
    traces = [
        _traces(behaviour, condition, pairs, completions, log_p, documents, writing.grader, announce)
        for condition, completions, log_p, documents in zip(
            (None, *conditions), written, likelihood, read.documents, strict=True
        )
    ]
    if not any((trace.right.notna() & ~trace.unanswered).any() for trace in traces):
        traces = [trace.assign(right=pd.array([pd.NA] * len(trace), dtype="boolean")) for trace in traces]
    table = pd.concat(traces, ignore_index=True)
    warnings += _unknown_warning(table, behaviour, read.unknown)
    warnings += _warnings(traces, behaviour, sampling, settings, writing.grader)
    counts = {
        "prompts": len(tasks),
        "traces": len(table),
        "tokens": int(table.tokens.sum()),
        "from_the_store": from_the_store,
        "without_verdict": int(table.right.isna().sum()),
        "not_known": int(table.spans.isna().sum()),
    }
    measures = list(_measures(traces, [task.group for task, _ in pairs]))
    return Observed(measures, 1, {"traces": table}, proof, 0.0, counts, warnings, read.remarks)


def _tasks(opened: Reopened, behaviour: str, settings: Ablate, writing: Writing, warnings: list[str]) -> list[Task]:
    at_most, scope = settings.documents or 16, opened.detectors[behaviour].scope
    if scope != "completion":
        raise ConfigError(
            f"the detector of `{behaviour}` looks in the {scope} alone, and nothing tells what that is in text that "
            "the model writes now: take `mode=teacher_forced`, or find neurons with `scope=completion`"
        )
    documents = list(check_documents(writing.documents, Counter()))
    refuse_blind(opened.detectors[behaviour], behaviour, documents)
    if writing.problems is not None:
        return tasks_of_problems(writing.problems, writing.prompt, opened.lm.tokenizer, at_most, settings.seed)
    table = opened.positions.table
    groups: Set[str] = set(table.group[table.part == "heldout"])
    if not groups:
        groups = set(table.group)
        warnings.append(
            "the run held out nothing: the prompts are those of the texts that the neurons were chosen on; "
            "give problems of their own with `problems=...`"
        )
    # The run joined groups of the same problem or text: what it held out bears the name that it gave them.
    group_of = {document.tokens.id: document.tokens.group for document in opened.documents}
    documents = [replace(document, group=group_of.get(document.id, document.group)) for document in documents]
    return tasks_of_documents(documents, groups, at_most, settings.seed)


class _Read(NamedTuple):
    """Completions as documents, by condition, as a detector reads them."""

    documents: list[list[tuple[Document, int | None]]]
    """Each with its number of spans, None where the detector does not know of a part of it what it shows."""
    unknown: Counter[str]
    """Why it does not know, and of how many completions."""
    remarks: list[str]


def _read(
    opened: Reopened,
    behaviour: str,
    pairs: Sequence[tuple[Task, int]],
    written: Sequence[Sequence[Completion]],
    announce: Callable[..., None],
) -> _Read:
    """Let the detector of a behaviour read all completions at once, those of the same pairs under each condition.

    Raises:
        DataError: it knows of no prompt and draw whether the behaviour shows under each condition.
    """
    detector, counts, unknown = opened.detectors[behaviour], Counter[str](), Counter[str]()
    samples = 1 + max(sample for _, sample in pairs)
    documents = [
        task.completed(completion.text, place * samples + sample)
        for place, completions in enumerate(written)
        for (task, sample), completion in zip(pairs, completions, strict=True)
    ]
    numbers: list[tuple[Document, int | None]] = []
    for document, spans in detect_each(documents, {behaviour: detector}, counts, announce):
        nearly = near_misses_of(behaviour, detector, document, spans[behaviour])
        # What `phrases` nearly finds is not the behaviour, and is no gap in what is known.
        gaps = [near.label for near in nearly if near.unknown or near.whole_text]
        unknown.update(gaps[:1])
        # With a gap the number is not known, also where there are spans: to keep these traces and leave out those
        # without a span would make the behaviour too frequent.
        numbers.append((document, None if gaps else len(spans[behaviour])))
    by_condition = [numbers[start : start + len(pairs)] for start in range(0, len(numbers), len(pairs))]
    if not any(all(number is not None for _, number in same) for same in zip(*by_condition, strict=True)):
        raise DataError(
            f"the detector of `{behaviour}` knows of no prompt whether the behaviour shows under all conditions "
            f"({_reasons(unknown)}): generate more or shorter texts, or take a detector that reads them all"
        )
    return _Read(by_condition, unknown, intake_notes(counts))


def _reasons(counted: Counter[str]) -> str:
    return "; ".join(f"{count:,}: {visible(reason):.80}" for reason, count in counted.most_common(3))


def _traces(
    behaviour: str,
    condition: Condition | None,
    pairs: Sequence[tuple[Task, int]],
    completions: Sequence[Completion],
    log_p: Sequence[float],
    read: Sequence[tuple[Document, int | None]],
    grader: Grader | None,
    announce: Callable[..., None],
) -> pd.DataFrame:
    """Return a row for each completion under one condition: its spans of the behaviour, and whether it is right."""
    documents = [document for document, _ in read]
    verdicts = [Verdict(None)] * len(documents)
    if grader is not None and any(map(truth_of, documents)):
        verdicts = grade_documents(documents, grader, announce=announce)
    # An edit that silences the model costs right answers: no answer is not right here.
    right = [False if verdict.unanswered else verdict.right for verdict in verdicts]
    return pd.DataFrame(
        {
            "problem": [task.id for task, _ in pairs],
            "group": [task.group for task, _ in pairs],
            "sample": [sample for _, sample in pairs],
            "tokens": [len(completion.token_ids) for completion in completions],
            "spans": pd.array([spans for _, spans in read], dtype="Int64"),
            "right": pd.array(right, dtype="boolean"),
            "unanswered": [verdict.unanswered for verdict in verdicts],
            "truncated": [not completion.ended for completion in completions],
            "log_p": log_p,
            "text": [completion.text for completion in completions],
            "behaviour": behaviour,
            **columns_of(condition),
        }
    )


def _measures(traces: Sequence[pd.DataFrame], groups: Sequence[str]) -> Iterator[Measure]:
    """Yield how often the behaviour shows, and then what the edits cost; the first of `traces` is unedited."""

    def column(name: str) -> Values:
        return np.array([trace[name].to_numpy(dtype=np.float64, na_value=np.nan) for trace in traces])

    def measure(name: str, words: str, over: Values, under: Values | None = None, **more: Any) -> Measure:
        under = np.ones_like(over) if under is None else under
        return Measure(name, words, more.pop("groups", groups), over[1:], under[1:], (over[0], under[0]), **more)

    spans, tokens = column("spans"), column("tokens")
    known = np.asarray(np.isfinite(spans).all(axis=0))  # What is not known once has no pair.
    known_groups, spans = list(compress(groups, known.tolist())), spans[:, known]
    shown = (spans > 0).astype(np.float64)
    yield measure(
        "spans_per_1000_tokens",
        "the number of spans per 1,000 tokens",
        1000 * spans,
        tokens[:, known],
        groups=known_groups,
    )
    yield measure("spans_per_trace", "the number of spans per trace", spans, groups=known_groups)
    p = [sign_test(edited - shown[0], known_groups) for edited in shown[1:]]
    yield measure("any", "the share of traces with the behaviour", shown, groups=known_groups, p=p)
    right = column("right")
    known = np.asarray(np.isfinite(right).all(axis=0))  # What could not be graded once has no pair.
    if known.any():
        known_groups, right = list(compress(groups, known.tolist())), right[:, known]
        p = [sign_test(edited - right[0], known_groups) for edited in right[1:]]
        yield measure("right", "the share of right answers", right, groups=known_groups, p=p)
    yield measure("truncated", "the share of traces that ran out of tokens", column("truncated"))
    yield measure("tokens", "the length in tokens", tokens)
    yield measure(
        "perplexity", "the perplexity under the unedited model", -column("log_p"), tokens, transform=Estimate.exp
    )


def _unknown_warning(traces: pd.DataFrame, behaviour: str, reasons: Counter[str]) -> list[str]:
    if not reasons:
        return []
    pairs = traces.spans.isna().groupby([traces.problem, traces["sample"]]).any()
    return [
        f"of {reasons.total():,} of {plural(len(traces), 'trace')} it is not known whether they show `{behaviour}` "
        f"({_reasons(reasons)}): {int(pairs.sum()):,} of {plural(len(pairs), 'pair')} of a prompt and a draw are left "
        "out of its rates, under every condition"
    ]


def _warnings(
    traces: Sequence[pd.DataFrame], behaviour: str, sampling: Sampling, settings: Ablate, grader: Grader | None
) -> list[str]:
    """Return what a reader of the effects must know first."""
    warnings, unedited = [], traces[0]
    if not unedited.spans.any():
        known = int(unedited.spans.notna().sum())
        warnings.append(
            f"`{behaviour}` shows in none of {known:,} unedited traces, so no edit can make it rarer: "
            "give prompts that bring it about, as `problems=arithmetic prompt=corrections` does"
        )
    if unedited.truncated.mean() > 0.5:
        warnings.append(
            f"{int(unedited.truncated.sum()):,} of {len(unedited):,} unedited traces ran out of their "
            f"{sampling.max_new_tokens:,} tokens: raise `sampling.max_new_tokens` to see how they end"
        )
    if sampling.temperature == 0 and settings.samples > 1:
        warnings.append("at temperature 0 nothing is drawn: all samples of a prompt are the same")
    missing = sum(int(trace.right.isna().sum()) for trace in traces)
    total = sum(map(len, traces))
    if unanswered := sum(int(trace.unanswered.sum()) for trace in traces):
        counted = "" if missing == total else ", and counts as not right in them"
        warnings.append(f"no answer was found in {unanswered:,} of {total:,} traces{counted}")
    elif grader is not None and missing == total:
        warnings.append("there are no right answers to grade by: the effect of the edit on them is not measured")
    if grader is not None and 0 < missing < total:
        warnings.append(
            f"{missing:,} of {total:,} answers have no verdict; their traces are left out of the share of right ones"
        )
    return warnings
