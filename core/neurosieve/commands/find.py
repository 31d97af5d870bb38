"""`find`: from texts to a ranked, replicated table of neurons."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from neurosieve.config.configuration import as_object, build, build_all, composed, publish
from neurosieve.config.hydra_app import run_hydra
from neurosieve.config.hydra_errors import explained
from neurosieve.contracts import Control, Detector, Report, Scorer, Source
from neurosieve.data import Document
from neurosieve.errors import ConfigError
from neurosieve.following import follow, planned
from neurosieve.generation.completing import Sampling
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.tracing import Generate
from neurosieve.loading import LanguageModel, Model, hand_over, open_model
from neurosieve.registry import installed
from neurosieve.reopening import AtHand
from neurosieve.reporting import draw
from neurosieve.results import Result
from neurosieve.selection import Selection
from neurosieve.settings import Find
from neurosieve.sieve import sieve
from neurosieve.validation import Validation, validated

__all__ = ["find", "from_config", "main"]


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


def find(
    model: Any = "gemma-3-270m",
    source: str | Source | Iterable[Document] = "arithmetic",
    detectors: Sequence[str] | Mapping[str, Detector] = ("backtracking",),
    scorers: Sequence[str] | Mapping[str, Scorer[Any]] = ("auc", "cohens_d"),
    *,
    control: str | Control = "distant",
    selection: str | Selection = "onset",
    tokenizer: Any = None,
    validate: str | None = None,
    reports: Sequence[str] | Mapping[str, Report] = (),
    folder: str | Path | None = None,
    **settings: Any,
) -> Result:
    """Find the neurons, or with `site` other coordinates, that fire when a behaviour shows.

    Args:
        model: a preset (`gemma-3-270m`), a hub name with its owner (`Qwen/Qwen2.5-0.5B`), a folder, a `Model`, a
            loaded Hugging Face model, or a TransformerBridge.
        source: a preset, a `Source`, or documents.
        detectors: presets, or detectors by the name of the behaviour that each finds.
        scorers: presets, or scorers by the name of the column that each fills.
        control: a preset, or what chooses the positions to compare with.
        selection: a preset (`prediction`), or how positions are chosen and groups split.
        tokenizer: of a loaded model that knows none.
        validate: `generated` scores the ranking again on fresh traces of the model.
        reports: presets (`html`, `figures`), or what draws the run by name.
        folder: where the run is left; `runs/find/<time>` by default.
        **settings: the fields of `Find`, such as `seed`, `rank_by` and `site`.

    Raises:
        NeurosieveError: what is asked cannot be done; the message says what to do next.
    """
    publish(SCHEMAS)
    is_preset = isinstance(model, str) and "/" not in model and not Path(model).exists()
    named = {
        "model": model if is_preset else None,
        "source": source if isinstance(source, str) else None,
        "detectors": _listed(detectors),
        "scorers": _listed(scorers),
        "control": control if isinstance(control, str) else None,
        "selection": selection if isinstance(selection, str) else None,
        "validate": validate,
        "reports": _listed(reports),
    }
    overrides = [f"{group}={choice}" for group, choice in named.items() if choice is not None]
    with explained("find", overrides):
        config = composed("find", overrides)
    if not is_preset:
        if isinstance(model, str):
            model = Model(model)
        if not isinstance(model, Model):
            model = hand_over(model, tokenizer)
    given: Any = source
    return _whole(
        as_object(Model, config.model, "model") if is_preset else model,
        build(config.source, "source", "source") if isinstance(source, str) else given,
        detectors if isinstance(detectors, Mapping) else _built(config.detectors, "detector"),
        scorers if isinstance(scorers, Mapping) else _built(config.scorers, "scorer"),
        build(config.control, "control", "control") if isinstance(control, str) else control,
        as_object(Selection, config.selection, "selection") if isinstance(selection, str) else selection,
        as_object(Find, settings, "find"),
        _validation(config.validate),
        reports if isinstance(reports, Mapping) else build_all(config.reports, "report"),
        Path(folder or f"runs/find/{datetime.now():%Y-%m-%d/%H-%M-%S-%f}"),
    )


def from_config(config: Any, folder: Path) -> Result:
    """Run what a composed config asks for, and leave the run in `folder`."""
    settings = {name: config[name] for name in Find.__dataclass_fields__}
    return _whole(
        as_object(Model, config.model, "model"),
        build(config.source, "source", "source"),
        _built(config.detectors, "detector"),
        _built(config.scorers, "scorer"),
        build(config.control, "control", "control"),
        as_object(Selection, config.selection, "selection"),
        as_object(Find, settings, "find"),
        _validation(config.validate),
        build_all(config.reports, "report"),
        folder,
    )


def _whole(
    model: Model | LanguageModel,
    source: Source | Iterable[Document],
    detectors: Mapping[str, Detector],
    scorers: Mapping[str, Scorer[Any]],
    control: Control,
    selection: Selection,
    settings: Find,
    validation: Validation | None,
    reports: Mapping[str, Report],
    folder: Path,
) -> Result:
    """Rank, draw, and do what is to follow; each is finished, and can be looked at, before the next begins."""
    plans = planned(settings.then, reports)
    held, known = (model, None) if isinstance(model, LanguageModel) else (open_model(model), model)
    result = sieve(held, source, detectors, scorers, control, selection, settings, folder, known)
    draw(folder, reports)
    if validation is not None:
        announce = installed().announce
        validated(result, held, validation, detectors, scorers, control, selection, settings, announce)
        draw(folder, reports)
    follow(plans, result, AtHand(held, source, detectors, control))
    return result


def _validation(node: Any) -> Validation | None:
    if node is None:
        return None
    return Validation(
        build(node.problems, "problems", "validate.problems"),
        as_object(Prompt, node.prompt, "validate.prompt"),
        as_object(Sampling, node.sampling, "validate.sampling"),
        as_object(Generate, {name: node[name] for name in Generate.__dataclass_fields__}, "validate"),
    )


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `find`."""
    from neurosieve.terminal import show_part, show_result, show_where

    def task(config: Any, folder: Path) -> None:
        result = from_config(config, folder)
        show_result(result)
        for part in sorted(result.parts(), key=lambda part: (part.folder / "run.json").stat().st_mtime_ns):
            show_part(part)
        show_where(result)

    run_hydra("find", arguments, SCHEMAS, task)


def _listed(choice: Any) -> str | None:
    return None if isinstance(choice, Mapping) else f"[{','.join([choice] if isinstance(choice, str) else choice)}]"


def _built(nodes: Mapping[str, Any] | None, kind: str) -> dict[str, Any]:
    if not nodes:
        raise ConfigError(
            f"no {kind} is given: choose at least one, as in `{kind}s=[...]`; `neurosieve plugins` lists them"
        )
    return build_all(nodes, kind)
