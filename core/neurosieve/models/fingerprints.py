"""Hashes that identify the weights of a model."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import xxhash

from neurosieve.disk import computed_once

__all__ = ["folder_hash", "folder_state", "weights_hash"]

_SETTLED = 2.0
"""Seconds: a younger file could be written again within one tick of the file system's clock."""


def folder_hash(folder: Path) -> str:
    """Return the hash of the files of a saved model.

    It is cached for as long as the files do not change: reading many gigabytes takes longer than a run's start.
    """
    files = sorted(file for pattern in ("*.safetensors", "*.bin", "config.json") for file in folder.glob(pattern))
    if (state := _state(files)) is None:
        return _files_hash(files)
    return str(computed_once("fingerprints", [str(folder.resolve()), state], lambda: _files_hash(files)))


def folder_state(folder: Path) -> object:
    """Return what changes when a file of a folder does, also while it is written; None if there is no such folder."""
    if not folder.is_dir():
        return None
    return _state(sorted(file for file in folder.iterdir() if file.is_file())) or time.time_ns()


def _state(files: Sequence[Path]) -> tuple[tuple[str | int, ...], ...] | None:
    """Return the size and times of files; None where one is so young that it may change and these stay the same."""
    stats = [file.stat() for file in files]
    if any(max(stat.st_mtime, stat.st_ctime) > time.time() - _SETTLED for stat in stats):
        return None
    # The time of change too: copying over a file may keep its size and its time of modification.
    return tuple(
        (file.name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)
        for file, stat in zip(files, stats, strict=True)
    )


def _files_hash(files: Sequence[Path]) -> str:
    digest = xxhash.xxh3_128()
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 24):
                digest.update(chunk)
    return digest.hexdigest()


def weights_hash(module: Any) -> str:
    """Return the hash of the weights, and the config, of a loaded model."""
    digest = xxhash.xxh3_128(repr(sorted(module.config.to_dict().items(), key=str)).encode())
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        for part in _parts(value):
            digest.update(part)
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[Any]:
    """Yield the bytes of what a model keeps under a name: a tensor, or several and settings in quantized modules."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)
    elif not isinstance(value, torch.Tensor):
        yield repr(value).encode()
    elif value.is_quantized:
        yield repr((value.dtype, value.qscheme())).encode()
        scales = (
            [value.q_per_channel_scales(), value.q_per_channel_zero_points()]
            if "channel" in str(value.qscheme())
            else [value.q_scale(), value.q_zero_point()]
        )
        yield from _parts([value.int_repr(), *scales])
    else:
        yield value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
