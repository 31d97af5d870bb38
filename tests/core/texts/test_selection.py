"""Which positions are read and which groups are held out: laws, over made documents."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from neurosieve import ConfigError, Control, DataError, Span, TokenizedDocument
from neurosieve.runs.record_fields import positions_hash
from neurosieve.texts.positions import PARTS
from neurosieve.texts.selection import Selection, choose_positions
from neurosieve.texts.tokens import LabelledDocument

WIDTH = 3
"""The characters of each token of a made document."""


@dataclass(frozen=True)
class Anywhere(Control):
    """Any usable token outside the spans."""

    def choose(self, document, present, count, rng):
        taken = {token for span in present.here for token in span}
        free = [int(token) for token in np.flatnonzero(document.usable) if token not in taken]
        return sorted(rng.choice(free, size=min(count, len(free)), replace=False).tolist()) if free else []


def document_of(name, group, tokens=40, prompt=3, **spans):
    """A document of tokens of WIDTH characters, the first `prompt` of them not usable; spans are ranges of tokens."""
    usable = np.arange(tokens) >= prompt
    made = TokenizedDocument(
        id=name,
        group=group,
        text="".join(f"{token:0{WIDTH}}" for token in range(tokens)),
        token_ids=np.arange(tokens) % 7,
        starts=np.arange(tokens) * WIDTH,
        ends=np.arange(tokens) * WIDTH + WIDTH,
        usable=usable,
        relative=np.clip((np.arange(tokens) - prompt) / (tokens - prompt - 1), 0, 1),
    )
    characters = {
        behaviour: [Span(one.start * WIDTH, one.stop * WIDTH) for one in found] for behaviour, found in spans.items()
    }
    return LabelledDocument(made, characters, spans)


def chosen(documents, behaviours=("a",), split=0, control=None, **settings):
    """The positions and what was counted; `split` is the seed of the run, `seed` that of the selection."""
    counts = Counter()
    selection = Selection(**settings)
    return choose_positions(documents, list(behaviours), control or Anywhere(), selection, split, counts), counts


def many(groups=12, behaviours=("a",), **settings):
    """Two documents a group, every other group with one span of each behaviour."""
    return [
        document_of(
            f"{group}-{number}",
            f"g{group}",
            **{one: [range(20 + 2 * at, 23 + 2 * at)] * (group % 2) for at, one in enumerate(behaviours)},
            **settings,
        )
        for group in range(groups)
        for number in range(2)
    ]


@st.composite
def corpora(draw, behaviours=("a", "b")):
    """What `built` makes documents of."""
    groups = draw(st.integers(4, 10))
    corpus = []
    for number in range(draw(st.integers(groups, 2 * groups))):
        tokens = draw(st.integers(12, 40))
        spans = {}
        for behaviour in behaviours:
            starts = draw(st.lists(st.integers(3, tokens - 3), max_size=2, unique=True))
            spans[behaviour] = [range(start, start + draw(st.integers(1, 3))) for start in sorted(starts)]
        corpus.append((f"d{number}", f"g{number % groups}", tokens, spans))
    return corpus


def built(corpus):
    return [document_of(name, group, tokens, **spans) for name, group, tokens, spans in corpus]


SETTINGS = st.fixed_dictionaries(
    {
        "at": st.sampled_from(["onset", "prediction", "window", "span", "context"]),
        "offsets": st.lists(st.integers(-4, 4), min_size=1, max_size=3).map(tuple),
        "characters": st.integers(0, 12),
        "controls_per_position": st.sampled_from([0.5, 1.0, 3.0]),
        "held_out_fraction": st.sampled_from([0.25, 0.5]),
        "seed": st.integers(0, 3),
    }
)


def chosen_or_skipped(documents, split, settings):
    try:
        return chosen(documents, ("a", "b"), split, **settings)[0]
    except (ConfigError, DataError):  # Too few: a test below each.
        assume(False)


@given(corpus=corpora(), settings=SETTINGS, split=st.integers(0, 3))
def test_positions_are_usable_and_never_present_and_control_at_once(corpus, settings, split):
    documents = built(corpus)
    positions = chosen_or_skipped(documents, split, settings)
    known = {document.tokens.id: document for document in documents}
    assert not positions.table.duplicated(["behaviour", "document", "token"]).any()
    for line in positions.table.itertuples():
        document = known[line.document]
        assert document.tokens.usable[line.token]
        if line.label == 0:
            assert not any(line.token in span for span in document.ranges[line.behaviour])


@given(corpus=corpora(), settings=SETTINGS, split=st.integers(0, 3))
def test_no_group_is_in_both_parts_and_every_behaviour_is_in_both_with_its_controls(corpus, settings, split):
    documents = built(corpus)
    table = chosen_or_skipped(documents, split, settings).table
    assert (table.groupby("group").part.nunique() == 1).all()
    for _, part in table.groupby(["behaviour", "label"]):
        assert set(part.part) == set(PARTS)


@given(corpus=corpora(), settings=SETTINGS, split=st.integers(0, 3))
def test_of_every_mixture_of_behaviours_the_share_asked_for_is_held_out_to_within_one_group(corpus, settings, split):
    documents = built(corpus)
    table = chosen_or_skipped(documents, split, settings).table
    shows = table[table.label == 1].groupby("group").behaviour.agg(lambda found: tuple(sorted(set(found))))
    parts = table.groupby("group").part.first()
    for _, groups in parts.groupby(shows.reindex(parts.index).fillna("").astype(str)):
        asked = settings["held_out_fraction"] * len(groups)
        assert abs((groups == "heldout").sum() - asked) <= 1


@given(corpus=corpora(), settings=SETTINGS, split=st.integers(0, 3), order=st.randoms())
def test_the_order_of_documents_changes_nothing(corpus, settings, split, order):
    documents = built(corpus)
    positions = chosen_or_skipped(documents, split, settings)
    shuffled = list(documents)
    order.shuffle(shuffled)
    again, _ = chosen(shuffled, ("a", "b"), split, **settings)
    pd.testing.assert_frame_equal(again.table, positions.table)
    np.testing.assert_array_equal(again.labels, positions.labels)
    np.testing.assert_array_equal(again.groups, positions.groups)


@given(corpus=corpora(), settings=SETTINGS, splits=st.lists(st.integers(0, 99), min_size=2, max_size=2))
def test_the_seed_of_the_run_changes_the_split_but_not_the_positions(corpus, settings, splits):
    documents = built(corpus)
    one, other = (chosen_or_skipped(documents, split, settings) for split in splits)
    pd.testing.assert_frame_equal(one.table.drop(columns="part"), other.table.drop(columns="part"))
    np.testing.assert_array_equal(one.token_of_row, other.token_of_row)


def test_other_seeds_draw_other_splits_and_other_controls():
    table = chosen(many())[0].table
    assert table.equals(chosen(many())[0].table)
    assert chosen(many(), split=1)[0].table.part.tolist() != table.part.tolist()
    assert chosen(many(), seed=1)[0].table.token.tolist() != table.token.tolist()


@given(corpus=corpora(), settings=SETTINGS, split=st.integers(0, 3))
def test_rows_and_labels_say_what_the_table_says(corpus, settings, split):
    documents = built(corpus)
    positions = chosen_or_skipped(documents, split, settings)
    rows = list(zip(positions.document_of_row.tolist(), positions.token_of_row.tolist(), strict=True))
    assert rows == sorted(set(rows))
    said = np.full(positions.labels.shape, -1)
    at = {(positions.documents[document].id, token): row for row, (document, token) in enumerate(rows)}
    for line in pd.concat([positions.table.assign(place=""), positions.extra]).itertuples():
        said[at[line.document, line.token], positions.column(line.behaviour, line.part, line.place)] = line.label
        document = positions.documents[positions.document_of_row[at[line.document, line.token]]]
        assert (document.id, document.group) == (line.document, line.group)
        assert document.text[line.start : line.end] == line.text == f"{line.token:0{WIDTH}}"
    np.testing.assert_array_equal(positions.labels, said)
    numbers = [(document.group, group) for document, group in zip(positions.documents, positions.groups, strict=True)]
    assert len(set(numbers)) == len(dict(numbers)) == len({group for _, group in numbers})


@given(corpus=corpora(("a",)), settings=SETTINGS)
def test_there_are_no_more_controls_than_the_ratio_asks_for(corpus, settings):
    documents = built(corpus)
    assume(any(document.ranges["a"] for document in documents))
    try:
        table = chosen(documents, **settings | {"held_out_fraction": 0.0, "negatives_per_positive_document": 0.0})[
            0
        ].table
    except (ConfigError, DataError):
        assume(False)
    counts = table.groupby("document").label.agg(present="sum", control=lambda labels: (labels == 0).sum())
    # To the nearest whole number of anchors, each of which gives a position for each offset.
    offsets = len(set(settings["offsets"])) if settings["at"] == "window" else 1
    assert (counts.control <= settings["controls_per_position"] * counts.present + offsets / 2).all()


def test_the_ratio_is_met_where_there_is_room():
    for at in ("onset", "span"):
        table = chosen(many(), at=at, controls_per_position=4.0)[0].table
        counts = table.groupby(["document", "label"]).size().unstack(fill_value=0)
        having = counts[counts[1] > 0]
        assert (having[0] == 4 * having[1]).all()
        # And documents without the behaviour give as many as those with it.
        assert (counts[counts[1] == 0][0] == 4 * having[1].iloc[0]).all()


@pytest.mark.parametrize(("share", "without"), [(0.0, 0), (0.5, 6), (1.0, 12)])
def test_so_many_documents_without_the_behaviour_give_controls(share, without):
    table = chosen(many(), negatives_per_positive_document=share, held_out_fraction=0.0)[0].table
    shows = table.groupby("document").label.max()
    assert (shows == 1).sum() == 12
    assert (shows == 0).sum() == without


def read_in(positions, document="x"):
    table = positions.table[(positions.table.document == document) & (positions.table.label == 1)]
    return table.token.tolist()


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({"at": "onset"}, [10, 20]),
        ({"at": "prediction"}, [9, 19]),
        ({"at": "span"}, [10, 11, 12, 20]),
        ({"at": "window", "offsets": (-2, 3)}, [8, 13, 18, 23]),
        ({"at": "window", "offsets": (-8, 0)}, [10, 12, 20]),  # Token 2 is in the prompt.
    ],
)
def test_positions_are_read_where_the_span_starts_before_it_and_in_it(settings, tokens):
    document = document_of("x", "gx", a=[range(10, 13), range(20, 21)])
    positions, counts = chosen([document, document_of("y", "gy", a=[])], held_out_fraction=0.0, **settings)
    assert read_in(positions) == tokens
    assert counts["positions_outside"] == (settings.get("offsets", (0,))[0] == -8)


@given(characters=st.integers(0, 60), start=st.integers(4, 30), length=st.integers(1, 4))
def test_the_context_reaches_exactly_so_many_characters(characters, start, length):
    document = document_of("x", "gx", a=[range(start, start + length)])
    other = document_of("y", "gy", a=[])
    positions, _ = chosen([document, other], held_out_fraction=0.0, at="context", characters=characters)
    first, last = start * WIDTH - characters, (start + length) * WIDTH + characters
    tokens = document.tokens
    # A character of the token lies within them.
    near = (tokens.starts < last) & (tokens.ends > first)
    assert read_in(positions) == np.flatnonzero(near & tokens.usable).tolist()


@dataclass(frozen=True)
class Told(Control):
    """Token 30, if what it is told of the behaviour is right."""

    def choose(self, document, present, count, rng):
        assert present.onsets == [span.start for span in present.here]
        np.testing.assert_array_equal(present.anchor_token_ids, np.array([10 % 7, 20 % 7, 15 % 7]))
        np.testing.assert_allclose(present.anchor_relative, (np.array([10, 20, 15]) - 3) / 36)
        return [30]


def test_a_control_is_told_of_the_onsets_here_and_everywhere():
    documents = [document_of("x", "gx", a=[range(10, 13), range(20, 21)]), document_of("y", "gy", a=[range(15, 17)])]
    table = chosen(documents, control=Told(), held_out_fraction=0.0)[0].table
    assert table[table.label == 0].token.tolist() == [30, 30]


def test_controls_are_read_at_the_same_offsets_from_their_anchors():
    documents = [document_of("x", "gx", a=[range(10, 13), range(20, 21)]), document_of("y", "gy", a=[range(15, 17)])]
    for settings, tokens in (({"at": "prediction"}, [29]), ({"at": "window", "offsets": (-2, 4)}, [28, 34])):
        table = chosen(documents, control=Told(), held_out_fraction=0.0, **settings)[0].table
        assert table[(table.label == 0) & (table.document == "x")].token.tolist() == tokens


def test_a_token_can_be_present_for_one_behaviour_and_control_for_another():
    documents = [
        document_of(f"d{n}", f"g{n}", tokens=8, a=[range(4, 5)] * (n < 4), b=[range(6, 7)] * (n >= 4)) for n in range(8)
    ]
    positions, _ = chosen(documents, ("a", "b"))
    rows = {tuple(row[:4]) for row in positions.labels.tolist()}  # The ranking's own look is first.
    assert {(1, 0, -1, -1), (0, 1, -1, -1), (-1, -1, 1, 0), (-1, -1, 0, 1)} <= rows
    # A row is of one part alone.
    assert all((row[0] == row[1] == -1) or (row[2] == row[3] == -1) for row in rows)


def test_without_heldout_all_groups_rank():
    positions, _ = chosen(many(), held_out_fraction=0.0)
    assert set(positions.table.part) == {"ranking"}
    assert (positions.labels[:, 1] == -1).all()


def test_a_behaviour_that_shows_nowhere_is_left_out_beside_one_that_shows():
    both = [replace(one, spans=one.spans | {"b": []}, ranges=one.ranges | {"b": []}) for one in many()]
    positions, _ = chosen(both, ("a", "b"))
    assert positions.behaviours == ("a",)


def test_behaviours_that_all_show_nowhere_are_an_error():
    nowhere = [replace(one, spans={"a": [], "b": []}, ranges={"a": [], "b": []}) for one in many()]
    with pytest.raises(DataError, match="no span of `a` or `b` was found in 24 documents"):
        chosen(nowhere, ("a", "b"))


def test_nothing_found_in_a_narrower_scope_names_the_scope():
    nowhere = [replace(each, spans={"a": []}, ranges={"a": []}, scopes={"a": "answer"}) for each in many()]
    with pytest.raises(DataError, match=r"24 documents: `a` looks in the answer alone; check what"):
        chosen(nowhere)


def test_a_window_beyond_the_documents_is_an_error():
    with pytest.raises(ConfigError, match=r"no position is left for `a`: with selection.at=window and offsets \[-99\]"):
        chosen(many(), at="window", offsets=(-99,))


def test_texts_that_are_all_behaviour_have_nothing_to_compare_with():
    with pytest.raises(DataError, match="`a` has 4 positions where it shows and none to compare with"):
        chosen([document_of(f"{n}", f"g{n}", a=[range(3, 40)]) for n in range(4)])


@pytest.mark.parametrize(("groups", "share"), [(1, 0.5), (3, 0.1)])
def test_too_few_groups_to_hold_out_are_an_error(groups, share):
    documents = [document_of(f"{n}", f"g{n % groups}", a=[range(20, 22)]) for n in range(6)]
    said = rf"`a` shows in {groups} group.*too few to hold out {share:.0%}.*all 6 documents .* {groups} group.*_field`"
    with pytest.raises(DataError, match=said):
        chosen(documents, held_out_fraction=share)


def test_a_behaviour_in_one_of_many_groups_asks_for_more_texts():
    documents = [document_of(f"{n}", f"g{n}", a=[range(20, 22)] if n < 1 else []) for n in range(6)]
    with pytest.raises(DataError, match=r"`a` shows in 1 group, .* for the replication: give more texts, or"):
        chosen(documents)


def test_controls_of_one_group_alone_cannot_be_held_out():
    # All but one document are too full of the behaviour to give controls.
    documents = [document_of(f"{n}", f"g{n}", a=[range(3, 40)]) for n in range(6)] + [document_of("y", "gy", a=[])]
    with pytest.raises(DataError, match="`a` has controls in 1 group, too few to hold out"):
        chosen(documents)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"at": "window", "offsets": ()}, "selection.offsets is empty"),
        ({"controls_per_position": 0.0}, "selection.controls_per_position is 0.0"),
        ({"negatives_per_positive_document": -1.0}, "selection.negatives_per_positive_document is -1.0"),
        ({"held_out_fraction": 1.0}, "selection.held_out_fraction is 1.0"),
        ({"characters": -1}, "selection.characters is -1"),
    ],
)
def test_a_selection_that_makes_no_sense_is_refused_by_the_name_of_its_field(settings, named):
    with pytest.raises(ConfigError, match=named):
        Selection(**settings)


def test_single_tokens_end_where_they_begin_and_have_the_hash_of_runs_before_they_said_so():
    table = chosen(many())[0].table
    assert (table.last_token == table.token).all()
    assert positions_hash(table) == positions_hash(table.drop(columns="last_token"))
    longer = table.assign(last_token=table.token + 1)
    assert positions_hash(longer) != positions_hash(table)
