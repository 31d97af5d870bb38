import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import ConfigError, Present, TokenizedDocument, token_kinds
from neurosieve_plugins.controls.distant import Distant


def a_document(usable: list[bool]) -> TokenizedDocument:
    n = len(usable)
    return TokenizedDocument(
        id="a",
        group="a",
        text="x" * n,
        token_ids=np.zeros(n, dtype=np.int64),
        starts=np.arange(n),
        ends=np.arange(n) + 1,
        usable=np.array(usable, dtype=bool),
        relative=np.linspace(0, 1, n),
    )


def a_present(spans: list[range]) -> Present:
    onsets = [span.start for span in spans]
    return Present(spans, onsets, np.zeros(len(onsets), dtype=np.int64), np.zeros(len(onsets)))


@st.composite
def documents_with_spans(draw: st.DrawFn) -> tuple[TokenizedDocument, Present]:
    usable = draw(st.lists(st.booleans(), min_size=1, max_size=60))
    starts = draw(st.lists(st.integers(0, len(usable) - 1), max_size=3))
    spans = [range(start, min(start + draw(st.integers(1, 6)), len(usable))) for start in starts]
    return a_document(usable), a_present(spans)


def is_far(token: int, spans: list[range], tokens: int) -> bool:
    return all(abs(token - taken) >= tokens for span in spans for taken in span)


@given(documents_with_spans(), st.integers(0, 70), st.integers(1, 12), st.integers(0, 2**32))
def test_it_chooses_as_many_far_usable_tokens_as_asked_or_all_there_are(
    document_and_present: tuple[TokenizedDocument, Present], count: int, tokens: int, seed: int
) -> None:
    document, present = document_and_present
    chosen = Distant(tokens).choose(document, present, count, np.random.default_rng(seed))
    far = {i for i in np.flatnonzero(document.usable).tolist() if is_far(i, list(present.here), tokens)}
    assert len(set(chosen)) == len(chosen) == min(count, len(far))
    assert set(chosen) <= far


def test_a_document_without_the_behaviour_offers_every_usable_token() -> None:
    document = a_document([False, True, True, False, True])
    assert Distant().choose(document, a_present([]), 9, np.random.default_rng(0)) == [1, 2, 4]


def test_the_tokens_around_a_span_are_left_out_on_either_side() -> None:
    chosen = Distant(tokens=2).choose(a_document([True] * 9), a_present([range(3, 5)]), 9, np.random.default_rng(0))
    assert chosen == [0, 1, 6, 7, 8]


def test_every_far_token_is_as_likely_as_any_other() -> None:
    rng, counts = np.random.default_rng(0), np.zeros(20)
    for _ in range(4000):
        counts[Distant(tokens=5).choose(a_document([True] * 20), a_present([range(0, 1)]), 3, rng)] += 1
    assert (counts[:5] == 0).all()
    assert counts[5:] / 4000 == pytest.approx(np.full(15, 3 / 15), abs=0.03)


@pytest.mark.parametrize("tokens", [0, -3])
def test_a_minus_neutral_that_would_allow_tokens_within_a_span_is_refused(tokens: int) -> None:
    with pytest.raises(ConfigError, match="`tokens` of the control `distant`"):
        Distant(tokens)


def of_words(text: str, spans: list[range], anchors: list[int]) -> tuple[TokenizedDocument, Present]:
    """Return a document of one-character tokens, and what is known of a behaviour at `anchors`."""
    n = len(text)
    ids, places = np.zeros(n, dtype=np.int64), np.arange(n)
    document = TokenizedDocument("a", "a", text, ids, places, places + 1, np.ones(n, dtype=bool), np.linspace(0, 1, n))
    own = [span.start for span in spans]
    known = Present(spans, own, ids[anchors], np.zeros(len(anchors)), own, token_kinds(document)[anchors])
    return document, known


@given(st.text("ab 1.\n", min_size=40, max_size=80), st.integers(1, 30), st.integers(0, 2**32))
def test_controls_are_of_the_kinds_of_the_onsets_in_the_same_shares(text: str, count: int, seed: int) -> None:
    anchors = list(range(0, len(text), 7))
    document, present = of_words(text, [], anchors)
    kinds = token_kinds(document)
    chosen = Distant().choose(document, present, count, np.random.default_rng(seed))
    for kind in range(8):
        share, there_are = np.mean(kinds[anchors] == kind), int(np.sum(kinds == kind))
        drawn = int(np.sum(kinds[chosen] == kind))
        assert min(np.floor(count * share + 1e-9), there_are) <= drawn <= min(np.ceil(count * share - 1e-9), there_are)


def test_where_the_behaviour_shows_its_own_onsets_in_this_text_decide() -> None:
    document, present = of_words("ab 1, cd 2, ef 3, gh 4, ij 5", [range(0, 1)], [3])
    chosen = Distant(tokens=1).choose(document, present, 9, np.random.default_rng(0))
    assert [document.text[token] for token in chosen] == []  # No other sentence starts here.
    document, present = of_words("ab 1, cd 2, ef 3, gh 4, ij 5", [range(3, 4)], [0])
    chosen = Distant(tokens=1).choose(document, present, 9, np.random.default_rng(0))
    assert [document.text[token] for token in chosen] == ["2", "3", "4", "5"]


def test_any_tokens_are_taken_where_that_is_asked_for() -> None:
    document, present = of_words("ab 1, cd 2", [range(3, 4)], [3])
    chosen = Distant(tokens=1, same_kind=False).choose(document, present, 99, np.random.default_rng(0))
    assert chosen == [0, 1, 2, 4, 5, 6, 7, 8, 9]
