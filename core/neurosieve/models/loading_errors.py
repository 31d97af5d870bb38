"""Why a model cannot be loaded: each cause that is known, with what helps, in one message."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neurosieve.errors import ModelError
from neurosieve.wording import plural

__all__ = ["check_folder", "check_handed_over", "check_head", "check_weights", "explained"]

_ADAPTER = "adapter_config.json"


@contextmanager
def explained(where: str, doing: str, config: Any = None, wanted: str = "that writes text") -> Iterator[None]:
    """Turn the errors of loading into a ModelError that says what failed, why, and what helps.

    `config` is the model's, once that is known. `wanted` says what kind of model it should be.
    """
    from safetensors import SafetensorError

    try:
        yield
    # What transformers and safetensors raise for a model that they cannot load. None is swallowed: each becomes a
    # message with its cause attached; anything else is a bug, and goes on as it is.
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, NotImplementedError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0]
        raise ModelError(f"cannot {doing} `{where}` ({reason}); {_advice(where, error, config, wanted)}") from error


def _advice(where: str, error: Exception, config: Any, wanted: str) -> str:
    from safetensors import SafetensorError

    text = str(error)
    quantized = getattr(config, "quantization_config", None)
    if isinstance(error, ImportError):
        what = f"its weights are quantized (`{_method(quantized)}`)" if quantized else "it needs a package"
        other = ", or take the model that is not quantized" if quantized else ""
        return f"{what}: install the package that is named here{other}"
    if "trust_remote_code" in text or "custom code" in text:
        return (
            "it comes with Python code of its own, which is not run unasked: read that code, and give "
            "`model.trust_remote_code=true` if you trust it (a detector runs no such code)"
        )
    if "does not recognize this architecture" in text:
        return "install a transformers that knows it (`pip install -U transformers`), or take another model"
    if "Unrecognized configuration class" in text:
        other = "take a causal language model" if wanted == "that writes text" else "take one that does"
        return f"it is not a model {wanted}: {other}"
    if "model.safetensors" in text and (file := _unsafe_weights(where, text)):
        return (
            f"its weights are a pickle (`{file}`), which may run code as it is read: save the model again as "
            "safetensors (`save_pretrained`)"
        )
    if isinstance(error, SafetensorError):
        return "a file of its weights is damaged or cut off: copy or download it again"
    if quantized and isinstance(error, RuntimeError | ValueError):
        how = f"its weights are quantized (`{_method(quantized)}`), which may need a GPU"
        return f"{how}: take one, or the model that is not quantized"
    if isinstance(error, RuntimeError):
        return "its config does not fit its weights, or they do not fit into memory: check both"
    if Path(where).is_dir():
        return f"the folder `{where}` must hold what `save_pretrained` of a model and of its tokenizer write"
    return "it is not a folder here, and the Hugging Face hub did not have it or was not reached: check the name"


def _unsafe_weights(where: str, text: str) -> str:
    """Return the name of the file of weights that a model has in place of safetensors; empty where it has none."""
    if Path(where).is_dir():
        return next((file.name for file in sorted(Path(where).glob("pytorch_model*.bin"))), "")
    return "pytorch_model.bin" if "pytorch_model.bin" in text else ""


def _method(quantization: Any) -> str:
    """Return how weights are quantized, of what a config says of it: `gptq`, `bitsandbytes`."""
    fields = quantization if isinstance(quantization, Mapping) else vars(quantization)
    method = fields.get("quant_method", "unknown")
    return str(getattr(method, "value", method))


def check_folder(folder: Path) -> None:
    """Make sure that a folder holds a model, and not what is to be added to one.

    Raises:
        ModelError: it holds an adapter, such as LoRA's, with a model or without.
    """
    try:
        adapter = json.loads((folder / _ADAPTER).read_text(encoding="utf-8"))
        kind, base = str(adapter.get("peft_type", "PEFT")), adapter.get("base_model_name_or_path")
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"`{folder / _ADAPTER}` cannot be read ({error}): it should describe an adapter") from error
    whole = any(folder.glob("model*.safetensors")) or any(folder.glob("pytorch_model*.bin"))
    holds = "holds a whole model and" if whole else "is not a model: it holds"
    advice = f", or remove `{_ADAPTER}` if the model is merged already" if whole else ""
    raise ModelError(
        f"`{folder}` {holds} an adapter ({kind}) of `{base or 'a model that it does not name'}`: merge the two with "
        f"the package peft, save the result, and give its folder (`PeftModel.from_pretrained(model, {str(folder)!r})"
        f".merge_and_unload().save_pretrained(...)`, and the tokenizer's `save_pretrained`){advice}"
    )


def check_weights(where: str, model: Any, info: Mapping[str, Any]) -> Any:
    """Return a model that was loaded, without the head where its files have none.

    What its files do not hold, transformers fills with random numbers.

    Raises:
        ModelError: other weights than those of the head are missing.
    """
    missing = sorted(info["missing_keys"])
    if not missing:
        return model
    prefix = f"{model.base_model_prefix}."
    inside = [name for name in missing if name.startswith(prefix)]
    if inside or model.base_model is model:
        lacking, surplus = inside or missing, sorted(info["unexpected_keys"])
        other = f"; its files hold others that have no place in it, such as `{surplus[0]}`" if surplus else ""
        raise ModelError(
            f"the weights of `{where}` are not whole: {plural(len(lacking), 'tensor')} of {type(model).__name__} are "
            f"missing in its files, such as `{lacking[0]}`, and would be random numbers{other}: save the model again, "
            "or give the config that belongs to its weights"
        )
    return model.base_model


def check_head(where: str, model: Any, info: Mapping[str, Any]) -> None:
    """Make sure that a model that classifies texts was trained to: what its files lack is filled with random numbers.

    Raises:
        ModelError: weights are missing.
    """
    missing = sorted(info["missing_keys"])
    if not missing:
        return
    prefix = f"{model.base_model_prefix}."
    head = [name for name in missing if not name.startswith(prefix)]
    what = "has no trained head that classifies texts" if head else "has not all of its weights"
    saved_as = next(iter(model.config.architectures or ()), "")
    own = f"; its config says that it was saved as {saved_as}" if saved_as not in ("", type(model).__name__) else ""
    raise ModelError(
        f"`{where}` {what}: {plural(len(head or missing), 'tensor')} of {type(model).__name__} "
        f"{'is' if len(head or missing) == 1 else 'are'} missing in its files, such as `{(head or missing)[0]}`, and "
        f"would be random numbers{own}: give a model that was trained to classify texts, and saved whole"
    )


def check_handed_over(model: Any) -> None:
    """Make sure that a model that the user has loaded can be read.

    Raises:
        ModelError: it is wrapped by peft, or its weights hold no numbers.
    """
    if type(model).__module__.partition(".")[0] == "peft":
        raise ModelError(
            f"the model is a {type(model).__name__}, whose adapter peft has put around it: hand over "
            "`model.merge_and_unload()`"
        )
    tensors = [*model.parameters(), *model.buffers()]
    empty = sum(tensor.is_meta for tensor in tensors)
    if empty:
        offloaded = bool(getattr(model, "hf_device_map", None))
        advice = (
            "accelerate keeps them elsewhere (`device_map`): load the model without `device_map`, or with one that "
            "has room for all of it"
            if offloaded
            else "load its weights, as `from_pretrained` does"
        )
        raise ModelError(
            f"{empty:,} of {plural(len(tensors), 'tensor')} of the model hold no numbers (they are on the device "
            f"`meta`): {advice}"
        )
