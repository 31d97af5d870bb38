"""Whether a model gives probabilities of tokens."""

from neurosieve.errors import ModelError
from neurosieve.models.loading import LanguageModel

__all__ = ["check_head"]


def check_head(model: LanguageModel) -> None:
    """Raise unless a model gives probabilities of tokens, which an edit could change; its weights are loaded.

    Raises:
        ModelError: it ends with its last layer.
    """
    if model.has_no_head or model.module.get_output_embeddings() is None:
        raise ModelError(
            f"`{model.name}` has no LM head, and gives no probabilities of tokens that an edit could change: load it "
            "with `AutoModelForCausalLM`"
        )
