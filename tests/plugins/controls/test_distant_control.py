import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import ConfigError, Present, TokenizedDocument
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
