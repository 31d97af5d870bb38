"""Sentences as units: those that a span touches against others."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from units import Marked, answer, chosen, words_of

from neurosieve import DataError
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.controls.lexical import Lexical
from neurosieve_plugins.controls.matched import Matched

OTHERS = [f"This sentence has the number {number}." for number in range(8)]


def test_a_sentence_shows_the_behaviour_where_a_span_lies_in_it():
    text = f"{OTHERS[0]} This one is WRONG, I say. {OTHERS[1]} And WRONG is this one, too WRONG."
    positions, _ = chosen([answer("1", text), answer("2", OTHERS[2])], unit="sentence")
    assert words_of(positions, 1) == ["And WRONG is this one, too WRONG.", "This one is WRONG, I say."]
    assert words_of(positions, 0) == OTHERS[:3]
    assert set(positions.table.kind) == {"sentence"}


def test_a_sentence_with_what_is_nearly_the_behaviour_is_neither():
    text = f"This one is WRONG, I say. {OTHERS[0]} This one is wrong, I think."
    positions, _ = chosen([answer("1", text), answer("2", OTHERS[2])], unit="sentence")
    assert words_of(positions, 0) == [OTHERS[0], OTHERS[2]]


def test_a_span_over_two_sentences_makes_both_show_the_behaviour():
    text = f"It is WRONG. So WRONG it is, so. {OTHERS[0]}"
    positions, _ = chosen([answer("1", text)], {"a": Marked("WRONG. So WRONG")}, unit="sentence")
    assert words_of(positions, 1) == ["It is WRONG.", "So WRONG it is, so."]


def test_sentences_of_the_prompt_are_no_units():
    positions, _ = chosen([answer("1", f"It is all WRONG. {OTHERS[0]}", prompt=OTHERS[1])], unit="sentence")
    assert words_of(positions, 0) == OTHERS[:1]


def test_a_sentence_longer_than_the_context_is_left_out_and_counted():
    documents = [answer("1", f"It is all WRONG. {OTHERS[0]} And {'so ' * 30}on."), answer("2", "so " * 30 + "WRONG.")]
    positions, counts = chosen(documents, context=16, unit="sentence")
    assert words_of(positions, 1) == ["It is all WRONG."]
    assert counts["units_beyond_context"] == 1
    with pytest.raises(DataError, match=r"no sentence of it can be read .* \(1 sentence longer than"):
        chosen([answer("2", "WRONG " + "so " * 30), answer("3", OTHERS[0])], context=16, unit="sentence")


def test_long_sentences_are_controls_no_more_often_than_short_ones():
    long = "Here is a sentence that goes on and on, and on, and on, and on, and on, and on, until it ends."
    documents = [answer(str(n), f"It is all WRONG. {long} {OTHERS[n % 8]}", prompt=f"{n}?") for n in range(300)]
    positions, _ = chosen(documents, unit="sentence", controls_per_position=1.0, near_duplicates=None)
    share = sum(text == long for text in words_of(positions, 0)) / 300
    assert 0.4 < share < 0.6


def test_the_sentences_on_both_sides_of_one_with_a_span_are_controls():
    text = " ".join([OTHERS[0], "It is all WRONG.", *OTHERS[1:]])
    positions, _ = chosen([answer("1", text)], control=Distant(), unit="sentence")
    assert words_of(positions, 0) == OTHERS


@pytest.mark.parametrize("control", [Distant(), Distant(same_kind=False), Lexical(), Matched()])
@pytest.mark.parametrize("step", [-1, 1])
def test_where_each_sentence_doubts_on_its_own_the_one_before_or_behind_tells_nothing(control, step):
    doubts = np.random.default_rng(0).random((400, 12)) < 0.3
    texts = [" ".join(f"This is {'WRONG' if doubt else 'right'} I say." for doubt in text) for text in doubts]
    documents = [answer(str(n), text, prompt=f"{n}?") for n, text in enumerate(texts)]
    table = chosen(documents, control=control, unit="sentence", near_duplicates=None)[0].table
    place = (table.token - 2) // 5 + step  # Two tokens stand before the first sentence, and each has five.
    table, place = table[place.between(0, 11)], place[place.between(0, 11)]
    beside = doubts[table.document.astype(int), place]
    difference = beside[table.label == 1].mean() - beside[table.label == 0].mean()
    by_chance = doubts[:, 1:][doubts[:, :-1]].mean() - doubts[:, 1:][~doubts[:, :-1]].mean()
    assert abs(difference - by_chance) < 0.01


@settings(max_examples=20)
@given(
    st.lists(
        st.lists(st.sampled_from([*OTHERS, "This is WRONG, I say.", "This is wrong, I say.", "No\n\n"]), max_size=8),
        max_size=5,
    ),
    st.randoms(),
)
def test_units_share_no_token_and_controls_no_span_and_the_order_of_texts_changes_nothing(drawn, random):
    documents = [answer(str(n), " ".join(sentences), prompt=f"{n}?") for n, sentences in enumerate(drawn)]
    documents += [answer("p", "It is WRONG, I say."), answer("q", OTHERS[0])]
    positions, _ = chosen(documents, unit="sentence", controls_per_position=2.0)
    taken = set()
    for document, tokens in zip(positions.document_of_row, positions.unit_tokens, strict=True):
        addresses = {(int(document), int(token)) for token in tokens}
        assert not addresses & taken
        taken |= addresses
    assert all("WRONG" in text for text in words_of(positions, 1))
    assert not any(re.search("wrong", text, re.IGNORECASE) for text in words_of(positions, 0))
    again, _ = chosen(random.sample(documents, len(documents)), unit="sentence", controls_per_position=2.0)
    assert again.table.equals(positions.table)
