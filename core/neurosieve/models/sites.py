"""The kinds of site that can be read, and what is specific to each. No other file distinguishes them."""

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["KINDS", "Kind", "address_part"]


class Kind(NamedTuple):
    """A kind of place in each layer of a model."""

    hook: str
    """TransformerLens's name of it, within a layer."""
    enters: bool
    """Whether it is what enters a projection, whose weights say what each of its neurons writes to the residual stream,
    and where it is edited. If not it is what leaves a module, as wide as the residual stream and in its terms."""
    width: tuple[str, ...]
    """The numbers of TransformerLens's config whose product is its width; with two, it is in heads of the second."""
    neurons: str
    """What its neurons, the coordinates, are called."""
    lacking: str
    """Why a model may not have it, for messages."""
    norm_after: str | None = None
    """TransformerLens's name of the norm that what it writes passes on its way to the residual stream, in the
    architectures that have one."""


KINDS: Mapping[str, Kind] = {
    "mlp_post": Kind(
        "mlp.hook_post",
        True,
        ("d_mlp",),
        "MLP neurons",
        "its layers keep no plain MLP with one down projection (a mixture of experts, perhaps)",
        "ln2_post",
    ),
    "mlp_out": Kind(
        "hook_mlp_out",
        False,
        ("d_model",),
        "MLP output dimensions",
        "what its MLPs add to the residual stream is the output of no module",
    ),
    "resid_post": Kind(
        "hook_resid_post", False, ("d_model",), "residual stream dimensions", "its layers pass on no residual stream"
    ),
    "attn_z": Kind(
        "attn.hook_z",
        True,
        ("n_heads", "d_head"),
        "attention head outputs",
        "its layers keep no plain attention with one output projection",
        "ln1_post",
    ),
}
"""`mlp_post`: what enters the down projection of the MLP, after the nonlinearity. `mlp_out`: what the MLP adds to the
residual stream, so that in an architecture with a norm behind its MLP (Gemma 2 and 3) it is what leaves that norm, as
TransformerLens 4.3 has it. `resid_post`: the residual stream behind the layer. `attn_z`: what enters the output
projection of the attention, head after head; neuron `n` is coordinate `n % d_head` of head `n // d_head`."""


def address_part(kind: str) -> dict[str, str]:
    """Return the part of a content address that names a kind of site: nothing for MLP neurons.

    Stores that were written before there were other kinds are of MLP neurons, and keep their addresses.
    """
    return {} if kind == "mlp_post" else {"site": kind}
