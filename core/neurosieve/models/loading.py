"""Opens a language model: from the hub, a folder, a package or code, or one that the user has loaded.

Its config and tokenizer are read at once, its weights when it is first run: a run that finds every activation in the
store never loads them.
"""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import torch

from neurosieve.errors import FieldError, ModelError
from neurosieve.fields import check_fields
from neurosieve.gc_pause import without_gc
from neurosieve.models.fingerprints import folder_hash, folder_state, weights_hash
from neurosieve.models.gguf import converted_package, hide_progress_bars
from neurosieve.models.loading_errors import check_folder, check_handed_over, check_weights, explained

__all__ = ["LanguageModel", "Model", "auto_class", "hand_over", "open_model"]


@dataclass(frozen=True)
class Model:
    """Which language model to read, on which device and in which dtype."""

    name: str
    """A Hugging Face hub name, or a folder that `save_pretrained` wrote."""
    format: Literal["pretrained", "gguf_package", "tiny"] = "pretrained"
    """`gguf_package`: `name` is an installed Python package that carries a GGUF file. `tiny`: built in code."""
    revision: str | None = None
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes the best there is."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`float32`, `bfloat16`, `float16`; `auto` is bfloat16 on CUDA and float32 elsewhere."""
    trust_remote_code: bool = False
    """Whether to run Python code that comes with the model."""

    def __post_init__(self) -> None:
        check_fields(self, "model.")

    def placement(self) -> tuple[torch.device, torch.dtype]:
        """Return the device and the dtype to run in.

        Raises:
            ConfigError: there is no such device here.
        """
        name = self.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        try:
            device = torch.device(name)
        except RuntimeError as error:
            problem = f"is `{name}`, which is not a device: take cpu, cuda, cuda:1, mps or auto"
            raise FieldError("device", problem, "model.") from error
        available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        if not available.get(device.type, False) or (device.index or 0) >= max(1, torch.cuda.device_count()):
            raise FieldError("device", f"is `{name}`, which this machine does not have: take `auto`", "model.")
        default = "bfloat16" if device.type == "cuda" else "float32"
        return device, getattr(torch, default if self.dtype == "auto" else self.dtype)


