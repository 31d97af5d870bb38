"""A finished run of `find`, opened again: its model, its documents and its positions, for follow-up commands."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from neurosieve.activations.reading import open_space
from neurosieve.activations.store import Space
from neurosieve.config.configuration import as_object, build
from neurosieve.contracts import Control, Detector, Source
from neurosieve.data import Document, Neuron, Site, Skipped
from neurosieve.errors import ConfigError, DataError, ModelError, nearest
from neurosieve.models.activation import Activation
from neurosieve.models.architectures import Atlas, atlas_of
from neurosieve.models.batches import Reader
from neurosieve.models.loading import LanguageModel, Model, hand_over
from neurosieve.models.shared import shared_model
from neurosieve.pipeline.compared_positions import compared_positions
from neurosieve.pipeline.detecting import label_all
from neurosieve.pipeline.settings import NO_STORE, Find
from neurosieve.runs.record_fields import positions_hash
from neurosieve.runs.results import Result, load
from neurosieve.texts.groups import join_groups
from neurosieve.texts.positions import Positions, UnitKind
from neurosieve.texts.settings import Selection
from neurosieve.texts.thinning import thinned
from neurosieve.texts.tokens import LabelledDocument

__all__ = ["PlannedRun", "Reopened", "RunInputs", "parse_neurons", "reopen", "result_of"]


class PlannedRun(NamedTuple):
    """What is known of a run before anything is read for it."""

    model: str
    atlas: Atlas
    layers: Collection[int]
    """The layers that will be read."""
    behaviours: Collection[str]
    """The behaviours that will be looked for; some may show nowhere."""
    unit: UnitKind = "token"
    """What each row will stand for."""

    def check_behaviour(self, behaviour: str | None) -> None:
        """Raise unless the run will look for a behaviour, where one is given."""
        if behaviour is not None and behaviour not in self.behaviours:
            raise ConfigError(f"no behaviour `{behaviour}` is looked for: {nearest(behaviour, self.behaviours)}")

    def check_layers(self, neurons: Iterable[Neuron]) -> None:
        """Raise unless the run will read the layers of some neurons."""
        if unread := sorted({neuron.layer for neuron in neurons} - set(self.layers)):
            read = ", ".join(map(str, sorted(self.layers)))
            raise ConfigError(
                f"layer {unread[0]} is not read, and gives no control neurons: take those of layers {read}"
            )

    def check_k(self, k: int) -> None:
        """Raise unless so many neurons will be ranked."""
        if k > (ranked := len(self.layers) * self.atlas.neurons):
            raise ConfigError(f"k is {k:,}, and the ranking will hold {ranked:,} neurons: give at most that")


class RunInputs(NamedTuple):
    """The inputs of a run that are still in memory."""

    model: LanguageModel
    source: Iterable[Document | Skipped]
    detectors: Mapping[str, Detector]
    control: Control

    def reopen(self, result: Result, announce: Callable[..., None]) -> "Reopened":
        """Return the run opened again, from these inputs."""
        model, documents, detectors, control = self
        return reopen(result, model=model, documents=documents, detectors=detectors, control=control, announce=announce)


@dataclass(frozen=True)
class Reopened:
    """A run of `find` with its inputs."""

    result: Result
    reader: Reader
    """Reads the activations at the run's sites, whatever the run itself read there."""
    documents: tuple[LabelledDocument, ...]
    """Every document with text to read, with its spans."""
    positions: Positions
    """The run's own positions: a hash in `run.json` proves that they are the same."""
    space: Space
    """The store that holds the activations at them, unless it was cleared."""
    detectors: Mapping[str, Detector]
    counts: Counter[str]
    """What was seen of the texts, what was left out and what was assumed."""

    @property
    def lm(self) -> LanguageModel:
        """The model."""
        return self.reader.model

    @property
    def atlas(self) -> Atlas:
        """Where the model keeps the run's sites."""
        return self.reader.atlas


def result_of(run: Any) -> Result:
    """Return the run of `find` in a folder, or the `Result` that is given.

    Raises:
        DataError: the folder holds no run of `find`.
    """
    if isinstance(run, Result):
        return run
    loaded = load(run)
    if not isinstance(loaded, Result):
        raise DataError(f"`{run}` is a run of `neurosieve {loaded.command}`: give one of `neurosieve find`")
    return loaded


