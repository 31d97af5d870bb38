"""What tells the weights of one model from any others: a hash of them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import xxhash

from neurosieve.disk import computed_once

__all__ = ["folder_hash", "standing", "weights_hash"]

_SETTLED = 2.0
"""Seconds: what was written later than so long ago could be written again within one tick of the file system's clock.
"""


def folder_hash(folder: Path) -> str:
    """Return the hash of the files of a saved model.

    It is kept for as long as they stand as they were: reading many gigabytes takes longer than a run's start.
    """
    files = sorted(file for pattern in ("*.safetensors", "*.bin", "config.json") for file in folder.glob(pattern))
    if (stand := _stand(files)) is None:
        return _files_hash(files)
    return str(computed_once("fingerprints", [str(folder.resolve()), stand], lambda: _files_hash(files)))


def standing(folder: Path) -> object:
    """Return what changes when a file of a folder does, also where it is just being written; None if it is none."""
    if not folder.is_dir():
        return None
    return _stand(sorted(file for file in folder.iterdir() if file.is_file())) or time.time_ns()


def _stand(files: Sequence[Path]) -> tuple[tuple[str | int, ...], ...] | None:
    """Return how files stand; None where one was written so lately that it may change and stand the same."""
    stats = [file.stat() for file in files]
    if any(max(one.st_mtime, one.st_ctime) > time.time() - _SETTLED for one in stats):
        return None
    # The time of change too: copying over a file may keep its size and its time of modification.
    return tuple(
        (file.name, one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino, one.st_dev)
        for file, one in zip(files, stats, strict=True)
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
    named: Sequence[tuple[str, torch.Tensor]] = sorted(module.state_dict().items())
    for name, tensor in named:
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
