"""How far the tokens of a document are from a behaviour."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["tokens_from"]


def tokens_from(spans: Sequence[range], tokens: int) -> npt.NDArray[np.float64]:
    """Return how far each of a document's `tokens` tokens is from the nearest span: 0 within one, inf without any.

    >>> tokens_from([range(2, 4)], 6)
    array([2., 1., 0., 0., 1., 2.])
    """
    taken = np.unique(np.concatenate([np.empty(0), *(np.asarray(span, dtype=np.float64) for span in spans)]))
    bounded = np.concatenate([[-np.inf], taken, [np.inf]])
    at = np.arange(tokens, dtype=np.float64)
    following = np.searchsorted(bounded, at)
    away: npt.NDArray[np.float64] = np.minimum(at - bounded[following - 1], bounded[following] - at)
    return away
