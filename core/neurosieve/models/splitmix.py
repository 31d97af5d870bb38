"""Random bits as a function of a seed and a place, on any device.

SplitMix64 (Steele, Lea and Flood, 2014) is a generator whose n-th number can be computed directly: `mix64` of its seed
plus n times `GOLDEN`. torch has no operations on unsigned numbers, so the 64 bits are held in an int64.
"""

from jaxtyping import Int
from torch import Tensor

__all__ = ["GOLDEN", "mix64", "shift_right", "signed"]


def signed(value: int) -> int:
    """Return the int64 with the lowest 64 bits of a number."""
    return (value + 2**63) % 2**64 - 2**63


GOLDEN = signed(0x9E3779B97F4A7C15)


def mix64(value: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Return well mixed bits of each number: the finaliser of SplitMix64."""
    value = (value ^ shift_right(value, 30)) * signed(0xBF58476D1CE4E5B9)
    value = (value ^ shift_right(value, 27)) * signed(0x94D049BB133111EB)
    mixed: Int[Tensor, "..."] = value ^ shift_right(value, 31)
    return mixed


def shift_right(value: Int[Tensor, "..."], bits: int) -> Int[Tensor, "..."]:
    """Return a number shifted to the right as if it had no sign."""
    shifted: Int[Tensor, "..."] = (value >> bits) & (2 ** (64 - bits) - 1)
    return shifted
