"""Everything that a run of `find` goes by, from a composed config or from Python."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neurosieve.config.choices import handed_over, is_preset, presets
from neurosieve.config.configuration import as_object, build, build_all, composed, publish
from neurosieve.config.hydra_errors import explained
from neurosieve.contracts import Control, Detector, Executor, Report, Scorer, Source
from neurosieve.data import Document
from neurosieve.errors import ConfigError
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.tracing import Generate
from neurosieve.models.loading import LanguageModel, Model, open_model
from neurosieve.pipeline.settings import Find, ranking_scorer
from neurosieve.pipeline.validation import Validation
from neurosieve.registry import describe
from neurosieve.texts.selection import Selection

__all__ = ["SCHEMAS", "Job", "job_from_config", "job_of"]


@dataclass(frozen=True)
class _Config(Find):
    """The whole config: the settings, and a place for each group."""

    model: Any = None
    source: Any = None
    detectors: Any = field(default_factory=dict)
    control: Any = None
    selection: Any = None
    scorers: Any = field(default_factory=dict)
    validate: Any = None
    replicate_on: Any = None
    executor: Any = None
    reports: Any = field(default_factory=dict)


@dataclass(frozen=True)
class _Validation(Generate):
    """What fresh traces are made of, and how."""

    problems: Any = None
    prompt: Any = None
    sampling: Any = None


SCHEMAS: Mapping[str, type] = {
    "find": _Config,
    "model": Model,
    "selection": Selection,
    "validation": _Validation,
    "prompt": Prompt,
    "sampling": Sampling,
}


@dataclass(frozen=True)
class Job:
    """Everything that a run of `find` goes by."""

    model: Model | LanguageModel
    source: Source | Iterable[Document]
    detectors: Mapping[str, Detector]
    scorers: Mapping[str, Scorer[Any]]
    control: Control
    selection: Selection
    settings: Find
    validation: Validation | None
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

    def told(self) -> dict[str, Any]:
        """Return what `run.json` says of all that was chosen for the ranking: what makes the same run again."""
        return {
            "model": "handed over" if isinstance(self.model, LanguageModel) else vars(self.model),
            "source": describe(self.source) if isinstance(self.source, Source) else "documents handed over",
            "detectors": {name: describe(one) for name, one in self.detectors.items()},
            "scorers": {name: describe(one) for name, one in self.scorers.items()},
            "control": describe(self.control),
            "executor": describe(self.executor),
            "selection": vars(self.selection),
            **vars(self.settings),
        }


def job_of(
    model: Any = "gemma-3-270m",
    source: str | Source | Iterable[Document] = "arithmetic",
    detectors: Sequence[str] | Mapping[str, Detector] = ("backtracking",),
    scorers: Sequence[str] | Mapping[str, Scorer[Any]] = ("auc", "cohens_d"),
    control: str | Control = "distant",
    selection: str | Selection = "onset",
    tokenizer: Any = None,
    validate: str | None = None,
    replicate_on: str | Source | Iterable[Document] | None = None,
    reports: Sequence[str] | Mapping[str, Report] = (),
    executor: str | Executor = "local",
    **settings: Any,
) -> Job:
    """Return what the arguments of `neurosieve.find` ask for: presets by name, or what is handed over itself."""
    publish(SCHEMAS)
    by_name = is_preset(model)
    overrides = presets(
        {
            "model": model if by_name else None,
            "source": source,
            "control": control,
            "selection": selection,
            "validate": validate,
            "source@replicate_on": replicate_on,
            "executor": executor,
        },
        {"detectors": detectors, "scorers": scorers, "reports": reports},
    )
    with explained("find", overrides):
        config = composed("find", overrides)
    other: Any = replicate_on
    given: Any = source
    return Job(
        as_object(Model, config.model, "model") if by_name else handed_over(model, tokenizer),
        build(config.source, "source", "source") if isinstance(source, str) else given,
        detectors if isinstance(detectors, Mapping) else _built(config.detectors, "detector"),
        scorers if isinstance(scorers, Mapping) else _built(config.scorers, "scorer"),
        build(config.control, "control", "control") if isinstance(control, str) else control,
        as_object(Selection, config.selection, "selection") if isinstance(selection, str) else selection,
        as_object(Find, settings, "find"),
        _validation(config.validate),
        build(config.replicate_on, "source", "replicate_on") if isinstance(replicate_on, str) else other,
        reports if isinstance(reports, Mapping) else build_all(config.reports, "report"),
        build(config.executor, "executor", "executor") if isinstance(executor, str) else executor,
    )


def job_from_config(config: Any) -> Job:
    """Return what a composed config asks for."""
    return Job(
        as_object(Model, config.model, "model"),
        build(config.source, "source", "source"),
        _built(config.detectors, "detector"),
        _built(config.scorers, "scorer"),
        build(config.control, "control", "control"),
        as_object(Selection, config.selection, "selection"),
        as_object(Find, {name: config[name] for name in Find.__dataclass_fields__}, "find"),
        _validation(config.validate),
        None if config.replicate_on is None else build(config.replicate_on, "source", "replicate_on"),
        build_all(config.reports, "report"),
        build(config.executor, "executor", "executor"),
    )


def _validation(node: Any) -> Validation | None:
    if node is None:
        return None
    return Validation(
        build(node.problems, "problems", "validate.problems"),
        as_object(Prompt, node.prompt, "validate.prompt"),
        as_object(Sampling, node.sampling, "validate.sampling"),
        as_object(Generate, {name: node[name] for name in Generate.__dataclass_fields__}, "validate"),
    )


def _built(nodes: Mapping[str, Any] | None, kind: str) -> dict[str, Any]:
    if not nodes:
        raise ConfigError(
            f"no {kind} is given: choose at least one, as in `{kind}s=[...]`; `neurosieve plugins` lists them"
        )
    return build_all(nodes, kind)
