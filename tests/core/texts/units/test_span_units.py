"""Spans as units, and stretches of the same lengths as controls."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from units import Anywhere, Marked, answer, chosen, words_of

from neurosieve import DataError, Span, TokenizedDocument
from neurosieve.texts.selection import choose_positions
from neurosieve.texts.settings import Selection
from neurosieve.texts.tokens import LabelledDocument
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.controls.lexical import Lexical

FILLER = " ".join(f"w{n}" for n in range(40))


def document_of(name, spans, tokens=40, prompt=3):
    """A document of tokens of one character, the first `prompt` of them not usable."""
    made = TokenizedDocument(
        id=name,
        group=name,
        text="x" * tokens,
        token_ids=np.arange(tokens) % 7 + 100 * sum(map(ord, name)),
        starts=np.arange(tokens),
        ends=np.arange(tokens) + 1,
        usable=np.arange(tokens) >= prompt,
        relative=np.linspace(0, 1, tokens),
        completion_start=prompt,
    )
    return LabelledDocument(made, {"a": [Span(each.start, each.stop) for each in spans]}, {"a": spans})


def units_of(documents, **settings):
    selection = Selection(unit="span", held_out_fraction=0.0, **settings)
    return choose_positions(documents, ["a"], Anywhere(), selection, 0, Counter())


def test_a_span_is_one_unit_of_all_its_tokens():
    documents = [answer("1", f"{FILLER} this is WRONG I say {FILLER}"), answer("2", FILLER + " so")]
    positions, _ = chosen(documents, {"a": Marked("is WRONG I")}, unit="span")
    assert words_of(positions, 1) == ["is WRONG I"]
    assert set(map(len, positions.unit_tokens)) == {3}
    assert (positions.labels == 0).sum() == 20
    assert set(positions.table.kind) == {"span"}


def test_spans_that_share_a_token_are_one_unit_and_those_that_touch_are_two():
    positions = units_of([document_of("1", [range(5, 8), range(7, 10), range(10, 12)]), document_of("2", [])])
    present = [tokens.tolist() for tokens in positions.unit_tokens if tokens[0] < 12 and len(tokens) in (5, 2)]
    assert [5, 6, 7, 8, 9] in present
    assert [10, 11] in present


def test_a_span_that_goes_beyond_the_context_is_left_out_and_counted():
    documents = [answer("1", f"is WRONG I {FILLER}"), answer("2", "w " * 12 + "is WRONG I say")]
    positions, counts = chosen(documents, {"a": Marked("is WRONG I")}, context=16, unit="span")
    assert words_of(positions, 1) == ["is WRONG I"]
    assert counts["units_beyond_context"] == 1
    with pytest.raises(
        DataError, match=r"no span of it can be read .* \(1 span longer than .* 16 tokens\): take a model"
    ):
        chosen(documents[1:], {"a": Marked("is WRONG I")}, context=16, unit="span")


def test_where_no_stretch_is_left_it_is_said():
    with pytest.raises(DataError, match="1 span where it shows and none to compare with: give texts in which"):
        units_of([document_of("1", [range(5, 36)])])


@given(
    st.lists(st.lists(st.tuples(st.integers(3, 30), st.integers(1, 6)), max_size=3), min_size=2, max_size=6),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.integers(0, 3),
    st.randoms(),
)
def test_controls_have_the_lengths_of_spans_and_share_no_token_with_any_unit(drawn, ratio, seed, random):
    drawn = [*drawn, [(10, 2)], []]
    documents = [
        document_of(str(number), [range(start, start + length) for start, length in sorted(spans)])
        for number, spans in enumerate(drawn)
    ]
    positions = units_of(documents, controls_per_position=ratio, seed=seed)
    usable = {document.id: document.usable for document in positions.documents}
    lengths = {label: [] for label in (0, 1)}
    taken = {name: set() for name in usable}
    for document, tokens, label in zip(
        positions.document_of_row, positions.unit_tokens, positions.labels[:, 0], strict=True
    ):
        name = positions.documents[document].id
        assert usable[name][tokens].all()
        assert not taken[name] & set(tokens.tolist())
        taken[name] |= set(tokens.tolist())
        lengths[int(label)].append(len(tokens))
    assert set(lengths[0]) <= set(lengths[1])
    again = units_of(random.sample(documents, len(documents)), controls_per_position=ratio, seed=seed)
    assert again.table.equals(positions.table)


def test_where_there_is_room_controls_have_the_spans_lengths_in_their_shares():
    documents = [document_of(str(n), [range(20, 22), range(40, 47)], tokens=400) for n in range(5)]
    positions = units_of(documents, controls_per_position=5.0)
    lengths = [
        len(tokens) for tokens, label in zip(positions.unit_tokens, positions.labels[:, 0], strict=True) if not label
    ]
    assert sorted(lengths) == [2] * 25 + [7] * 25


def test_a_word_that_is_too_rare_is_not_made_up_for_by_another():
    text = "no WRONG so yes WRONG so " + "no go " * 30 + "yes go " * 2
    detectors = {"a": Marked("(?:no|yes)(?= WRONG)")}
    positions, _ = chosen([answer("1", text)], detectors, control=Lexical(), unit="span")
    assert words_of(positions, 1) == ["no", "yes"]
    assert Counter(words_of(positions, 0)) == {"no": 10, "yes": 2}


def independent_spans(rng, tokens, length=3, share=0.03):
    """Return spans of a text in which each token outside one may begin one, whatever stands before it."""
    spans, token = [], 3
    while token < tokens - length:
        if rng.random() < share:
            spans.append(range(token, token + length))
            token += length
        else:
            token += 1
    return spans


@pytest.mark.parametrize("control", [Distant(same_kind=False), Anywhere()])
def test_where_each_span_stands_on_its_own_the_tokens_before_or_behind_tell_nothing(control):
    rng = np.random.default_rng(0)
    spans = {str(n): independent_spans(rng, 200) for n in range(400)}
    documents = [document_of(name, of_document, tokens=200) for name, of_document in spans.items()]
    selection = Selection(unit="span", held_out_fraction=0.0, near_duplicates=None, controls_per_position=1.0)
    table = choose_positions(documents, ["a"], control, selection, 0, Counter()).table
    within = {name: {token for span in of_document for token in span} for name, of_document in spans.items()}
    near = np.array(
        [
            [
                not within[line.document].isdisjoint(tokens)
                for tokens in (range(line.token - 5, line.token), range(line.last_token + 1, line.last_token + 6))
            ]
            for line in table.itertuples()
        ]
    )
    present = table.label.to_numpy() == 1
    assert (near[present].mean(axis=0) > 0.1).all()
    assert (np.abs(near[present].mean(axis=0) - near[~present].mean(axis=0)) < 0.03).all()
