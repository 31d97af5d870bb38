"""Groups that hold right and wrong answers are compared within; the others are left out, and counted."""

import dataclasses
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from whole_texts import answers

from neurosieve import ConfigError, DataError
from neurosieve.texts.units.comparable import comparable, comparison_notes, lacking_notes, strata_of

MIXED = {"a": [1, 0, 0], "b": [1, 1, 1], "c": [0, 0], "d": [0, 1], "e": [1]}


def compared(positions, null="within_groups", fields=()):
    counts = Counter()
    return comparable(positions, null, fields, counts), counts


def test_groups_of_one_kind_are_left_out_of_the_table_the_rows_and_the_documents():
    left, counts = compared(answers(MIXED))
    assert left.table.group.unique().tolist() == ["a", "d"]
    assert [document.group for document in left.documents] == ["a", "a", "a", "d", "d"]
    assert left.labels[:, 0].tolist() == left.table.label.tolist() == [1, 0, 0, 0, 1]
    assert left.groups.tolist() == [0, 0, 0, 1, 1]
    assert (left.unit, len(left.unit_tokens)) == ("completion", 5)
    assert counts == {"groups_of_one_kind": 3, "units_in_groups_of_one_kind": 6}


def test_the_reader_is_told_how_many_groups_and_why():
    [note] = comparison_notes(answers(MIXED), "within_groups", ())
    assert note == (
        "`wrong`: 3 of 5 groups cannot be compared within, and were left out with their 6 units: 2 with the behaviour "
        "in all units, 1 with it in none (1 with one unit alone)"
    )
    assert comparison_notes(answers({"a": [1, 0]}), "within_groups", ()) == []


@pytest.mark.parametrize("null", ["within_documents", "between_groups"])
def test_other_nulls_leave_nothing_out(null):
    positions = answers(MIXED)
    left, counts = compared(positions, null)
    assert left is positions
    assert not counts
    assert comparison_notes(positions, null, ()) == []


problems = st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.integers(0, 1), min_size=1, max_size=4), min_size=1)


@given(problems=problems, held_out=st.sets(st.sampled_from("abcdefgh")))
def test_what_is_left_holds_both_kinds_in_every_group_and_loses_no_other_group(problems, held_out):
    positions = answers(problems, held_out=sorted(held_out))
    mixed = {name for name, labels in problems.items() if len(set(labels)) == 2}
    parts = {name in held_out for name in problems}
    if {name in held_out for name in mixed} < parts:
        with pytest.raises(DataError, match="cannot be compared within groups"):
            compared(positions)
        return
    left, _ = compared(positions)
    assert set(left.table.group) == mixed
    expected = positions.table[positions.table.group.isin(mixed)].reset_index(drop=True)
    pd.testing.assert_frame_equal(left.table, expected)
    of_row = [left.documents[number].id for number in left.document_of_row]
    for part, name in enumerate(("ranking", "heldout")):
        rows = left.table[left.table.part == name]
        labels = dict(
            zip(np.array(of_row)[left.labels[:, part] >= 0], left.labels[left.labels[:, part] >= 0, part], strict=True)
        )
        assert labels == dict(zip(rows.document, rows.label, strict=True))


def test_one_answer_to_each_problem_is_told_with_what_to_do():
    with pytest.raises(DataError) as told:
        compared(answers({"a": [1], "b": [0], "c": [1]}))
    assert str(told.value) == (
        "`wrong` cannot be compared within groups in the ranking part, which has 3 groups: 2 with the behaviour "
        "in all units, 1 with it in none (3 with one unit alone). Give several samples of each problem, or more "
        "problems, and see that `source.group_field` is the field that tells problems apart; or take "
        "`null=between_groups`, in which all that differs between groups, such as difficulty, counts as evidence"
    )


def test_a_held_out_part_that_loses_all_is_told():
    with pytest.raises(DataError, match="in the held-out part, which has 1 group: 1 with"):
        compared(answers({"a": [1, 0], "b": [1, 1]}, held_out=["b"]))


def test_answers_cannot_be_told_apart_at_the_end_of_one_prompt():
    with pytest.raises(DataError, match=r"1 with units that all read the same tokens\. .*selection\.unit=completion"):
        compared(answers({"a": [1, 0, 1]}, prompt_tokens=2))


