"""In which requests a window is labelled: all of it at once, then again what the answers leave open."""

import math
from collections import Counter
from collections.abc import Generator, Mapping
from typing import NamedTuple, TypeAlias

from neurosieve_plugins.judge.answers import Answer, read_answer
from neurosieve_plugins.judge.prompt import Kind, Request, request_for
from neurosieve_plugins.judge.taxonomy import Taxonomy
from neurosieve_plugins.judge.windows import Window

__all__ = ["Labels", "Rounds", "label_window"]


class Labels(NamedTuple):
    """What a judge says of the stretches of a window, by their places in it."""

    labels: Mapping[int, tuple[str, ...]]
    """The labels of each stretch that has a sound answer; none of them, where it shows none."""
    unknown: Mapping[int, str]
    """Why each other stretch has none."""
    asked_again: Counter[str]
    """How many stretches were asked for again, by the reason."""
    extra: int
    """Entries of answers for what was not asked for."""
    models: Counter[str]
    """Under which names the judge answered, and how often."""
    refusal: str
    """The first refusal of the judge or its server, in its words; "" where there is none."""


Rounds: TypeAlias = Generator[list[Request], list[Answer], Labels]
"""Yields the requests of a round, is sent their answers, and returns the labels in the end."""


def label_window(taxonomy: Taxonomy, kind: Kind, window: Window, attempts: int) -> Rounds:
    """Ask for all stretches of a window, then for those without a sound answer, in requests of half the size each time.

    A smaller request is another request: a judge that answers the same question in the same way is asked another one.
    Which requests there are depends on the answers alone, so that kept answers lead to the same labels again.
    """
    labels: dict[int, tuple[str, ...]] = {}
    open_ones: dict[int, str] = dict.fromkeys(range(len(window.bounds)), "")
    asked_again: Counter[str] = Counter()
    models: Counter[str] = Counter()
    extra, refusal = 0, ""
    for attempt in range(attempts):
        size = max(1, math.ceil(len(window.bounds) / 2**attempt))
        places = list(open_ones)
        parts = [places[first : first + size] for first in range(0, len(places), size)]
        requests = [request_for(taxonomy, kind, window, part, attempt) for part in parts]
        answers = yield requests
        for part, request, answer in zip(parts, requests, answers, strict=True):
            reading = read_answer(answer, request)
            extra += reading.extra
            models[answer.model] += 1
            refusal = refusal or answer.refusal
            labels |= {part[number - 1]: chosen for number, chosen in reading.labels.items()}
            open_ones |= {part[number - 1]: why for number, why in reading.problems.items()}
        open_ones = {place: why for place, why in sorted(open_ones.items()) if place not in labels}
        if not open_ones:
            break
        if attempt + 1 < attempts:
            asked_again.update(open_ones.values())
    return Labels(labels, open_ones, asked_again, extra, models, refusal)
