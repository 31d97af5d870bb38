"""Windows are labelled: by kept answers where there are any, and by several requests at a time for the rest."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any

from neurosieve import NeurosieveError, StoreError, plural
from neurosieve_plugins.judge.account import account_of
from neurosieve_plugins.judge.answers import Answer
from neurosieve_plugins.judge.endpoint import Endpoint, check_can_ask
from neurosieve_plugins.judge.failures import EndedError
from neurosieve_plugins.judge.kept_answers import KeptAnswers, kept_answers
from neurosieve_plugins.judge.prompt import Kind, Request
from neurosieve_plugins.judge.rounds import Labels, label_window
from neurosieve_plugins.judge.settings import JudgeSettings
from neurosieve_plugins.judge.windows import Window, different

__all__ = ["ask_for", "kept_labels", "labels_of", "next_requests"]


def labels_of(settings: JudgeSettings, kind: Kind, windows: Iterable[Window]) -> list[Labels]:
    """Return the labels of some windows; those without kept answers are asked for.

    Raises:
        NeurosieveError: the judge cannot be asked.
    """
    windows = list(windows)
    labels = [kept_labels(settings, kind, window) for window in windows]
    if None in labels:
        ask_for(settings, kind, windows)
        labels = [kept_labels(settings, kind, window) for window in windows]
    if None in labels:
        raise StoreError(
            f"answers of `{settings.model}` are gone from `{kept_answers(settings.address, settings.model).folder}` "
            "while they are in use: run the same command again"
        )
    return [each for each in labels if each is not None]


def kept_labels(settings: JudgeSettings, kind: Kind, window: Window) -> Labels | None:
    """Return the labels of a window by kept answers alone; None where some are missing.

    Raises:
        StoreError: the kept answers cannot be read.
    """
    labels = _by_kept_answers(settings, kind, window)
    return labels if isinstance(labels, Labels) else None


def next_requests(settings: JudgeSettings, kind: Kind, window: Window) -> list[Request]:
    """Return the requests that are to be sent next for a window; none where all of them have kept answers.

    Raises:
        StoreError: the kept answers cannot be read.
    """
    requests = _by_kept_answers(settings, kind, window)
    return [] if isinstance(requests, Labels) else requests


def _by_kept_answers(settings: JudgeSettings, kind: Kind, window: Window) -> Labels | list[Request]:
    kept = kept_answers(settings.address, settings.model)
    rounds = label_window(settings.labels_and_definitions, kind, window, settings.attempts)
    requests = next(rounds)
    try:
        while True:
            answers = [kept.find(request) for request in requests]
            if missing := [request for request, answer in zip(requests, answers, strict=True) if answer is None]:
                return missing
            requests = rounds.send([answer for answer in answers if answer is not None])
    except StopIteration as finished:
        labels: Labels = finished.value
        return labels


def ask_for(
    settings: JudgeSettings,
    kind: Kind,
    windows: Sequence[Window],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Ask for all windows that have no kept answers, each text once; `progress` hears how many are done, of how many.

    Raises:
        NeurosieveError: the judge cannot be asked, or the budget is used up; all answers that came are kept.
        KeyboardInterrupt: Ctrl-C; the message says how far it came.
    """
    account = account_of(settings.address, settings.model)
    with account.asking:
        kept = kept_answers(settings.address, settings.model)
        missing = [window for window in different(windows) if kept_labels(settings, kind, window) is None]
        if not missing:
            return
        check_can_ask(settings)
        kept.check_can_keep()
        progress(0, len(missing))
        heard = 0

        def ask(report: Callable[[int], None]) -> Coroutine[Any, Any, None]:
            return _ask_for(settings, kind, missing, kept, report)

        def hear(done: int) -> None:
            nonlocal heard
            heard = done
            progress(done, len(missing))

        def so_far() -> str:
            return (
                f"{heard:,} of {plural(len(missing), 'request')} are done, {plural(len(kept), 'answer')} of "
                f"`{settings.model}` are kept, and the same command goes on from here"
            )

        try:
            _run_apart(ask, hear)
        except NeurosieveError as error:
            raise type(error)(f"{error}; {so_far()}" if len(kept) else str(error)) from error
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(f"interrupted; {so_far()}") from interrupt


async def _ask_for(
    settings: JudgeSettings,
    kind: Kind,
    windows: Sequence[Window],
    kept: KeptAnswers,
    report: Callable[[int], None],
) -> None:
    endpoint = Endpoint(settings, answered=len(kept) > 0)
    waiting = iter(windows)
    failures: list[Exception] = []
    done = 0

    async def answer(request: Request) -> Answer:
        if known := kept.find(request):
            return known
        # In a thread of its own: other answers come in while the disk confirms this one.
        return await asyncio.to_thread(kept.keep, request, await endpoint.ask(request))

    async def work() -> None:
        nonlocal done
        for window in waiting:
            if failures:
                return
            try:
                await _label(settings, kind, window, answer)
            except EndedError:
                return
            except Exception as error:
                # Whatever it is: the answers that are under way are paid for, and are still kept.
                failures.append(error)
                endpoint.end()
                return
            done += 1
            report(done)

    try:
        await asyncio.gather(*(work() for _ in range(min(settings.concurrency, len(windows)))))
    finally:
        await endpoint.close()
    if failures:
        raise failures[0]


async def _label(
    settings: JudgeSettings, kind: Kind, window: Window, answer: Callable[[Request], Coroutine[Any, Any, Answer]]
) -> None:
    rounds = label_window(settings.labels_and_definitions, kind, window, settings.attempts)
    requests = next(rounds)
    try:
        while True:
            requests = rounds.send([await answer(request) for request in requests])
    except StopIteration:
        return


def _run_apart(
    work: Callable[[Callable[[int], None]], Coroutine[Any, Any, None]], heard: Callable[[int], None]
) -> None:
    """Run a coroutine in a thread of its own: whoever calls may have an event loop already, as a notebook has.

    What it reports is heard in the calling thread. Ctrl-C cancels it, and nothing is left running.
    """
    events: SimpleQueue[int | BaseException | None] = SimpleQueue()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def watched() -> None:
        task = asyncio.current_task()
        if task is not None:
            running.append((asyncio.get_running_loop(), task))
        await work(events.put)

    def run() -> None:
        try:
            asyncio.run(watched())
        except BaseException as error:
            events.put(error)
        else:
            events.put(None)

    thread = Thread(target=run, name="judge", daemon=True)
    thread.start()
    try:
        while (event := events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            heard(event)
    except KeyboardInterrupt:
        while thread.is_alive() and not running:
            time.sleep(0.01)
        for loop, task in running:
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        thread.join()