def test_units_of_two_behaviours_that_start_at_one_token_stay_apart():
    """One looks in all of an answer, the other in its first half."""
    whole = answers({"a": [1, 0], "b": [1, 1]})
    half = [tokens[:3] for tokens in whole.unit_tokens]
    lines = whole.table.assign(behaviour="early", last_token=[int(tokens[-1]) for tokens in half], label=[0, 1, 0, 1])
    unused = np.full_like(whole.labels[:, :1], -1)
    early = lines.label.to_numpy(np.int8)[:, None]
    both = dataclasses.replace(
        whole,
        table=pd.concat([whole.table, lines], ignore_index=True),
        document_of_row=np.repeat(whole.document_of_row, 2),
        token_of_row=np.repeat(whole.token_of_row, 2),
        unit_tokens=tuple(tokens for pair in zip(half, whole.unit_tokens, strict=True) for tokens in pair),
        labels=np.stack(
            [
                np.concatenate([unused, whole.labels[:, :1]], axis=1).reshape(-1),
                np.concatenate([early, unused], axis=1).reshape(-1),
                np.full(8, -1, dtype=np.int8),
                np.full(8, -1, dtype=np.int8),
            ],
            axis=1,
        ),
        behaviours=("wrong", "early"),
    )
    left, _ = compared(both)
    assert left.table[left.table.behaviour == "wrong"].group.tolist() == ["a", "a"]
    assert left.table[left.table.behaviour == "early"].group.tolist() == ["a", "a", "b", "b"]
    for behaviour, length in (("wrong", 6), ("early", 3)):
        rows = np.flatnonzero(left.labels[:, left.column(behaviour)] >= 0)
        assert {len(left.unit_tokens[row]) for row in rows} == {length}
        assert (
            left.labels[rows, left.column(behaviour)].tolist()
            == left.table[left.table.behaviour == behaviour].label.tolist()
        )


def test_strata_split_groups_where_labels_are_exchanged_within_them():
    positions = answers({"a": [1, 0], "b": [1, 0]})
    levels = [{"level": 1}, {"level": 2}, {"level": 1}, {"level": 1}]
    documents = [dataclasses.replace(d, metadata=m) for d, m in zip(positions.documents, levels, strict=True)]
    positions = dataclasses.replace(positions, documents=tuple(documents))
    assert compared(positions, fields=["level"])[0].table.group.unique().tolist() == ["b"]
    with pytest.raises(
        DataError, match=r"`strata=\['level'\]` differs between the texts of one group in 1 of 2 groups"
    ):
        compared(positions, "between_groups", ["level"])


def test_a_record_without_the_field_is_in_a_stratum_of_its_own_and_a_field_of_none_is_an_error():
    metadata = {"a": {"level": "hard", "kind": 1}, "b": {"kind": 1}, "c": {"level": "hard", "kind": 2}, "d": {}}
    positions = answers({name: [1] for name in "abcd"}, metadata=metadata)
    assert len(set(strata_of(positions, ["level"]))) == 2
    assert len(set(strata_of(positions, ["level", "kind"]))) == 4
    assert strata_of(positions, []).tolist() == [0, 0, 0, 0]
    with pytest.raises(
        ConfigError, match=r"`strata` names the field `levl`, which no record has: did you mean `level`\?"
    ):
        strata_of(positions, ["levl"])
    with pytest.raises(ConfigError, match="the records of these texts have no further field"):
        strata_of(answers({"a": [1]}), ["level"])


def test_strata_take_paths_the_names_of_our_own_traces_and_values_that_read_the_same():
    metadata = {
        "a": {"problem_level": 1, "grade": {"label": "x"}},
        "b": {"problem_level": "1", "grade": {"label": "y"}},
        "c": {"level": 1.0, "grade": {"label": "x"}},
        "d": {"level": 2, "grade": {"label": "x"}},
    }
    positions = answers({name: [1] for name in "abcd"}, metadata=metadata)
    assert strata_of(positions, ["level"]).tolist() == [0, 0, 0, 1]
    assert strata_of(positions, ["grade.label"]).tolist() == [0, 1, 0, 0]
    with pytest.raises(ConfigError, match=r"the field `grade\.lable`, which no record has"):
        strata_of(positions, ["grade.lable"])


def test_texts_that_lack_a_field_of_the_strata_are_told():
    positions = answers({"a": [1, 0], "b": [1]}, metadata={"a": {"level": 3}, "b": {"kind": 1}})
    [note] = lacking_notes(positions, ["level"])
    assert note == "1 of 3 texts has no `level`: for `strata` that counts as one more value of it"
    assert lacking_notes(answers({"a": [1]}, metadata={"a": {"level": 3}}), ["level"]) == []