class LanguageModel:
    """A language model whose weights are loaded when they are first needed."""

    opened_as: Model | None = None
    """What opens the same model in another process; None if the user loaded it."""

    def __init__(
        self,
        name: str,
        config: Any,
        tokenizer: Any,
        hash_weights: Callable[[], str],
        load: Callable[[], Any],
        dtype: torch.dtype,
        device: torch.device,
        bridge: Any = None,
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.config, self.tokenizer = name, config, tokenizer
        self.dtype, self.device = dtype, device
        self.bridge = bridge
        """The TransformerBridge that the user gave, if any; it is read through its own hooks."""
        self.origin = origin
        """What another engine needs to load the same: `model`, `revision`, `trust_remote_code`; None if the user loaded
        it."""
        self._hash_weights, self._load = hash_weights, load
        if not getattr(tokenizer, "is_fast", False):
            raise ModelError(
                f"the tokenizer of `{name}` is a slow one, which does not give the characters of each token: "
                "convert it to a fast tokenizer (`tokenizer.json`)"
            )

    def __reduce__(self) -> Any:
        # Weights are not sent: the receiver opens the model again, and checks that it is the same one.
        if self.opened_as is None:
            raise ModelError(
                f"`{self.name}` was handed over already loaded, and other processes cannot open it: give its name or "
                "its folder, or read it with `executor=local`"
            )
        return _open_again, (self.opened_as, self.fingerprint)

    @cached_property
    def fingerprint(self) -> str:
        """A hash that identifies the weights."""
        return self._hash_weights()

    @cached_property
    def module(self) -> Any:
        """The Hugging Face model, loaded, in evaluation mode, on its device."""
        return self._load()

    @property
    def has_no_head(self) -> bool:
        """Whether the model ends with its last layer, as `AutoModel` loads it: it gives no probabilities of tokens."""
        return self.bridge is None and self.module.base_model is self.module

    @property
    def dtype_name(self) -> str:
        """The dtype as configs name it, such as `float32`."""
        return str(self.dtype).removeprefix("torch.")

    def record(self) -> dict[str, str]:
        """Return which model it is, for `run.json`."""
        return {"name": self.name, "weights": self.fingerprint, "device": str(self.device), "dtype": self.dtype_name}

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are in memory."""
        return "module" in self.__dict__


def open_model(model: Model) -> LanguageModel:
    """Return the model of a config.

    Raises:
        ModelError: it does not exist, or cannot be opened.
        ConfigError: there is no such device here.
    """
    name, folder = model.name, Path(model.name)
    if model.format == "tiny":
        from neurosieve.models.tiny import tiny_model

        module, tokenizer = tiny_model()
        lm = hand_over(module.to(*model.placement()), tokenizer, name=name)
    elif model.format == "gguf_package":
        lm = _open(model, converted_package(name), name)
    elif folder.is_dir():
        lm = _open(model, folder, folder.name)
        name = str(folder.resolve())
    else:
        lm = _open(model, None, name)
    dtype: Any = lm.dtype_name
    lm.opened_as = dataclasses.replace(model, name=name, dtype=dtype)
    return lm


def _open_again(model: Model, fingerprint: str) -> LanguageModel:
    lm = open_model(model)
    if lm.fingerprint != fingerprint:
        raise ModelError(
            f"`{model.name}` has other weights in a worker than where the run was started: give a model that is the "
            "same everywhere"
        )
    return lm


def hand_over(model: Any, tokenizer: Any = None, name: str | None = None) -> LanguageModel:
    """Return a loaded Hugging Face model, or a TransformerBridge, as a language model; it is used without a change.

    Raises:
        ModelError: it is neither, or no tokenizer comes with it.
    """
    bridge = model if "transformer_lens" in sys.modules and hasattr(model, "original_model") else None
    module = bridge.original_model if bridge is not None else model
    if not (hasattr(module, "base_model") and hasattr(module, "config")):
        raise ModelError(
            f"model is a {type(model).__name__}: give a preset's name, a hub name, a folder, a Hugging Face model "
            "or a TransformerBridge"
        )
    check_handed_over(module)
    tokenizer = tokenizer if tokenizer is not None else getattr(model, "tokenizer", None)
    if tokenizer is None:
        from transformers import AutoTokenizer

        with explained(str(module.config.name_or_path), "load the tokenizer of"):
            tokenizer = AutoTokenizer.from_pretrained(module.config.name_or_path)
    config, parameter = module.config, next(module.parameters())
    if not config.architectures:
        config.architectures = [type(module).__name__]
    name, dtype, device = name or config.name_or_path or type(module).__name__, parameter.dtype, parameter.device
    return LanguageModel(
        name, config, tokenizer, lambda: weights_hash(module), lambda: module, dtype, device, bridge=bridge
    )


def auto_class(config: Any) -> Any:
    """Return the class of transformers that loads a model with its head: that of images and text where no other can."""
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers.models.auto import modeling_auto as names

    kind = config.model_type
    images = kind in names.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    return (
        AutoModelForImageTextToText
        if images and kind not in names.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        else AutoModelForCausalLM
    )


@lru_cache(maxsize=1)
def _config_and_tokenizer(where: str, state: object, revision: str | None, trust_remote_code: bool) -> tuple[Any, Any]:
    """Return both, once for all jobs of a sweep: reading a large vocabulary takes seconds. `state` changes when the
    folder is written again.
    """
    with without_gc():
        from transformers import AutoConfig, AutoTokenizer

        origin = {"revision": revision, "trust_remote_code": trust_remote_code}
        return AutoConfig.from_pretrained(where, **origin), AutoTokenizer.from_pretrained(where, **origin)


def _open(model: Model, folder: Path | None, name: str) -> LanguageModel:
    """Return the model of a folder, or of the hub where that is None, called `name`."""
    where = model.name if folder is None else str(folder)
    if folder is not None:
        check_folder(folder)
    origin = {"revision": model.revision, "trust_remote_code": model.trust_remote_code}
    with explained(where, "open"):
        config, tokenizer = _config_and_tokenizer(where, folder_state(Path(where)), *origin.values())
    device, dtype = model.placement()

    def load() -> Any:
        hide_progress_bars()
        with explained(where, "load the weights of", config), without_gc():
            module, info = auto_class(config).from_pretrained(where, dtype=dtype, output_loading_info=True, **origin)
            return check_weights(where, module, info).eval().to(device)

    def hash_weights() -> str:
        # A hub commit never changes: its hash identifies the weights without reading them.
        return f"{where}@{config._commit_hash}" if folder is None else folder_hash(folder)

    return LanguageModel(name, config, tokenizer, hash_weights, load, dtype, device, origin={"model": where, **origin})
