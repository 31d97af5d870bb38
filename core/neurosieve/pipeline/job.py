"""Everything that a run of `find` goes by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from neurosieve.contracts import Control, Detector, Executor, Reading, Report, Scorer
from neurosieve.data import Document, Skipped
from neurosieve.errors import ConfigError, nearest
from neurosieve.evidence.exchange import null_of
from neurosieve.models.loading import LanguageModel, Model
from neurosieve.models.shared import shared_model
from neurosieve.pipeline.settings import NO_STORE, Find
from neurosieve.pipeline.validation import Validation
from neurosieve.registry import TARGET, describe, installed
from neurosieve.runs.record_fields import described
from neurosieve.texts.positions import WHOLE_TEXTS
from neurosieve.texts.settings import Selection

__all__ = ["Job"]


@dataclass(frozen=True)
class Job:
    """Everything that a run of `find` goes by: the parts of its config, under their keys, and its settings."""

    model: Model | LanguageModel
    source: Iterable[Document | Skipped]
    detectors: Mapping[str, Detector]
    scorers: Mapping[str, Scorer[Any]]
    control: Control
    reading: Reading
    selection: Selection
    settings: Find
    validate: Validation | None
    beside: Reading | None
    replicate_on: Iterable[Document | Skipped] | None
    reports: Mapping[str, Report]
    executor: Executor

    def opened(self) -> LanguageModel:
        """Return the model, whose weights are loaded when they are first needed."""
        return self.model if isinstance(self.model, LanguageModel) else shared_model(self.model)

    def check(self) -> None:
        """Raise ConfigError unless there are detectors and scorers, each is such, and what is chosen fits together."""
        for plugins, kind in ((self.detectors, Detector), (self.scorers, Scorer)):
            what = kind.__name__.lower()
            if not plugins:
                raise ConfigError(f"no {what} is given: give at least one")
            for name, plugin in plugins.items():
                if not isinstance(plugin, kind):
                    raise ConfigError(
                        f"the {what} `{name}` is {plugin!r}, which is not a {kind.__name__}: give an instance of one"
                    )
        self._check_units()
        self._check_null()
        self._check_readings()

    def _check_units(self) -> None:
        """Raise ConfigError where a detector labels whole texts, and parts of texts are read.

        All of a text has one label then, so that nothing within it can be compared.
        """
        if self.selection.unit in WHOLE_TEXTS:
            return
        for name, detector in self.detectors.items():
            if detector.whole_texts:
                selection = "prompt_end" if detector.scope == "prompt" else "completion"
                store = ", and leave out `store=none`" if self.settings.store == NO_STORE else ""
                raise ConfigError(
                    f"the detector of `{name}` labels whole texts, and selection.unit={self.selection.unit} reads "
                    f"parts of a text: take `selection={selection}`{store}"
                )

    def _check_null(self) -> None:
        """Raise ConfigError unless labels can be exchanged as the settings say."""
        if self.settings.store != NO_STORE:
            null_of(self.settings, self.selection.unit)
            return
        given = [name for name in ("null", "strata") if getattr(self.settings, name)]
        if given:
            raise ConfigError(
                f"`{given[0]}` says which labels the permutation null exchanges, and `store=none` has no such null: "
                "leave out one of the two"
            )

    def _check_readings(self) -> None:
        """Raise ConfigError unless what is read, and beside it, are readings that fit the places and each other."""
        for key, reading in (("reading", self.reading), ("beside", self.beside)):
            if reading is None and key == "beside":
                continue
            if not isinstance(reading, Reading):
                raise ConfigError(f"`{key}` is {reading!r}, which is not a Reading: give a preset, or an instance")
            if reading.kinds and self.settings.site not in reading.kinds:
                sites = " or ".join(f"`site={kind}`" for kind in reading.kinds)
                raise ConfigError(
                    f"`{key}` cannot be read at `site={self.settings.site}`: take {sites}, or `{key}=activation`"
                    if key == "reading"
                    else f"`{key}` cannot be read at `site={self.settings.site}`: take {sites}, or leave `{key}` out"
                )
            if reading.of_the_token and self.selection.at not in ("onset", "span"):
                raise ConfigError(
                    f"`{key}` speaks of the token at a position, and selection.at={self.selection.at} is "
                    "another than the behaviour's: take `selection=onset`"
                )
            limited = reading.documents is not None or reading.controls is not None
            if self.selection.unit != "token" and (limited or not reading.at_every_token):
                raise ConfigError(
                    f"`{key}={describe(reading)[TARGET].rpartition('/')[2]}` reads single tokens, and "
                    f"selection.unit={self.selection.unit} reads several as one: leave out one of the two"
                )
        if self.beside is not None and type(self.beside) is type(self.reading):
            raise ConfigError("`beside` is the reading that ranks already: leave it out, or take another")
        if self.beside is not None and self.reading.scorers and not self.beside.scorers:
            raise ConfigError(
                "`beside` would be rated by the scorers of the reading that ranks, which are made for that: exchange "
                "`reading` and `beside`"
            )

    @property
    def foretells(self) -> bool:
        """Whether one of its readings foretells what an edit does: the sites must be such as can be edited."""
        return any(reading is not None and reading.foretells for reading in (self.reading, self.beside))

    @property
    def rank_by(self) -> str:
        """The name of the scorer that ranks; ConfigError where it is not among the scorers."""
        name = self.settings.rank_by or next(iter(self.scorers))
        if name not in self.scorers:
            known = any((plugin.kind, plugin.name) == ("scorer", name) for plugin in installed())
            add = f"add it, as in `scorers=[{','.join((*self.scorers, name))}]`, or take one of these"
            hint = f"{add}: {', '.join(self.scorers)}" if known else nearest(name, self.scorers)
            raise ConfigError(f"rank_by is `{name}`, which is not among the scorers: {hint}")
        return name

    def with_reading(self, reading: Reading) -> "Job":
        """Return the job of the same texts and behaviours by another reading, with the scorers that this implies."""
        names = reading.scorers or tuple(self.scorers)
        chosen = {name: self.scorers.get(name) or installed().get("scorer", name).cls() for name in names}
        settings = replace(self.settings, rank_by=None if reading.scorers else self.settings.rank_by)
        return replace(self, reading=reading, beside=None, scorers=chosen, settings=settings)

    def record(self) -> dict[str, Any]:
        """Return what `run.json` says of all that was chosen for the ranking: what makes the same run again."""
        plugins = ("source", "detectors", "scorers", "control", "reading", "executor")
        return {
            **described({name: getattr(self, name) for name in ("model", *plugins)}),
            "selection": vars(self.selection),
            **vars(self.settings),
        }
