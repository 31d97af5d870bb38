"""All windows of a run: what it would cost to label them, how far that has come, and what is to be noted of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from neurosieve import ModelError, plural
from neurosieve_plugins.judge.account import account_of, cost, expected_tokens
from neurosieve_plugins.judge.asking import ask_for, labels_of, next_requests
from neurosieve_plugins.judge.kept_answers import kept_answers
from neurosieve_plugins.judge.prompt import Kind, task_address
from neurosieve_plugins.judge.settings import JudgeSettings
from neurosieve_plugins.judge.windows import Window, different

__all__ = ["estimated", "prepared"]

_SHOWN = 200
"""So many characters of a refusal are shown."""
_NO_ACCIDENT = 20
"""A judge that has no sound answer for any of so many is of no use."""
_REASONS = 6
"""Of so many reasons it is told how often they hold."""


def estimated(settings: JudgeSettings, kind: Kind, windows: Sequence[Window]) -> str:
    """Return what has to be asked for some windows, and about what it costs; "" where nothing has."""
    expected = _expected(settings, kind, windows)
    if not expected.requests:
        return ""
    return (
        f"{plural(expected.requests, 'request')} to `{settings.model}` at {settings.address}, about "
        f"{expected.tokens_in:,} tokens in and {expected.tokens_out:,} out"
        f"{cost(settings, expected.tokens_in, expected.tokens_out)}"
    )


class _Expected(NamedTuple):
    """What is still to be asked, if every answer is sound."""

    requests: int
    tokens_in: int
    tokens_out: int


def _expected(settings: JudgeSettings, kind: Kind, windows: Sequence[Window]) -> _Expected:
    tokens = [
        expected_tokens(request) for window in different(windows) for request in next_requests(settings, kind, window)
    ]
    return _Expected(len(tokens), sum(into for into, _ in tokens), sum(out for _, out in tokens))


def prepared(
    settings: JudgeSettings, kind: Kind, windows: Sequence[Window], progress: Callable[..., None]
) -> Iterator[str]:
    """Ask for all windows that have no kept answers, and yield what a run is to note of it.

    Raises:
        NeurosieveError: the judge cannot be asked, or the budget is used up; all answers that came are kept.
    """
    account = account_of(settings.address, settings.model)
    before, failed = account.counts.copy(), account.failures.copy()
    known = sum(len(window.bounds) for window in windows if not next_requests(settings, kind, window))
    expected = _expected(settings, kind, windows)
    if expected.requests:
        price = cost(settings, expected.tokens_in, expected.tokens_out)
        stage = f"asking `{settings.model}`, about {expected.tokens_in + expected.tokens_out:,} tokens{price}"
        ask_for(
            settings,
            kind,
            windows,
            lambda done, total: progress(stage=stage, done=done, total=total, unit="requests"),
        )
    items = plural(sum(len(window.bounds) for window in windows), kind)
    yield _sent(settings, kind, items, known, account.counts - before)
    yield from _server_remarks(settings, account.failures - failed)
    yield from _label_remarks(settings, kind, windows, items)


def _sent(settings: JudgeSettings, kind: Kind, items: str, known: int, sent: Counter[str]) -> str:
    judge = f"the judge `{settings.model}` at {settings.address}"
    task = f"`{settings.taxonomy}` (address of the task's text: {task_address(settings.labels_and_definitions, kind)})"
    if not sent["requests"]:
        return f"{judge} labelled {items} by {task}, by kept answers alone: nothing was sent"
    tokens_in, tokens_out = sent["tokens_in"], sent["tokens_out"]
    counted = "as the server counts" if not sent["uncounted"] else f"estimated for {sent['uncounted']:,} of them"
    return (
        f"{judge} labelled {items} by {task}, {known:,} of them by kept answers: "
        f"{plural(sent['requests'], 'request')} sent, {tokens_in:,} tokens in and {tokens_out:,} out ({counted})"
        f"{cost(settings, tokens_in, tokens_out)}"
    )


def _server_remarks(settings: JudgeSettings, failures: Counter[str]) -> Iterator[str]:
    account = account_of(settings.address, settings.model)
    if failures:
        yield f"the server could not serve {plural(failures.total(), 'request')} at first ({_reasons(failures)})"
    if account.refused_options:
        left_out = ", ".join(f"`{option}`" for option in sorted(account.refused_options))
        yield f"the server does not take {left_out}: the judge was asked without, and its answers are checked as always"


def _label_remarks(settings: JudgeSettings, kind: Kind, windows: Sequence[Window], items: str) -> Iterator[str]:
    """Yield what is to be known of the answers, whether they were kept or came just now."""
    asked_again: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    models: Counter[str] = Counter()
    extra, refusal = 0, ""
    for labels in labels_of(settings, kind, windows):
        asked_again += labels.asked_again
        unknown.update(labels.unknown.values())
        extra += labels.extra
        models += labels.models
        refusal = refusal or labels.refusal
    for name, count in models.items():
        if name and name != settings.model:
            yield f"{plural(count, 'answer')} came under the name `{name}`"
    if asked_again:
        times = plural(asked_again.total(), "time")
        yield f"{times} a {kind} was asked for again, as it had no sound answer ({_reasons(asked_again)})"
    if refusal:
        yield f"a refusal, in its own words: “{' '.join(refusal.split())[:_SHOWN]}”"
    if extra:
        yield f"{plural(extra, 'entry', 'entries')} of the answers were for what was not asked for, and left out"
    if unknown:
        address = kept_answers(settings.address, settings.model).folder.name
        if unknown.total() == sum(len(window.bounds) for window in windows) >= _NO_ACCIDENT:
            raise ModelError(
                f"the judge `{settings.model}` gave no sound answer for any of {items} ({_reasons(unknown)}): it may "
                "be too small for the task, or answer in another form; take another model, or a smaller `window`; "
                f"`neurosieve cache --clear {address}` forgets these answers, so that they are asked for again"
            )
        yield (
            f"{unknown.total():,} of {items} {'has' if unknown.total() == 1 else 'have'} no sound answer after "
            f"{plural(settings.attempts, 'attempt')} "
            f"({_reasons(unknown)}): they count neither as the behaviour nor as controls; raise `attempts`, or forget "
            f"all answers of this judge with `neurosieve cache --clear {address}` and ask again"
        )


def _reasons(counts: Counter[str]) -> str:
    listed = "; ".join(f"{count:,}: {reason}" for reason, count in counts.most_common(_REASONS))
    more = len(counts) - _REASONS
    return listed + (f"; {plural(more, 'further reason')}" if more > 0 else "")
