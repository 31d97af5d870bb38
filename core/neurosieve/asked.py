"""What is asked of a run of `find`: checked before anything is read, and told in its record."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from neurosieve.atlas import Atlas
from neurosieve.contracts import Detector, Scorer
from neurosieve.data import Scores, Site
from neurosieve.errors import ConfigError, nearest
from neurosieve.loading import LanguageModel
from neurosieve.settings import Find

__all__ = [
    "batch_budget",
    "check_handed_over",
    "neutral",
    "ranking_scorer",
    "sites_of",
    "told_of_model",
]


def check_handed_over(detectors: Mapping[str, Any], scorers: Mapping[str, Any], folder: Path) -> None:
    """Raise unless detectors and scorers are such, and the folder is free for a run.

    Raises:
        ConfigError: they are not, or it is not.
    """
    for given, kind, what in ((detectors, Detector, "detector"), (scorers, Scorer, "scorer")):
        if not given:
            raise ConfigError(f"no {what} is given: give at least one")
        for name, one in given.items():
            if not isinstance(one, kind):
                raise ConfigError(
                    f"the {what} `{name}` is {one!r}, which is no {kind.__name__}: give an instance of one"
                )
    if (folder / "run.json").exists():
        raise ConfigError(f"`{folder}` holds a finished run already, which is not written over: give another folder")


def ranking_scorer(settings: Find, scorers: Mapping[str, Scorer[Any]]) -> str:
    """Return the name of the scorer that ranks.

    Raises:
        ConfigError: it is not among the scorers.
    """
    rank_by = settings.rank_by or next(iter(scorers))
    if rank_by not in scorers:
        raise ConfigError(f"rank_by is `{rank_by}`, which is not among the scorers: {nearest(rank_by, scorers)}")
    return rank_by


def sites_of(atlas: Atlas, layers: Sequence[int] | None, name: str) -> tuple[Site, ...]:
    """Return the sites of some layers, all by default.

    Raises:
        ConfigError: the model does not have one of them.
    """
    asked = [Site(layer, atlas.kind) for layer in sorted(set(layers or ()))]
    if layers == () or not set(asked) <= set(atlas.sites):
        raise ConfigError(f"layers is {list(layers or ())}: `{name}` has layers 0 to {len(atlas.sites) - 1}")
    return atlas.sites if layers is None else tuple(asked)


def batch_budget(tokens_per_batch: int | None, held: LanguageModel) -> int:
    """Return how many tokens go through the model at a time: those that were asked for, or the device's default."""
    return tokens_per_batch or (4096 if held.device.type == "cpu" else 32768)


def told_of_model(held: LanguageModel, atlas: Atlas, sites: Sequence[Site], neurons: int) -> dict[str, Any]:
    """Return what `run.json` says of the model: which it is, and what was read of it."""
    return {
        "name": held.name,
        "weights": held.fingerprint,
        "device": str(held.device),
        "dtype": str(held.dtype).removeprefix("torch."),
        "site": atlas.kind,
        "layers": [site.layer for site in sites],
        "neurons_per_layer": neurons,
        "neurons_per_head": atlas.head,
    }


def neutral(scored: Mapping[str, Scores], behaviours: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Return the score that tells nothing, by scorer and behaviour; None where it is not defined."""
    found = {}
    for name, scores in scored.items():
        values = torch.as_tensor(scores.neutral, dtype=torch.float64).expand(scores.value.shape[0], 1)
        numbers = values[: len(behaviours), 0].tolist()
        found[name] = dict(zip(behaviours, (None if one != one else one for one in numbers), strict=True))
    return found
