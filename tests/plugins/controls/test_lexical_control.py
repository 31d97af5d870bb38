from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import Present, TokenizedDocument
from neurosieve_plugins.controls.lexical import Lexical


def a_document(token_ids: list[int], usable: list[bool] | None = None) -> TokenizedDocument:
    n = len(token_ids)
    return TokenizedDocument(
        id="a",
        group="a",
        text="x" * n,
        token_ids=np.array(token_ids, dtype=np.int64),
        starts=np.arange(n),
        ends=np.arange(n) + 1,
        usable=np.ones(n, dtype=bool) if usable is None else np.array(usable, dtype=bool),
        relative=np.linspace(0, 1, n),
    )


def a_present(anchor_token_ids: list[int], spans: list[range] | None = None) -> Present:
    spans = spans or []
    onsets = [span.start for span in spans]
    return Present(spans, onsets, np.array(anchor_token_ids, dtype=np.int64), np.zeros(len(anchor_token_ids)))


tokens = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=60)
onsets = st.lists(st.integers(0, 7), max_size=20)


@given(tokens, onsets, st.integers(0, 59), st.integers(0, 5), st.integers(0, 70), st.integers(0, 2**32))
def test_it_chooses_as_many_onset_words_outside_the_spans_as_asked_or_all_there_are(
    tokens: list[tuple[int, bool]], onset_ids: list[int], start: int, length: int, count: int, seed: int
) -> None:
    document = a_document([token for token, _ in tokens], [usable for _, usable in tokens])
    span = range(min(start, len(tokens)), min(start + length, len(tokens)))
    chosen = Lexical().choose(document, a_present(onset_ids, [span]), count, np.random.default_rng(seed))
    allowed = {i for i, (token, usable) in enumerate(tokens) if usable and token in onset_ids and i not in span}
    assert len(set(chosen)) == len(chosen) == min(count, len(allowed))
    assert set(chosen) <= allowed


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 60), st.integers(0, 2**32))
def test_the_words_are_as_frequent_as_at_the_onsets_to_within_one_where_there_are_enough(
    onset_ids: list[int], count: int, seed: int
) -> None:
    document = a_document([token for token in range(6) for _ in range(60)])
    chosen = Lexical().choose(document, a_present(onset_ids), count, np.random.default_rng(seed))
    drawn = Counter(document.token_ids[chosen].tolist())
    for token, times in Counter(onset_ids).items():
        assert abs(drawn[token] - count * times / len(onset_ids)) < 1


@given(st.integers(0, 2**32))
def test_what_a_rare_word_cannot_give_is_not_made_up_for_with_others(seed: int) -> None:
    document = a_document([1] * 3 + [2] * 50 + [3] * 50)
    # Half of the onsets are token 1, of which there are three; the other half of the 30 are two to one.
    onset_ids = [1] * 6 + [2] * 4 + [3] * 2
    chosen = Lexical().choose(document, a_present(onset_ids), 30, np.random.default_rng(seed))
    assert Counter(document.token_ids[chosen].tolist()) == {1: 3, 2: 10, 3: 5}


def test_a_rare_word_has_its_share_over_many_documents_of_one_control_each() -> None:
    document, rng = a_document([1, 2] * 10), np.random.default_rng(0)
    drawn = [document.token_ids[Lexical().choose(document, a_present([1] * 9 + [2]), 1, rng)[0]] for _ in range(4000)]
    assert drawn.count(2) / 4000 == pytest.approx(0.1, abs=0.02)


def test_each_place_of_a_word_is_as_likely_as_any_other() -> None:
    document, rng, counts = a_document([1] * 8), np.random.default_rng(0), np.zeros(8)
    for _ in range(4000):
        counts[Lexical().choose(document, a_present([1]), 2, rng)] += 1
    assert counts / 4000 == pytest.approx(np.full(8, 0.25), abs=0.03)


def test_a_document_without_the_words_offers_nothing() -> None:
    assert Lexical().choose(a_document([1, 2, 3]), a_present([4]), 5, np.random.default_rng(0)) == []
    assert Lexical().choose(a_document([1, 2, 3]), a_present([]), 5, np.random.default_rng(0)) == []