def reopen(
    run: Any,
    *,
    model: Any = None,
    documents: Iterable[Document | Skipped] | None = None,
    detectors: Mapping[str, Detector] | None = None,
    control: Control | None = None,
    announce: Callable[..., None] | None = None,
) -> Reopened:
    """Open a finished run of `find` again, from its `run.json`.

    What was handed over to the run in Python must be handed over again: the model, the documents, the detectors, the
    control. `announce` receives the progress.

    Raises:
        DataError: the folder holds no run of `find`, or the texts or detectors have changed since the run.
        ModelError: the model is not that of the run.
        ConfigError: something was handed over to the run, and is not given here.
    """
    result = result_of(run)
    config = result.run["config"]
    if config["store"] == NO_STORE:
        raise DataError(
            f"`{result.folder}` was read in one pass that kept no position (`store=none`), and has no follow-up: run "
            "`neurosieve find` with a store on some of its texts"
        )
    lm = _model_of(result, model)
    if documents is None:
        if not isinstance(config["source"], dict):
            raise ConfigError(f"the texts of `{result.folder}` were handed over in Python: hand them over again")
        documents = cast(Source, build(config["source"], "source", "source"))
    nodes = config["detectors"].items()
    detectors = detectors or {name: build(node, "detector", f"detectors.{name}") for name, node in nodes}
    control = control or build(config["control"], "control", "control")
    selection = as_object(Selection, config["selection"], "selection")
    settings = as_object(Find, {name: config[name] for name in Find.__dataclass_fields__ if name in config}, "find")
    atlas = atlas_of(lm, settings.site)
    counts = Counter[str]()
    labelled = label_all(documents, detectors, lm, atlas.context, counts, announce or (lambda *_, **__: None))
    if not labelled:
        raise DataError(f"the texts of `{result.folder}` are gone: its source gives no document any more")
    labelled = join_groups(labelled, selection.near_duplicates, Counter(), selection.unit)
    positions = compared_positions(labelled, list(detectors), control, selection, settings, Counter()).drawn
    reading = build(config["reading"], "reading", "reading") if "reading" in config else Activation()
    positions = thinned(positions, reading, settings.seed, Counter())
    if positions_hash(positions.table) != result.run["hashes"]["positions"]:
        raise DataError(
            f"the texts or the detectors of `{result.folder}` have changed since it was made, for its positions are "
            "not the same: run `neurosieve find` again"
        )
    sites = [Site(layer, atlas.kind) for layer in result.run["model"]["layers"]]
    reader = Reader(lm, atlas, tuple(sites))
    space = open_space(reader, settings.store)
    return Reopened(result, reader, tuple(labelled), positions, space, detectors, counts)


def _model_of(result: Result, model: Any) -> LanguageModel:
    """Return the model of a run, opened from its config, or the one that is handed over again."""
    if model is None:
        config = result.run["config"].get("model")
        if not isinstance(config, dict):
            raise ConfigError(
                f"the model of `{result.folder}` was handed over in Python: hand it over again, as `model`"
            )
        model = as_object(Model, config, "model")
    if not isinstance(model, LanguageModel):
        model = shared_model(model) if isinstance(model, Model) else hand_over(model)
    lm: LanguageModel = model
    if lm.fingerprint != result.run["model"]["weights"]:
        raise ModelError(
            f"`{lm.name}` has other weights than `{result.run['model']['name']}`, which `{result.folder}` was made "
            "with: its neurons mean nothing there; take the same model, or run `neurosieve find` with this one"
        )
    return lm


def parse_neurons(requested: Iterable[Any], atlas: Atlas, name: str) -> tuple[Neuron, ...]:
    """Return the neurons that a list such as `[[3, 17], "L5N9"]` names.

    Raises:
        ConfigError: an entry does not name a neuron, or one that the model does not have.
    """
    neurons = []
    for entry in requested:
        try:
            if isinstance(entry, str):
                layer, _, index = entry.upper().removeprefix("L").partition("N")
                neuron = Neuron(int(layer), int(index))
            else:
                neuron = Neuron(*map(int, entry))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{entry!r} names no neuron: write [layer, neuron], as in [3, 17], or L3N17") from error
        if not (0 <= neuron.layer < len(atlas.modules) and 0 <= neuron.neuron < atlas.neurons):
            raise ConfigError(
                f"there is no neuron L{neuron.layer}N{neuron.neuron} in `{name}`: it has layers 0 to "
                f"{len(atlas.modules) - 1}, each with {atlas.what.neurons} 0 to {atlas.neurons - 1:,}"
            )
        neurons.append(neuron)
    return tuple(dict.fromkeys(neurons))
