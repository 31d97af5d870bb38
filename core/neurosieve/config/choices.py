"""What a caller in Python chooses by name, where the command line has overrides."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurosieve.models.loading import LanguageModel, Model, hand_over

__all__ = ["handed_over", "is_preset", "presets"]


def presets(one: Mapping[str, Any], many: Mapping[str, Any]) -> list[str]:
    """Return the overrides for what is chosen by name; what is handed over itself has none.

    Args:
        one: what each group holds, of which one is chosen.
        many: likewise of which several are: names, one name, or plugins by name.

    >>> presets({"source": "stories", "control": None}, {"detectors": ["hedging", "doubt"], "reports": {}})
    ['source=stories', 'detectors=[hedging,doubt]']
    """
    overrides = [f"{group}={choice}" for group, choice in one.items() if isinstance(choice, str)]
    for group, choice in many.items():
        if choice is not None and not isinstance(choice, Mapping):
            overrides.append(f"{group}=[{','.join([choice] if isinstance(choice, str) else choice)}]")
    return overrides


def is_preset(model: Any) -> bool:
    """Return whether a model is asked for by the name of a preset, not by that of a hub, a folder, or itself."""
    return isinstance(model, str) and "/" not in model and not Path(model).exists()


def handed_over(model: Any, tokenizer: Any = None) -> Model | LanguageModel:
    """Return how to open the model that a name stands for; a loaded model as it is to be read."""
    if isinstance(model, str):
        model = Model(model)
    return model if isinstance(model, Model) else hand_over(model, tokenizer)
