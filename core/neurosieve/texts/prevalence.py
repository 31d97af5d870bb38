"""Detectors that mark too much to find anything by: most of the text, or where every completion starts."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from neurosieve.texts.spans import DetectedDocument
from neurosieve.texts.tokens import LabelledDocument
from neurosieve.wording import plural

__all__ = ["prevalence_warnings", "token_prevalence_warnings"]

_FEWEST = 2
"""In so many documents at least must a behaviour start the completion for that to be told."""


def prevalence_warnings(detected: Sequence[DetectedDocument]) -> list[str]:
    """Return a warning for each behaviour that covers most characters of the completions, or starts each of them."""
    behaviours = detected[0].spans if detected else ()
    return [
        warning
        for behaviour in behaviours
        for warning in _warnings(behaviour, _characters(detected, behaviour), "characters")
    ]


def token_prevalence_warnings(labelled: Sequence[LabelledDocument]) -> list[str]:
    """Return the same of documents as a model reads them, by their usable tokens."""
    behaviours = labelled[0].spans if labelled else ()
    return [
        warning for behaviour in behaviours for warning in _warnings(behaviour, _tokens(labelled, behaviour), "tokens")
    ]


def _characters(detected: Sequence[DetectedDocument], behaviour: str) -> Iterator[tuple[int, int, bool]]:
    for document, spans in detected:
        stretches = document.stretches()
        inside = np.zeros(len(document.text) + 1, dtype=np.bool_)
        covered = np.zeros_like(inside)
        for start, end in stretches:
            inside[start:end] = True
        for span in spans[behaviour]:
            covered[span.start : span.end] = True
        first = next((at for start, end in stretches for at in range(start, end) if document.text[at].strip()), -1)
        yield int(inside.sum()), int((inside & covered).sum()), bool(covered[first])


def _tokens(labelled: Sequence[LabelledDocument], behaviour: str) -> Iterator[tuple[int, int, bool]]:
    for document in labelled:
        usable = document.tokens.usable
        covered = np.zeros(len(usable), dtype=np.bool_)
        for tokens in document.ranges[behaviour]:
            covered[tokens.start : tokens.stop] = True
        places = np.flatnonzero(usable)
        yield len(places), int(covered[places].sum()), bool(covered[places[:1]].any())


def _warnings(behaviour: str, documents: Iterable[tuple[int, int, bool]], units: str) -> Iterator[str]:
    """Yield what to know, given how long each completion is, how much is covered, and whether its start is."""
    lengths, covered, at_start = zip(*documents, strict=True)
    if sum(covered) > sum(lengths) / 2:
        yield (
            f"`{behaviour}` covers {sum(covered):,} of {sum(lengths):,} {units} of the completions: a behaviour that "
            "is almost everywhere is compared with the little that is left; `neurosieve detect` shows the spans"
        )
    if len(lengths) >= _FEWEST and all(at_start):
        yield (
            f"`{behaviour}` shows where the completion starts in all {plural(len(lengths), 'document')}: what is found "
            "there may be the start of a text, and not the behaviour"
        )
