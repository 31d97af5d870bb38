"""Detect shouting, and rate neurons by their medians."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from neurosieve import Detector, Document, Rows, RowsState, Scorer, Scores, Span, hookimpl


@dataclass(frozen=True)
class Shouting(Detector):
    """Words in capitals, of at least `letters` letters."""

    letters: int = 3

    def detect(self, document: Document) -> Iterator[Span]:
        for match in re.finditer(r"\b[A-Z]+\b", document.text):
            if match.end() - match.start() >= self.letters:
                yield Span(match.start(), match.end())


@dataclass(frozen=True)
class MedianDifference(Scorer[RowsState]):
    """How much higher a neuron's median is where the behaviour shows than at the controls."""

    @property
    def statistic(self) -> Rows:
        return Rows()

    def compute(self, state: RowsState) -> Scores:
        value = state.activations.new_full((state.labels.shape[1], state.activations.shape[1]), float("nan"))
        for behaviour in range(len(value)):
            present, control = state.compared(behaviour)
            if len(present) and len(control):
                value[behaviour] = present.quantile(0.5, dim=0) - control.quantile(0.5, dim=0)
        return Scores(value)


@hookimpl
def register_detectors() -> dict[str, type[Detector]]:
    return {"shouting": Shouting}


@hookimpl
def register_scorers() -> dict[str, type[Scorer[RowsState]]]:
    return {"median_difference": MedianDifference}


@hookimpl
def config_search_path() -> list[str]:
    return ["pkg://neurosieve_shouting.conf"]
