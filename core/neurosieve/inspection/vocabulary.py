"""Which tokens a neuron promotes and suppresses: what it writes to the residual stream, seen through the unembedding.

What a neuron adds to the residual stream is its activation times its weights in the down projection (of an attention
head's output, in the output projection; a coordinate of the stream itself is its own direction), a direction that does
not depend on the text (Geva et al. 2022, "Transformer Feed-Forward Layers Build Predictions by Promoting Concepts in
the Vocabulary Space"). Read as if it were the final residual, by the logit lens (nostalgebraist 2020), it says by how
much each token's logit rises:

    logits = U (g ⊙ c(d)),    less their mean over the vocabulary, which no probability depends on

with `d` the neuron's direction, `c` the centring of a LayerNorm (nothing, for an RMSNorm), `g` the weight of the final
norm and `U` the unembedding. Where a layer's MLP output passes a norm of its own on its way to the residual stream, as
in Gemma 2 and 3, that one comes first, in the same way; so for the attention's. What is left out: the norms' division
by the size of what they normalize, a positive number that depends on the text (so that logits compare within a neuron
alone, and an order is what they give); the cap that some models put on logits, which keeps that order; and all that
later layers make of the direction.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve.data import Neuron
from neurosieve.errors import ModelError
from neurosieve.models.architectures import Atlas
from neurosieve.models.loading import LanguageModel
from neurosieve.models.output_weights import is_plain, output_weights

__all__ = ["promoted_tokens", "token_name"]

_ROWS = 32_768
"""Rows of the unembedding that are held in float32 at a time."""


def promoted_tokens(model: LanguageModel, atlas: Atlas, neurons: Sequence[Neuron], count: int) -> pd.DataFrame:
    """Return the tokens whose logits each neuron raises most and lowers most.

    Returns:
        `layer, neuron, direction, place, token_id, token, logit`: `direction` is `promotes` or `suppresses`, as a
        positive activation does (a negative one the other way round), and place 1 is moved most.

    Raises:
        ModelError: it is not known how the model's weights lead from its sites to its vocabulary.
    """
    rows = []
    with torch.inference_mode():
        for neuron, logits in _logits(model, atlas, neurons):
            for direction, sign in (("promotes", 1.0), ("suppresses", -1.0)):
                best = torch.topk(sign * logits, min(count, len(logits)))
                for place, (value, number) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True)):
                    name = token_name(model.tokenizer, number)
                    rows.append((*neuron, direction, place + 1, number, name, sign * value))
    return pd.DataFrame(rows, columns=["layer", "neuron", "direction", "place", "token_id", "token", "logit"])


def token_name(tokenizer: Any, token_id: int) -> str:
    """Return a token as text, with the space that it begins with; bytes that are not text by the tokenizer's name."""
    name = str(tokenizer.convert_ids_to_tokens(token_id))
    text = str(tokenizer.decode([token_id]))
    if not text or "�" in text:
        return name
    # Some tokenizers drop the space that begins a text when they decode it.
    return f" {text}" if name[0] in "▁Ġ" and text[0] not in " ▁" else text


def _logits(
    model: LanguageModel, atlas: Atlas, neurons: Sequence[Neuron]
) -> Iterator[tuple[Neuron, Float[Tensor, "tokens"]]]:
    head = model.module.get_output_embeddings()
    if head is None:
        raise ModelError(
            f"the tokens that a neuron of `{model.name}` promotes are not known: the model has no LM head; load it "
            "with `AutoModelForCausalLM`"
        )
    for layer, in_layer in groupby(sorted(set(neurons)), key=lambda neuron: neuron.layer):
        chosen = list(in_layer)
        written = _directions(model, atlas, layer, [neuron.neuron for neuron in chosen])
        for path in (atlas.norms_after[layer] if atlas.norms_after else None, atlas.final_norm):
            if path is not None:
                written = _through_norm(model.module.get_submodule(path), written)
        if not is_plain(head.weight) or head.weight.shape[1] != written.shape[1]:
            raise ModelError(
                f"the tokens that a neuron of `{model.name}` promotes are not known: its unembedding does not read the "
                "residual stream directly, or is quantized"
            )
        # Some unembeddings have rows for no token, to fill them up to a round number.
        rows = head.weight[: len(model.tokenizer)]
        written = written.to(rows.device)
        logits = torch.cat([written @ part.float().T for part in rows.split(_ROWS)], dim=1).cpu()
        yield from zip(chosen, logits - logits.mean(dim=1, keepdim=True), strict=True)


def _directions(model: LanguageModel, atlas: Atlas, layer: int, chosen: list[int]) -> Float[Tensor, "chosen width"]:
    """Return what each neuron writes when it is 1."""
    if not atlas.what.enters:  # It is in the stream's own terms.
        return torch.eye(atlas.neurons)[chosen]
    weights = output_weights(model, atlas, layer, "the tokens that neurons promote")
    directions: Tensor = weights[chosen].float()
    return directions


def _through_norm(norm: Any, directions: Float[Tensor, "chosen width"]) -> Float[Tensor, "chosen width"]:
    """Return what a norm lets through of some directions, but for the division by the size of what it normalizes.

    The norm itself is run, so that no architecture need be known: some weigh by `w`, some by `1 + w`. On a vector of
    mean 0 and variance 1 it gives its weight, with that vector's signs; on a constant one, nothing if it centres.
    """
    parameter = next(norm.parameters(), directions)
    width = directions.shape[1]
    half = width // 2
    # As many of one value as of another, or one more: no entry is 0, and nothing is left to normalize.
    up, down = ((width - half) / half) ** 0.5, (half / (width - half)) ** 0.5
    probe = torch.full((width,), -down)
    probe[:half] = up
    probes = torch.stack([probe, -probe, torch.ones(width), -torch.ones(width)])
    plus, minus, ones, minus_ones = norm(probes.to(parameter.device, parameter.dtype)[None])[0].float()
    weight: Tensor = (plus - minus) / 2 / probe.to(plus.device)
    centres = (ones - minus_ones).abs().max() < 0.01 * 2 * weight.abs().max()
    directions = directions.to(weight.device)
    if centres:
        directions = directions - directions.mean(dim=1, keepdim=True)
    return directions * weight
