"""A reading that is dear gets fewer of the chosen positions: laws, over made documents."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_selection import Anywhere, chosen, document_of, many

from neurosieve import Activation, DataError, Reading
from neurosieve.texts.positions import PARTS
from neurosieve.texts.thinning import thinned

KEYS = ["behaviour", "document", "token", "label", "part"]
LIMITS = st.one_of(st.none(), st.integers(1, 6))


@dataclass(frozen=True)
class Dear(Reading):
    """A reading of some tokens."""

    documents: int | None = None
    controls: int | None = None

    def start(self, texts):
        raise NotImplementedError


@dataclass(frozen=True)
class Free(Dear):
    """A reading of every token."""

    at_every_token: ClassVar[bool] = True


@dataclass(frozen=True)
class Editing(Dear):
    """A reading of what edits do."""

    foretells: ClassVar[str] = "mean_present"


@cache
def chosen_of_many(behaviours=("a",)):
    """The positions of the same documents, for laws that only read them."""
    return chosen(many(behaviours=behaviours), behaviours)[0]


def lines(positions):
    return set(positions.table[KEYS].itertuples(index=False, name=None))


def labelled_rows(positions):
    """Every label of the engine's rows, by what it stands for: what the table says too."""
    rows = set()
    for name in positions.behaviours:
        for part in PARTS:
            labels = positions.labels[:, positions.column(name, part)]
            for row in np.flatnonzero(labels >= 0):
                document = positions.documents[positions.document_of_row[row]]
                rows.add((name, document.id, int(positions.token_of_row[row]), int(labels[row]), part))
    return rows


@given(LIMITS, LIMITS, st.integers(0, 5))
def test_what_stays_is_a_part_of_the_positions_within_the_limits(documents, controls, seed):
    positions = chosen_of_many(("a", "b"))
    counts = Counter()
    left = thinned(positions, Dear(documents, controls), seed, counts)
    assert lines(left) <= lines(positions)
    assert labelled_rows(left) == lines(left)
    assert set(left.behaviours) == {"a", "b"}
    for (behaviour, part), rows in left.table.groupby(["behaviour", "part"]):
        present = rows[rows.label == 1]
        before = positions.table[(positions.table.behaviour == behaviour) & (positions.table.part == part)]
        showing = before[before.label == 1].document.nunique()
        assert present.document.nunique() == (showing if documents is None else min(documents, showing))
        if controls is not None:
            onsets = present.groupby("document").size()
            assert (rows[rows.label == 0].groupby("document").size() <= controls * onsets).all()
        # Of a document that stays, no onset is lost.
        of_kept = before[(before.label == 1) & before.document.isin(set(present.document))]
        assert len(present) == len(of_kept)


@given(LIMITS, LIMITS, st.integers(0, 5), st.permutations(range(24)))
def test_the_order_of_the_documents_changes_nothing(documents, controls, seed, order):
    made = many()
    positions = chosen_of_many()
    shuffled, _ = chosen([made[number] for number in order[: len(made)] if number < len(made)])
    reading = Dear(documents, controls)
    assert lines(shuffled) == lines(positions)
    assert lines(thinned(shuffled, reading, seed, Counter())) == lines(thinned(positions, reading, seed, Counter()))


def test_the_groups_and_tokens_of_rows_are_those_of_before():
    positions, _ = chosen(many())
    left = thinned(positions, Dear(2, 1), 0, Counter())

    def rows(positions):
        of_rows = positions.groups[positions.document_of_row]
        names = [positions.documents[number].group for number in positions.document_of_row]
        ids = [positions.documents[number].id for number in positions.document_of_row]
        table = {"group": names, "number": of_rows, "token_id": positions.token_ids}
        return pd.DataFrame(table, index=[ids, positions.token_of_row])

    before, after = rows(positions), rows(left)
    assert (before.loc[after.index, ["group", "token_id"]] == after[["group", "token_id"]]).all(axis=None)
    assert after.groupby("group").number.nunique().eq(1).all()
    assert after.number.nunique() == after.group.nunique()


def test_nothing_of_documents_that_show_it_is_lost_where_the_limits_are_large():
    positions, _ = chosen(many())
    counts = Counter()
    left = thinned(positions, Dear(1000, 1000), 0, counts)
    showing = set(positions.table.document[positions.table.label == 1])
    assert lines(left) == {line for line in lines(positions) if line[1] in showing}
    assert counts["documents_left_out_of_reading"] == 0


