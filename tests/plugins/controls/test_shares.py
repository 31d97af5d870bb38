"""Draws in shares are of the candidates, once each, whatever the shares."""

import numpy as np
import pytest

from neurosieve_plugins.controls.shares import draw_in_shares


# At the first three, rounding asks for one token more of a value than there are.
@pytest.mark.parametrize("seed", [246, 987, 1092, *range(50)])
def test_no_more_tokens_of_a_value_are_drawn_than_there_are(seed):
    rng = np.random.default_rng(seed)
    values, wanted, count = rng.integers(0, 6, 20), rng.integers(0, 6, 9), int(rng.integers(8, 24))
    drawn = draw_in_shares(values, wanted, np.ones(20, dtype=bool), count, rng)
    assert len(set(drawn)) == len(drawn) <= count + 1
    assert set(values[drawn]) <= set(wanted)
