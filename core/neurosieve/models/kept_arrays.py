"""What a model gave for a text, kept: in memory for this process, and in the user's cache for the next one."""

import json
from collections import OrderedDict
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

from neurosieve.disk import atomic_write, cache_folder, content_address
from neurosieve.models.loading import LanguageModel

__all__ = ["ABOUT", "SHELF", "KeptArrays"]

SHELF = "readings"
"""The folder of the cache that holds a folder for each model."""
ABOUT = "about.json"
"""The file of such a folder that says which model it is."""

_IN_MEMORY = 2**28
"""Bytes: so much is kept in memory; what was longest unused goes first."""

Array = npt.NDArray[np.float32]


class KeptArrays:
    """An array of numbers for each text that a model has read, in one folder for each model."""

    def __init__(self, what: str, model: LanguageModel) -> None:
        """`what` names the numbers, such as `log_probabilities`: the model may give others too."""
        self._about = {
            "what": what,
            "model": model.name,
            "fingerprint": model.fingerprint,
            "dtype": model.dtype_name,
            "device": model.device.type,
            "attention": getattr(model.config, "_attn_implementation", None),
            "versions": {name: version(name) for name in ("torch", "transformers")},
        }
        self.folder = cache_folder() / SHELF / content_address(self._about, default=str)

    def get(self, content: bytes) -> Array | None:
        """Return what was kept for a text; None where nothing was."""
        path = self._path(content)
        if path in _memory:
            _memory.move_to_end(path)
            return _memory[path]
        from safetensors import SafetensorError
        from safetensors.numpy import load

        with suppress(OSError, SafetensorError, KeyError):  # What is missing, or cut off, is read by the model again.
            values: Array = load(path.read_bytes())["values"]
            _memory.remember(path, values)
            return values
        return None

    def keep(self, content: bytes, values: Array) -> None:
        """Keep what a model gave for a text."""
        from safetensors.numpy import save

        path = self._path(content)
        _memory.remember(path, values)
        with suppress(OSError):  # Where the folder cannot be written, the next process reads the text again.
            if not (about := self.folder / ABOUT).is_file():
                self.folder.mkdir(parents=True, exist_ok=True)
                atomic_write(about, lambda temporary: temporary.write_text(json.dumps(self._about, default=str)))
            atomic_write(path, lambda temporary: temporary.write_bytes(save({"values": values})))

    def _path(self, content: bytes) -> Path:
        return self.folder / f"{xxhash.xxh3_128_hexdigest(content)}.safetensors"


class _Memory(OrderedDict[Path, Array]):
    """Arrays by their files, the longest unused first."""

    size = 0
    """Bytes."""

    def remember(self, path: Path, values: Array) -> None:
        """Add an array, and forget the longest unused while there are too many."""
        before = self.pop(path, None)
        self[path] = values
        self.size += values.nbytes - (0 if before is None else before.nbytes)
        while self.size > _IN_MEMORY:
            self.size -= self.popitem(last=False)[1].nbytes


_memory = _Memory()
