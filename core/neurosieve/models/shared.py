"""One opened model for all parts of a process that read the same: its weights are in memory once."""

import dataclasses
import weakref
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from neurosieve.models.fingerprints import folder_state
from neurosieve.models.loading import LanguageModel, Model, open_model

__all__ = ["place_of", "shared_model"]

_OPENED: "weakref.WeakValueDictionary[Any, LanguageModel]" = weakref.WeakValueDictionary()
"""The models that somebody holds, by all that decides what is loaded."""
_UNLOADED: "OrderedDict[Any, LanguageModel]" = OrderedDict()
"""The last few, without weights: to open them once more takes no time."""
_AT_MOST = 4


def shared_model(model: Model) -> LanguageModel:
    """Return the model of a config: the same object to all who ask for it, for as long as one of them holds it.

    A folder that was written again since is opened anew.

    Raises:
        ModelError: it does not exist, or cannot be opened.
        ConfigError: there is no such device here.
    """
    place = place_of(model)
    if (lm := _OPENED.get(place)) is None:
        if place not in _UNLOADED:
            _UNLOADED[place] = open_model(model)
        _UNLOADED.move_to_end(place)
        if len(_UNLOADED) > _AT_MOST:
            _UNLOADED.popitem(last=False)
        lm = _OPENED[place] = _as_opened(_UNLOADED[place])
    return lm


def place_of(model: Model) -> tuple[Model, object]:
    """Return all that decides what is loaded: the model with its place, device and dtype, and the state of its folder.

    Raises:
        ConfigError: there is no such device here.
    """
    device, dtype = model.placement()
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    folder = Path(model.name)
    name = str(folder.resolve()) if folder.is_dir() else model.name
    placed: Any = {"device": str(device), "dtype": str(dtype).removeprefix("torch.")}
    return dataclasses.replace(model, name=name, **placed), folder_state(folder)


def _as_opened(unloaded: LanguageModel) -> LanguageModel:
    """Return the same model as an object of its own, which may load the weights."""
    lm = LanguageModel.__new__(LanguageModel)
    vars(lm).update(vars(unloaded))
    return lm
