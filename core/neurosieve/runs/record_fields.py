"""What `run.json` holds: what was asked and read, with which versions, and how long each stage took."""

import dataclasses
import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, TypedDict

import pandas as pd

from neurosieve.registry import describe, installed

__all__ = ["FORMAT", "Record", "described", "positions_hash", "versions"]

FORMAT = 2
"""The version of `run.json` and of the columns of the tables; a run of another version is never read."""

_LIBRARIES = ["neurosieve", "torch", "transformers", "transformer-lens", "numpy", "scipy", "scikit-learn"]
_LIBRARIES += ["datasets", "hydra-core"]


class Record(TypedDict, total=False):
    """What `run.json` holds; which keys are there depends on the command."""

    format: int
    command: str
    warnings: list[str]
    """What may be wrong."""
    notes: list[str]
    """What is to be known, and is right."""
    counts: dict[str, Any]
    config: dict[str, Any]
    timings_seconds: dict[str, float]
    versions: dict[str, str]
    hashes: dict[str, str]
    behaviours: list[str]
    model: dict[str, Any]
    """Name, weights, device and dtype, and what was read: site, layers, neurons."""
    reading: dict[str, int]
    scorers: list[str]
    rank_by: str
    neutral: dict[str, dict[str, float | None]]
    """The score at chance level, by scorer and behaviour."""
    label_quality: dict[str, dict[str, Any]]
    """By behaviour: how good its detector was measured to be, and where."""
    null: dict[str, dict[str, Any]]
    """By behaviour: what permuted labels give."""
    neurons: list[dict[str, Any]]
    """`show`: which neurons, with their ranks."""
    documents: list[dict[str, Any]]
    """`show`: which documents."""
    mode: str
    sign: str | None
    """`ablate`: of which sign of the score the best neurons were taken; None where they were listed."""
    intervention: dict[str, Any]
    measures: dict[str, str]
    """`ablate`: each measure, and what it is in words."""
    verdicts: list[dict[str, Any]]
    """`ablate`: what each dose gives; k, strength, verdict, sentence."""
    neuron_verdicts: dict[str, int]
    """`ablate mode=each`: each verdict, and on how many neurons it is."""
    confidence: float
    """`ablate mode=each`: of the interval of each neuron, so that all hold together in 95 % of cases."""
    foretelling: dict[str, Any]
    """`ablate mode=each`: how well the ranking foretold the effects, where it ranks effects."""
    circuit: dict[str, Any]
    """`ablate mode=circuit`: the number of neurons that one half of the texts chose, the effects in each half, and
    `confirmed`: whether the other half shows them too; None where none was chosen."""
    proof: dict[str, float]
    training: dict[str, Any]
    """`learn`: what the detector was trained and measured on."""
    suggestions: dict[str, dict[str, Any]]
    """`detect suggest=phrases`: by detector, how many phrases were tried and proposed, on which texts, and `preset`,
    the file with the mended list."""
    output: str
    """`learn`: the detector's file."""
    output_hash: str
    """`learn`: the SHA-256 of that file."""
    detector_files: dict[str, dict[str, str]]
    """By behaviour and key: the SHA-256 of each file that a field of its detector names."""
    annotation: dict[str, Any]
    """`annotate`: the name of the sample and its labels; where labels were read, who labelled."""
    k: int
    """`compare`: of how many best neurons."""


def versions() -> dict[str, str]:
    """Return the versions of what the numbers of a run depend on."""
    return {"python": platform.python_version(), **{library: version(library) for library in _LIBRARIES}}


def positions_hash(positions: pd.DataFrame) -> str:
    """Return what tells a table of positions from any other."""
    # Where each unit is one token this says nothing more, and runs that were made before it was there stay the same.
    if "last_token" in positions and positions.last_token.equals(positions.token):
        positions = positions.drop(columns="last_token")
    lines = pd.util.hash_pandas_object(positions, index=False).to_numpy()
    return hashlib.sha256(lines.tobytes()).hexdigest()


def described(choices: Mapping[str, object]) -> dict[str, Any]:
    """Return what `run.json` says of choices, so that the same run can be made again.

    A registered plugin is described by the config node that builds it, settings by their fields, and what was handed
    over in Python and cannot be named by the words "handed over".
    """
    known = {plugin.cls for plugin in installed()}

    def description(choice: object) -> Any:
        if type(choice) in known:
            return describe(choice)
        if isinstance(choice, Mapping):
            return {name: description(value) for name, value in choice.items()}
        if dataclasses.is_dataclass(choice) and not isinstance(choice, type):
            return dataclasses.asdict(choice)
        return choice if choice is None or isinstance(choice, str | int | float | bool) else "handed over"

    return {name: description(choice) for name, choice in choices.items()}
