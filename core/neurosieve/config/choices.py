"""The model that a caller in Python asks for, by name or as it is."""

from pathlib import Path
from typing import Any

from neurosieve.models.loading import LanguageModel, Model, hand_over

__all__ = ["handed_over", "model_choice"]


def model_choice(model: Any, tokenizer: Any = None) -> Any:
    """Return a model as `Command.from_python` takes it: the name of a preset as it is, any other ready to be opened."""
    preset = isinstance(model, str) and "/" not in model and not Path(model).exists()
    return model if model is None or preset else handed_over(model, tokenizer)


def handed_over(model: Any, tokenizer: Any = None) -> Model | LanguageModel:
    """Return how to open the model that a name stands for; a loaded model as it is to be read."""
    if isinstance(model, str):
        model = Model(model)
    return model if isinstance(model, Model) else hand_over(model, tokenizer)
