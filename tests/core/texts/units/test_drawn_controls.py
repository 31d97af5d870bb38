"""Controls of whole texts are drawn among the texts that are compared."""

from collections import Counter

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from whole_texts import answers

from neurosieve.texts.settings import Selection
from neurosieve.texts.units.comparable import comparable
from neurosieve.texts.units.drawn_controls import drawn_controls, drawn_controls_notes


def drawn(positions, null="within_groups", fields=(), **settings):
    counts, selection = Counter(), Selection(unit="completion", **settings)
    compared = comparable(positions, null, fields, Counter())
    left = drawn_controls(compared, selection, null, fields, counts)
    return left, counts, drawn_controls_notes(compared, left, selection)


def test_texts_of_groups_that_are_left_out_take_no_place_of_those_that_are_compared():
    """A rare behaviour: one of eight samples of 2 problems, and 98 problems without it."""
    problems = {f"p{n:03}": [int(n < 2), *[0] * 7] for n in range(100)}
    left, counts, notes = drawn(answers(problems))
    assert left.table.groupby("label").size().to_dict() == {0: 14, 1: 2}
    assert not counts
    assert notes == []


def test_within_groups_so_many_are_drawn_in_each_group_and_the_others_are_told():
    left, counts, notes = drawn(answers({"a": [1, *[0] * 9], "b": [1, 1, 0, 0, 0]}), controls_per_position=2.0)
    assert left.table[left.table.label == 0].group.value_counts().to_dict() == {"a": 2, "b": 3}
    assert counts == {"controls_not_drawn": 7}
    assert notes == [
        "`wrong`: 5 of 12 completions without it are compared with it, and the others were not drawn "
        "(`selection.controls_per_position=2`)"
    ]


def test_each_stratum_of_a_group_keeps_controls():
    by_sample = {"a": {"level": 1}, "b": {"level": 2}}
    positions = answers({"a": [1, 0, 0, 0], "b": [1, 0, 0, 0]}, metadata=by_sample)
    left, _, _ = drawn(positions, fields=("level",), controls_per_position=1.0)
    assert left.table[left.table.label == 0].group.tolist() == ["a", "b"]


def test_between_groups_so_many_are_drawn_in_each_part_by_the_seed():
    problems = {f"p{n:02}": [int(n % 10 == 0)] for n in range(40)}
    positions = answers(problems, held_out=[f"p{n:02}" for n in range(20, 40)])
    samples = [drawn(positions, "between_groups", controls_per_position=2.0, seed=seed)[0].table for seed in range(3)]
    for table in samples:
        assert table[table.label == 0].part.value_counts().to_dict() == {"ranking": 4, "heldout": 4}
    assert len({tuple(table.document) for table in samples}) == 3


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.lists(st.integers(0, 1), min_size=2, max_size=6), min_size=1),
    st.sampled_from([0.5, 1.0, 10.0]),
)
def test_no_present_unit_is_lost_and_groups_keep_both_kinds(problems, ratio):
    positions = answers(problems | {"z": [1, 0]})
    compared = comparable(positions, "within_groups", (), Counter())
    left, counts, _ = drawn(positions, controls_per_position=ratio)
    assert left.table[left.table.label == 1].document.tolist() == (
        compared.table[compared.table.label == 1].document.tolist()
    )
    assert len(compared.table) - len(left.table) == counts["controls_not_drawn"]
    assert left.table.groupby("group").label.nunique().eq(2).all()
    pd.testing.assert_series_equal(
        pd.Series([d.id for d in left.documents]), pd.Series(sorted(left.table.document)), check_names=False
    )
