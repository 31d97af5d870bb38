"""How long a text a model was made for, and what it does with a longer one."""

from typing import Any, NamedTuple

__all__ = ["Context", "context_of"]

_NAMES = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length", "n_ctx")
"""What configs call the longest text that a model was trained on, the most usual name first."""
_SWITCHING = ("dynamic", "longrope")
"""The kinds of rotary positions that turn otherwise for the whole batch once one of its texts is long."""


class Context(NamedTuple):
    """The lengths of text, in tokens, at which a model's readings change their meaning."""

    made_for: int | None
    """Positions behind so many are of a kind that the model was not trained on; None where its config gives none."""
    switches_at: int | None = None
    """Where one text of a batch is longer, the model turns the positions of the whole batch otherwise."""


def context_of(config: Any) -> Context:
    """Return what a model's config says of the length of its texts.

    Positions that are stretched (`rope_parameters` with a `factor`) count as those that the model was made for.

    >>> from types import SimpleNamespace
    >>> stretched = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}
    >>> context_of(SimpleNamespace(max_position_embeddings=40_960, rope_parameters=stretched))
    Context(made_for=131072, switches_at=None)
    """
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    lengths = [value for name in _NAMES if isinstance(value := getattr(text, name, None), int) and value > 0]
    if not lengths:
        return Context(None)
    made_for, switches_at = lengths[0], None
    for rotary in _rotary(getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None)):
        kind = rotary.get("rope_type", rotary.get("type"))
        original = rotary.get("original_max_position_embeddings") or getattr(
            text, "original_max_position_embeddings", None
        )
        if kind in _SWITCHING:
            switches_at = original or made_for
        elif isinstance(original, int) and isinstance(factor := rotary.get("factor"), int | float):
            made_for = max(made_for, int(original * factor))
    return Context(made_for, switches_at)


def _rotary(parameters: Any) -> list[dict[str, Any]]:
    """Return the parameters of rotary positions: those of the whole model, or those of each kind of layer."""
    if not isinstance(parameters, dict):
        return []
    nested = [value for value in parameters.values() if isinstance(value, dict)]
    return nested or [parameters]
