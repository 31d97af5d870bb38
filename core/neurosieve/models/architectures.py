"""Which modules of a model hold its MLP neurons, or another kind of site: TransformerLens's adapters know."""

from collections.abc import Sequence
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from neurosieve.data import Site
from neurosieve.disk import computed_once
from neurosieve.errors import ConfigError, ModelError
from neurosieve.models import sites
from neurosieve.models.loading import LanguageModel
from neurosieve.models.sites import KINDS, Kind

__all__ = ["Atlas", "atlas_of", "model_record", "sites_of"]


class Atlas(NamedTuple):
    """Where a model keeps the sites of one kind."""

    modules: tuple[str, ...]
    """The module path of each layer's site: of the projection that it enters (for MLP neurons, the down projection), or
    of the module that it leaves."""
    neurons: int
    """The neurons, or other coordinates, of one layer, as the config gives it."""
    context: int | None
    """The longest text that the model can read at all, in tokens; None where position is not learned by number."""
    norms_after: tuple[str, ...] = ()
    """The module path of the norm between each layer's site and the residual stream, if any."""
    final_norm: str | None = None
    """The module path of the norm between the residual stream and the unembedding, if any."""
    kind: str = "mlp_post"
    head: int | None = None
    """How many neurons in a row belong to one attention head; None where none does."""

    @property
    def what(self) -> Kind:
        """The kind's description."""
        return KINDS[self.kind]

    @property
    def sites(self) -> tuple[Site, ...]:
        """Every site of the model, from the bottom up."""
        return tuple(Site(layer, self.kind) for layer in range(len(self.modules)))

    def hook(self, layer: int) -> str:
        """Return a TransformerBridge's name of the site of a layer."""
        return f"blocks.{layer}.{self.what.hook}"

    def module(self, model: LanguageModel, layer: int) -> Any:
        """Return the module of a layer, from the loaded model.

        Raises:
            ModelError: this layer has no such module, as where only some layers have attention.
        """
        path, module = self.modules[layer], model.module
        if model.has_no_head:  # Where all others keep such a model under this name, this one is that model.
            path = path.removeprefix(f"{module.base_model_prefix}.")
        try:
            return module.get_submodule(path)
        except AttributeError as error:
            raise ModelError(
                f"layer {layer} of `{model.name}` has no site `{self.kind}` (no module `{self.modules[layer]}`): "
                "choose the layers that have it, as in `layers=[0,1]`, or another `site`"
            ) from error

    def check_editable(self) -> None:
        """Make sure that the sites can be edited.

        Raises:
            ConfigError: they do not enter a projection.
        """
        if not self.what.enters:
            editable = " or ".join(f"`site={name}`" for name, kind in KINDS.items() if kind.enters)
            raise ConfigError(
                f"{self.what.neurons} (`site={self.kind}`) cannot be edited: an edit changes what enters a projection; "
                f"run `neurosieve find` with {editable}, and edit what that ranks"
            )

    def check_width(self, model: LanguageModel, layer: int, width: int, expected: int) -> None:
        """Check the width of a layer's activations.

        Raises:
            ModelError: it is not the expected one.
        """
        if width != expected:
            raise ModelError(
                f"layer {layer} of `{model.name}` is {width:,} wide where {expected:,} {self.what.neurons} are "
                f"expected: this is not a plain `{self.kind}`, and cannot be read or edited; choose another `site`, or "
                "`layers` of one width"
            )


def atlas_of(model: LanguageModel, kind: str = "mlp_post") -> Atlas:
    """Return the modules of `model` for the sites of a kind, by its config alone: no weights are loaded.

    TransformerLens takes seconds to import: its answer for a config is cached.

    Raises:
        ModelError: TransformerLens does not know the architecture, or it has no such sites.
    """
    code = [Path(file).read_text(encoding="utf-8") for file in (__file__, sites.__file__)]
    versions = {name: version(name) for name in ("transformer-lens", "transformers")}
    inputs = {"config": model.config.to_dict(), "name": model.name, "kind": kind, "versions": versions, "code": code}
    fields = computed_once("atlases", inputs, lambda: _from_transformer_lens(model, kind)._asdict())
    return Atlas(**(fields | {name: tuple(fields[name]) for name in ("modules", "norms_after")}))