def test_nothing_is_lost_without_a_limit_but_the_first_token_which_follows_nothing():
    made = [document_of(f"d{n:02}", f"g{n}", prompt=0, a=[range(0, 1), range(20, 21)]) for n in range(12)]
    positions, _ = chosen(made, controls_per_position=30.0)
    assert (positions.table.token == 0).any()
    counts = Counter()
    left = thinned(positions, Dear(), 0, counts)
    assert lines(left) == {line for line in lines(positions) if line[2] > 0}
    assert counts["positions_at_first_token"] == len(positions.table) - len(left.table)
    assert thinned(positions, Free(), 0, Counter()) is positions
    assert thinned(positions, Activation(), 0, Counter()) is positions


def test_what_stands_behind_special_tokens_alone_is_lost_to_a_reading_of_edits():
    made = [document_of(f"d{n:02}", f"g{n}", prompt=0, a=[range(1, 2), range(20, 21)]) for n in range(12)]
    made = [replace(one, tokens=replace(one.tokens, first_editable=2)) for one in made]
    positions, _ = chosen(made, controls_per_position=30.0)
    counts = Counter()
    left = thinned(positions, Editing(), 0, counts)
    assert lines(left) == {line for line in lines(positions) if line[2] > 2}
    behind = positions.table[positions.table.token.isin([1, 2])]
    assert counts["positions_no_edit_reaches"] == (behind.label == 1).sum() == 12
    assert counts["controls_no_edit_reaches"] == (behind.label == 0).sum() > 0
    assert counts["positions_repeated"] == 11
    assert lines(thinned(positions, Dear(), 0, Counter())) == {line for line in lines(positions) if line[2] > 0}
    only = [document_of(f"d{n:02}", f"g{n}", a=[range(3, 4)]) for n in range(12)]
    only = [replace(one, tokens=replace(one.tokens, first_editable=3)) for one in only]
    with pytest.raises(DataError, match="or behind special tokens alone: nothing that can be edited stands before it"):
        thinned(chosen(only)[0], Editing(), 0, Counter())


def test_documents_that_are_left_out_are_counted():
    positions, counts = chosen(many())
    thinned(positions, Dear(documents=1), 0, counts)
    showing = positions.table[positions.table.label == 1].groupby("part").document.nunique()
    assert counts["documents_left_out_of_reading"] == (showing - 1).sum() > 0


def test_documents_of_many_groups_are_drawn_before_a_second_of_any():
    made = [document_of(f"d{n:02}", f"g{n % 4}", a=[range(20, 21)]) for n in range(40)]
    positions, _ = chosen(made, held_out_fraction=0.0)
    left = thinned(positions, Dear(documents=4), 0, Counter())
    assert left.table.group.nunique() == 4


def test_a_behaviour_that_nothing_predicts_is_named():
    made = [document_of(f"d{n:02}", f"g{n}", prompt=0, a=[range(0, 1)]) for n in range(12)]
    positions, _ = chosen(made)
    with pytest.raises(DataError, match="`a` starts at the first token of its texts alone in the ranking part"):
        thinned(positions, Dear(2, 2), 0, Counter())


def test_a_behaviour_whose_controls_are_in_other_documents_is_named():
    @dataclass(frozen=True)
    class Elsewhere(Anywhere):
        """Any token of a document that does not show the behaviour."""

        def choose(self, document, present, count, rng):
            return [] if present.here else super().choose(document, present, count, rng)

    positions, _ = chosen(many(), control=Elsewhere())
    with pytest.raises(DataError, match="`a` has no control position left in the documents of the ranking part"):
        thinned(positions, Dear(controls=2), 0, Counter())
    assert lines(thinned(positions, Dear(), 0, Counter())) == lines(positions)


@pytest.mark.parametrize("behaviour", ["a", "b"])
def test_the_positions_of_one_behaviour_are_its_own_rows_labels_and_lines(behaviour):
    positions, _ = chosen(many(behaviours=("a", "b")), ("a", "b"))
    alone = positions.of_behaviour(behaviour)
    assert alone.behaviours == (behaviour,)
    assert labelled_rows(alone) == {row for row in labelled_rows(positions) if row[0] == behaviour}
    assert lines(alone) == {line for line in lines(positions) if line[0] == behaviour}
    assert (alone.labels >= 0).any(axis=1).all()
    whole = positions.of_behaviour("a").of_behaviour("a")
    assert labelled_rows(whole) == labelled_rows(positions.of_behaviour("a"))
