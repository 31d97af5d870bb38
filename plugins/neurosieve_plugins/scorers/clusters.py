"""Parts of intervals that allow for dependence within groups."""

import math

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from neurosieve import Interval

__all__ = ["area_interval", "sums_by_group", "t_quantile"]


def sums_by_group(
    values: Float64[Tensor, "some neurons"], groups: Int[Tensor, "some"], among: Int[Tensor, "positions"]
) -> tuple[Float64[Tensor, "groups neurons"], Bool[Tensor, "groups"]]:
    """Return the sum of `values` over each group that is named in `among`, and which groups have a value."""
    names = torch.unique(among)
    number = torch.searchsorted(names, groups)
    sums = torch.zeros(len(names), values.shape[1], dtype=torch.float64, device=values.device)
    sums.index_add_(0, number, values)
    return sums, torch.bincount(number, minlength=len(names)) > 0


def area_interval(
    area: Float64[Tensor, "neurons"], variance: Float64[Tensor, "neurons"], confidence: float, freedom: int, groups: int
) -> Interval:
    """Return intervals of areas under the ROC curve, on the logit scale, which keeps them between 0 and 1.

    Where every pair is won, or every one lost, nothing varies: such an interval reaches to the area at which so many
    groups in a row have a chance of (1 - confidence) / 2 (Clopper and Pearson 1934). Where all pairs are ties, the area
    is 0.5 without a doubt.

    Args:
        area: the areas.
        variance: how much each varies.
        confidence: how often such an interval holds the truth.
        freedom: the degrees of freedom of the variance.
        groups: how many groups the smaller class is in.
    """
    inside = (area > 0) & (area < 1) & (variance > 0)
    spread = t_quantile(confidence, freedom) * variance.clamp(min=0).sqrt() / (area * (1 - area))
    middle = torch.logit(area)
    low, high = (torch.sigmoid(middle + side * spread).where(inside, torch.nan) for side in (-1, 1))
    reach = ((1 - confidence) / 2) ** (1 / groups) if groups > 1 else math.nan
    tied = 0.5 if groups > 1 else math.nan
    for still, ends in (
        (area == 1, (reach, 1.0)),
        (area == 0, (0.0, 1 - reach)),
        ((area == 0.5) & (variance == 0), (tied, tied)),
    ):
        low, high = (side.masked_fill(still, end) for side, end in zip((low, high), ends, strict=True))
    return Interval(low, high)


def t_quantile(confidence: float, freedom: int) -> float:
    """Return how many standard errors a two-sided interval reaches; nan without a degree of freedom."""
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, freedom)) if freedom > 0 else math.nan
