"""What a run was made with, so that it can be made again."""

import hashlib
import platform
from importlib.metadata import version
from typing import Any

import pandas as pd

__all__ = ["provenance"]

_LIBRARIES = ("neurosieve", "torch", "transformers", "transformer-lens", "numpy", "scipy", "scikit-learn", "datasets", "hydra-core")


def provenance(positions: pd.DataFrame, space: str) -> dict[str, Any]:
    """Return versions, and hashes of the chosen positions and of the store's space that they were read from."""
    lines = pd.util.hash_pandas_object(positions, index=False).to_numpy()
    return {
        "versions": {"python": platform.python_version(), **{library: version(library) for library in _LIBRARIES}},
        "hashes": {"positions": hashlib.sha256(lines.tobytes()).hexdigest(), "space": space},
    }
