"""The file that a learner writes: numbers and texts alone, in safetensors. Opening one runs no code."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from neurosieve import DataError

__all__ = ["Trained", "finite", "read_trained", "write_trained"]

_T = TypeVar("_T")


class Trained(NamedTuple):
    """What a file holds."""

    record: Mapping[str, Any]
    """The learner's own settings of it."""
    tensors: Mapping[str, npt.NDArray[Any]]
    labels: tuple[str, ...]
    """The annotators' labels of the behaviour."""
    threshold: float
    about: Mapping[str, Any]


def write_trained(path: Path, kind: tuple[str, int], trained: Trained) -> None:
    """Write a safetensors file: the numbers as they are, the rest as JSON in its metadata.

    `kind` is the format's name and its version.
    """
    from safetensors.numpy import save

    name, version = kind
    record = {
        **trained.record,
        "format": name,
        "version": version,
        "labels": list(trained.labels),
        "threshold": trained.threshold,
        "about": dict(trained.about),
    }
    # One key alone: safetensors writes several in any order, and the same training is to give the same file.
    metadata = {"neurosieve": json.dumps(record, sort_keys=True, ensure_ascii=False)}
    contiguous = {key: np.ascontiguousarray(tensor) for key, tensor in trained.tensors.items()}
    path.write_bytes(save(contiguous, metadata))


def read_trained(path: Path, kind: tuple[str, int], restore: Callable[[Trained], _T]) -> _T:
    """Return what `restore` makes of a file; it raises ValueError where the parts do not fit together.

    Raises:
        DataError: the file is broken, or of another version.
    """
    from safetensors import SafetensorError, safe_open

    name, version = kind
    try:
        with safe_open(path, "numpy") as file:
            record = json.loads((file.metadata() or {})["neurosieve"])
            if record["format"] != name:
                raise ValueError(f"it is a `{record['format']}`, and not a `{name}`")
            if record["version"] != version:
                raise DataError(
                    f"{path} is of format {record['version']}, and this neurosieve reads format {version}: "
                    "train the detector again, or install the neurosieve that wrote it"
                )
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # It is no mapping.
        threshold = float(record["threshold"])
        if not 0 <= threshold <= 1:
            raise ValueError(f"the threshold {threshold}")
        return restore(Trained(record, tensors, tuple(record["labels"]), threshold, record["about"]))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is not a detector that can be read ({type(error).__name__}: {error}): train it again with "
            "`neurosieve learn`, or get the whole file"
        ) from error


def finite(value: Any) -> float:
    """Return a number of a file.

    Raises:
        ValueError: it is not one.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number")
    return float(value)
