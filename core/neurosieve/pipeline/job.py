"""Everything that a run of `find` goes by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from neurosieve.contracts import Control, Detector, Executor, Report, Scorer, Source
from neurosieve.data import Document
from neurosieve.models.loading import LanguageModel, Model, open_model
from neurosieve.pipeline.settings import Find, ranking_scorer
from neurosieve.pipeline.validation import Validation
from neurosieve.runs.record import described
from neurosieve.texts.selection import Selection

__all__ = ["Job"]


@dataclass(frozen=True)
class Job:
    """Everything that a run of `find` goes by: the parts of its config, under their keys, and its settings."""

    model: Model | LanguageModel
    source: Source | Iterable[Document]
    detectors: Mapping[str, Detector]
    scorers: Mapping[str, Scorer[Any]]
    control: Control
    selection: Selection
    settings: Find
    validate: Validation | None
    replicate_on: Source | Iterable[Document] | None
    reports: Mapping[str, Report]
    executor: Executor

    def opened(self) -> LanguageModel:
        """Return the model, whose weights are loaded when they are first needed."""
        return self.model if isinstance(self.model, LanguageModel) else open_model(self.model)

    @property
    def ranking(self) -> Scorer[Any]:
        """The scorer that ranks.

        Raises:
            ConfigError: it is not among the scorers.
        """
        return self.scorers[ranking_scorer(self.settings, self.scorers)]

    def record(self) -> dict[str, Any]:
        """Return what `run.json` says of all that was chosen for the ranking: what makes the same run again."""
        plugins = ("source", "detectors", "scorers", "control", "executor")
        return {
            **described({name: getattr(self, name) for name in ("model", *plugins)}),
            "selection": vars(self.selection),
            **vars(self.settings),
        }
