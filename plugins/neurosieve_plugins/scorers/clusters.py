"""Sums over groups: what an interval that knows groups is made from."""

import math

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

__all__ = ["sums_by_group", "t_quantile"]


def sums_by_group(
    values: Float64[Tensor, "some neurons"], groups: Int[Tensor, "some"], among: Int[Tensor, "positions"]
) -> tuple[Float64[Tensor, "groups neurons"], Bool[Tensor, "groups"]]:
    """Return the sum of `values` over each group that is named in `among`, and which groups have a value."""
    names = torch.unique(among)
    number = torch.searchsorted(names, groups)
    sums = torch.zeros(len(names), values.shape[1], dtype=torch.float64, device=values.device)
    sums.index_add_(0, number, values)
    return sums, torch.bincount(number, minlength=len(names)) > 0


def t_quantile(confidence: float, freedom: int) -> float:
    """Return how many standard errors a two-sided interval reaches; nan without a degree of freedom."""
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, freedom)) if freedom > 0 else math.nan