def _from_transformer_lens(model: LanguageModel, kind: str) -> Atlas:
    if getattr(model.config, "is_encoder_decoder", False):
        raise ModelError(
            f"`{model.name}` reads a text with an encoder and writes with a decoder: take a decoder-only language model"
        )
    adapter = _adapter(model)
    what = KINDS[kind]
    blocks = adapter.component_mapping.get("blocks")
    within = _module_of(blocks, what)
    if within is None:
        known = [f"site={name}" for name, other in KINDS.items() if _module_of(blocks, other) is not None]
        advice = f"take one that it has: {', '.join(known)}" if known else "it has no other kind: take another model"
        raise ModelError(f"`{model.name}` has no site `{kind}`: {what.lacking}; {advice}")
    layers = range(adapter.cfg.n_layers)
    widths = [int(getattr(adapter.cfg, name)) for name in what.width]
    # TransformerLens takes the MLP of an OPT to be four times as wide as its residual stream.
    if what.width == ("d_mlp",) and (ffn_dim := getattr(model.config.get_text_config(), "ffn_dim", None)):
        widths = [int(ffn_dim)]
    by_number = "pos_embed" in adapter.component_mapping
    norm, final = blocks.submodules.get(what.norm_after), adapter.component_mapping.get("ln_final")
    return Atlas(
        modules=tuple(".".join(filter(None, (blocks.name, str(layer), within))) for layer in layers),
        neurons=prod(widths),
        context=model.config.max_position_embeddings if by_number else None,
        norms_after=() if norm is None else tuple(f"{blocks.name}.{layer}.{norm.name}" for layer in layers),
        final_norm=None if final is None else final.name,
        kind=kind,
        head=widths[-1] if len(widths) > 1 else None,
    )


def _module_of(blocks: Any, what: Kind) -> str | None:
    """Return the path within a layer of the module that a kind of site enters or leaves; None where there is none."""
    path, component, hook = list[str](), blocks, what.hook
    try:
        while True:
            *inner, hook = hook.split(".")
            for name in inner:
                component = component.submodules[name]
                path += [component.name] if component.name else []  # Some architectures have no module for the MLP.
            if hook not in component.hook_aliases:
                break
            alias = component.hook_aliases[hook]
            hook = alias if isinstance(alias, str) else alias[0]
    except (AttributeError, KeyError):
        return None
    # Where an architecture lacks a site, TransformerLens may give its name to another place.
    return ".".join(path) if hook == ("hook_in" if what.enters else "hook_out") else None


def _adapter(model: LanguageModel) -> Any:
    # The two names below are private to TransformerLens; tests/core/models/test_reading_hooks.py fails if they move.
    import logging

    quiet = logging.getLogger("transformers").level
    from transformer_lens.factories.architecture_adapter_factory import ArchitectureAdapterFactory
    from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_config_from_hf

    logging.getLogger("transformers").setLevel(quiet)  # TransformerLens silences it for the whole process.
    architectures = _architectures(model.config)
    for number, architecture in enumerate(architectures, 1):
        try:
            config = build_bridge_config_from_hf(model.config, architecture, model_name=model.name, dtype=model.dtype)
            return _text_adapter(ArchitectureAdapterFactory, config)
        except ImportError as error:
            raise ModelError(f"`{model.name}` cannot be read without another package: {error}") from error
        except (ValueError, AttributeError, KeyError) as error:
            if number == len(architectures):
                raise ModelError(
                    f"TransformerLens does not know the architecture `{architectures[0]}` of `{model.name}` ({error}): "
                    "take a decoder-only language model that it lists"
                ) from error


def _text_adapter(factory: Any, config: Any) -> Any:
    """Return the adapter of an architecture, also where packages are missing that only its images or sounds need."""
    from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES

    try:
        return factory.select_architecture_adapter(config)
    except ImportError:
        adapter = SUPPORTED_ARCHITECTURES.get(config.architecture)
        if not getattr(adapter, "required_libraries", None):
            raise
        return type(adapter.__name__, (adapter,), {"required_libraries": []})(config)


def _architectures(config: Any) -> list[str]:
    """Return the name of a model's architecture; then that of the same model with a head for text, where it has another
    head or none, for both keep their layers in one place.
    """
    import transformers
    from transformers.models.auto import modeling_auto as names

    name = (config.architectures or ["unknown"])[0]
    if not hasattr(transformers, name):  # Others' code may keep its layers anywhere.
        return [name]
    with_head = (names.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, names.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)
    others = [mapping[config.model_type] for mapping in with_head if config.model_type in mapping]
    return list(dict.fromkeys([name, *others]))


def sites_of(atlas: Atlas, layers: Sequence[int] | None, name: str) -> tuple[Site, ...]:
    """Return the sites of some layers, all by default.

    Raises:
        ConfigError: the model does not have one of them.
    """
    requested = [Site(layer, atlas.kind) for layer in sorted(set(layers or ()))]
    if layers == () or not set(requested) <= set(atlas.sites):
        raise ConfigError(f"layers is {list(layers or ())}: `{name}` has layers 0 to {len(atlas.sites) - 1}")
    return atlas.sites if layers is None else tuple(requested)


def model_record(lm: LanguageModel, atlas: Atlas, sites: Sequence[Site], neurons: int) -> dict[str, Any]:
    """Return the `model` part of `run.json`: which model it is, and what was read of it."""
    return {
        **lm.record(),
        "site": atlas.kind,
        "layers": [site.layer for site in sites],
        "neurons_per_layer": neurons,
        "neurons_per_head": atlas.head,
    }
