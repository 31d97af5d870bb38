"""What edits do to what a model writes: how often the behaviour shows, and at what cost."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.ablation.comparison import Measure, Observed
from neurosieve.ablation.conditions import Condition
from neurosieve.ablation.edited_writing import Writer, Writing, likelihoods
from neurosieve.ablation.effects import Estimate, sign_test
from neurosieve.ablation.settings import Ablate
from neurosieve.ablation.tasks import Task, refuse_blind, tasks_of_documents, tasks_of_problems
from neurosieve.analysis.grading import graded, truth_of
from neurosieve.contracts import Grader
from neurosieve.data import Verdict
from neurosieve.generation.requests import Completion, Request, request_seed
from neurosieve.generation.sampling import Sampling
from neurosieve.pipeline.reopening import Reopened
from neurosieve.texts.spans import detect_each

__all__ = ["observe_generated"]


def observe_generated(
    opened: Reopened,
    behaviour: str,
    conditions: Sequence[Condition],
    intervention: str,
    settings: Ablate,
    writing: Writing,
    announce: Callable[..., None],
) -> Observed:
    """Return what the conditions do to completions of the same prompts by the same draws.

    Raises:
        NeurosieveError: there is nothing to complete, or the model cannot be run or edited.
    """
    model, warnings = opened.held, list[str]()
    tasks = _tasks(opened, behaviour, settings, writing, warnings)
    sampling = writing.sampling
    if writing.problems is not None:
        sampling = Sampling(
            sampling.temperature, sampling.top_p, sampling.max_new_tokens, (*sampling.stop, *writing.prompt.stop)
        )
    pairs = [(task, sample) for task in tasks for sample in range(settings.samples)]
    requests = [
        Request(f"{task.id}#{sample}", task.prompt, request_seed(settings.seed, sample)) for task, sample in pairs
    ]
    write = Writer(model, opened.atlas, requests, sampling, settings, announce)
    written = [write.unedited(), *(write.edited(condition) for condition in conditions)]
    likely = likelihoods(model, [task.prompt for task in tasks], settings.samples, written, announce)
    seen = [_seen(opened, behaviour, pairs, one, writing.grader, announce) for one in written]
    traces = [
        _traces(pairs, completions, spans, verdicts, log_p)
        for completions, (spans, verdicts), log_p in zip(written, seen, likely, strict=True)
    ]
    groups = [task.group for task, _ in pairs]
    table = pd.concat(
        [
            trace.assign(behaviour=behaviour, **_named(condition, intervention))
            for trace, condition in zip(traces, (None, *conditions), strict=True)
        ],
        ignore_index=True,
    )
    warnings += _cautions(traces, behaviour, sampling, settings, writing.grader)
    counts = {
        "prompts": len(tasks),
        "traces": len(table),
        "tokens": int(table.tokens.sum()),
        "from_the_store": write.store.found,
        "without_verdict": int(table.right.isna().sum()),
    }
    return Observed(list(_measures(traces, groups)), 1, {"traces": table}, write.proof(), 0.0, counts, warnings)


def _tasks(opened: Reopened, behaviour: str, settings: Ablate, writing: Writing, warnings: list[str]) -> list[Task]:
    at_most = settings.documents or 16
    documents = list(writing.documents)
    refuse_blind(opened.detectors[behaviour], behaviour, documents)
    if writing.problems is not None:
        return tasks_of_problems(writing.problems, writing.prompt, opened.held.tokenizer, at_most, settings.seed)
    table = opened.positions.table
    groups: Set[str] = set(table.group[table.part == "heldout"])
    if not groups:
        groups = set(table.group)
        warnings.append(
            "the run held out nothing: the prompts are those of the texts that the neurons were chosen on; "
            "give problems of their own with `problems=...`"
        )
    return tasks_of_documents(documents, groups, at_most, settings.seed)


def _seen(
    opened: Reopened,
    behaviour: str,
    pairs: Sequence[tuple[Task, int]],
    completions: Sequence[Completion],
    grader: Grader | None,
    announce: Callable[..., None],
) -> tuple[list[int], list[Verdict]]:
    """Return how many spans each completion has, and whether it is right."""
    documents = [task.completed(one.text, sample) for (task, sample), one in zip(pairs, completions, strict=True)]
    found = detect_each(documents, {behaviour: opened.detectors[behaviour]}, Counter(), announce)
    spans = [len(one.spans[behaviour]) for one in found]
    if grader is None or not any(truth_of(document) for document in documents):
        return spans, [Verdict(None, reason="nothing was graded")] * len(documents)
    return spans, graded(documents, grader, announce=announce)


def _traces(
    pairs: Sequence[tuple[Task, int]],
    completions: Sequence[Completion],
    spans: Sequence[int],
    verdicts: Sequence[Verdict],
    log_p: Sequence[float],
) -> pd.DataFrame:
    """Return a line for each trace under one condition."""
    return pd.DataFrame(
        {
            "problem": [task.id for task, _ in pairs],
            "group": [task.group for task, _ in pairs],
            "sample": [sample for _, sample in pairs],
            "tokens": [len(one.token_ids) for one in completions],
            "spans": spans,
            "right": pd.array([verdict.right for verdict in verdicts], dtype="boolean"),
            "truncated": [not one.ended for one in completions],
            "log_p": log_p,
            "text": [one.text for one in completions],
        }
    )


def _named(condition: Condition | None, intervention: str) -> dict[str, Any]:
    if condition is None:
        return {"set": "unedited", "control_set": -1, "intervention": "none", "strength": 0.0, "k": 0}
    return {
        "set": condition.set,
        "control_set": condition.control_set,
        "intervention": intervention,
        "strength": condition.edit.strength,
        "k": condition.k,
    }


def _measures(traces: Sequence[pd.DataFrame], groups: Sequence[str]) -> Iterator[Measure]:
    """Yield how often the behaviour shows, and then what the edits cost; the first of `traces` is unedited."""

    def column(name: str) -> npt.NDArray[np.float64]:
        return np.array([trace[name].to_numpy(dtype=np.float64, na_value=np.nan) for trace in traces])

    def measure(
        name: str,
        words: str,
        numerator: npt.NDArray[np.float64],
        denominator: npt.NDArray[np.float64] | None = None,
        **more: Any,
    ) -> Measure:
        under = np.ones_like(numerator) if denominator is None else denominator
        told = more.pop("groups", groups)
        return Measure(name, words, told, numerator[1:], under[1:], (numerator[0], under[0]), **more)

    spans, tokens = column("spans"), column("tokens")
    shown = (spans > 0).astype(np.float64)
    yield measure("spans_per_1000_tokens", "the number of spans per 1,000 tokens", 1000 * spans, tokens)
    yield measure("spans_per_trace", "the number of spans per trace", spans)
    p = [sign_test(one - shown[0], groups) for one in shown[1:]]
    yield measure("any", "the share of traces with the behaviour", shown, p=p)
    right = column("right")
    known = np.asarray(np.isfinite(right).all(axis=0))  # What could not be graded once has no pair.
    if known.any():
        mine = [group for group, here in zip(groups, known.tolist(), strict=True) if here]
        right = right[:, known]
        p = [sign_test(one - right[0], mine) for one in right[1:]]
        yield measure("right", "the share of right answers", right, groups=mine, p=p)
    yield measure("truncated", "the share of traces that ran out of tokens", column("truncated"))
    yield measure("tokens", "the length in tokens", tokens)
    yield measure(
        "perplexity", "the perplexity under the unedited model", -column("log_p"), tokens, read_as=Estimate.exp
    )


def _cautions(
    traces: Sequence[pd.DataFrame], behaviour: str, sampling: Sampling, settings: Ablate, grader: Grader | None
) -> list[str]:
    """Return what a reader of the effects must know first."""
    found, unedited = [], traces[0]
    shown = int((unedited.spans > 0).sum())
    if not shown:
        found.append(
            f"`{behaviour}` shows in none of {len(unedited):,} unedited traces, so that no edit can make it rarer: "
            "give prompts that bring it about, as `problems=arithmetic prompt=corrections` does"
        )
    if unedited.truncated.mean() > 0.5:
        found.append(
            f"{int(unedited.truncated.sum()):,} of {len(unedited):,} unedited traces ran out of their "
            f"{sampling.max_new_tokens:,} tokens: raise `sampling.max_new_tokens` to see how they end"
        )
    if sampling.temperature == 0 and settings.samples > 1:
        found.append("at temperature 0 nothing is drawn: all samples of a prompt are the same")
    missing = sum(int(trace.right.isna().sum()) for trace in traces)
    total = sum(map(len, traces))
    if grader is not None and missing == total:
        found.append("no right answers are at hand: nothing is known of what the edit does to them")
    elif grader is not None and missing:
        found.append(
            f"{missing:,} of {total:,} answers have no verdict; their traces are left out of the share of right ones"
        )
    return found
