"""Warnings about the texts of a ranking."""

import pandas as pd

from neurosieve.pipeline.cautions import uneven_parts
from neurosieve.texts.settings import Selection


def units(**parts):
    lines = [
        {"group": f"{part}{group}", "part": part}
        for part, sizes in parts.items()
        for group, size in enumerate(sizes)
        for _ in range(size)
    ]
    return pd.DataFrame(lines)


def test_large_groups_that_are_all_held_out_are_told_with_the_numbers():
    [warning] = uneven_parts("a", units(ranking=[1] * 30, heldout=[50, 50, *[1] * 28]), Selection(unit="completion"))
    assert warning == (
        "`a`: the ranking part has 30 of 158 completions, and 30 of 60 groups: whole groups are held out, and the "
        "largest has 50; another `seed` splits them otherwise"
    )


def test_parts_as_large_as_asked_for_are_not_told():
    assert (
        uneven_parts("a", units(ranking=[50, *[1] * 29], heldout=[50, *[1] * 29]), Selection(unit="completion")) == []
    )
    fifth = Selection(unit="completion", held_out_fraction=0.2)
    assert uneven_parts("a", units(ranking=[1] * 8, heldout=[1, 1]), fifth) == []
    alone = Selection(unit="completion", held_out_fraction=0.0)
    assert uneven_parts("a", units(ranking=[1, 9]), alone) == []
