import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import ConfigError, Present, TokenizedDocument, token_kinds
from neurosieve_plugins.controls.matched import Matched


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


def a_present(spans: list[range], anchor_relative: list[float]) -> Present:
    onsets = [span.start for span in spans]
    return Present(spans, onsets, np.zeros(len(anchor_relative), dtype=np.int64), np.array(anchor_relative))


@st.composite
def documents_with_spans(draw: st.DrawFn) -> tuple[TokenizedDocument, Present]:
    usable = draw(st.lists(st.booleans(), min_size=1, max_size=60))
    starts = draw(st.lists(st.integers(0, len(usable) - 1), max_size=3))
    spans = [range(start, min(start + draw(st.integers(1, 6)), len(usable))) for start in starts]
    return a_document(usable), a_present(spans, draw(st.lists(st.floats(0, 1), max_size=6)))


@given(documents_with_spans(), st.integers(0, 70), st.floats(0.01, 1), st.integers(1, 12), st.integers(min_value=0))
def test_it_chooses_as_many_far_tokens_at_like_places_as_asked_or_all_there_are(
    document_and_present: tuple[TokenizedDocument, Present], count: int, tolerance: float, tokens: int, seed: int
) -> None:
    document, present = document_and_present
    chosen = Matched(tolerance, tokens).choose(document, present, count, np.random.default_rng(seed))
    places = document.relative[list(present.onsets)] if present.onsets else present.anchor_relative
    allowed = {
        i
        for i in np.flatnonzero(document.usable).tolist()
        if all(abs(i - taken) >= tokens for span in present.here for taken in span)
        and any(abs(document.relative[i] - place) <= tolerance for place in places)
    }
    assert len(set(chosen)) == len(chosen) == min(count, len(allowed))
    assert set(chosen) <= allowed


def test_a_document_with_the_behaviour_is_matched_to_its_own_onsets() -> None:
    document, present = a_document([True] * 101), a_present([range(50, 52)], [0.1, 0.5, 0.9])
    chosen = Matched(tolerance=0.155, tokens=10).choose(document, present, 100, np.random.default_rng(0))
    assert chosen == [*range(35, 41), *range(61, 66)]


def test_a_document_without_the_behaviour_is_matched_to_the_onsets_of_the_others() -> None:
    document, present = a_document([True] * 101), a_present([], [0.1, 0.9])
    chosen = Matched(tolerance=0.025).choose(document, present, 100, np.random.default_rng(0))
    assert chosen == [*range(8, 13), *range(88, 93)]


def test_controls_are_spread_evenly_over_the_onsets() -> None:
    # 0.0 is near fewer tokens than 0.5, yet it gets as many controls.
    document, present = a_document([True] * 201), a_present([], [0.0, 0.5])
    chosen = Matched(tolerance=0.1).choose(document, present, 20, np.random.default_rng(0))
    assert sum(token < 50 for token in chosen) == 10


def test_controls_lie_as_far_into_the_completion_as_the_onsets_do_on_average() -> None:
    rng = np.random.default_rng(0)
    late = rng.beta(8, 2, size=500)
    document, present = a_document([True] * 1000), a_present([], late.tolist())
    chosen = np.concatenate(
        [document.relative[Matched(tolerance=0.05).choose(document, present, 20, rng)] for _ in range(200)]
    )
    assert np.quantile(chosen, [0.1, 0.5, 0.9]) == pytest.approx(np.quantile(late, [0.1, 0.5, 0.9]), abs=0.02)


def test_without_any_onset_anywhere_there_is_nothing_to_match() -> None:
    assert Matched().choose(a_document([True] * 9), a_present([], []), 5, np.random.default_rng(0)) == []


@pytest.mark.parametrize("tolerance", [0.0, -0.1, 1.5, float("nan")])
def test_a_tolerance_that_matches_nothing_or_means_nothing_is_refused(tolerance: float) -> None:
    with pytest.raises(ConfigError, match="`tolerance` of the control `matched`"):
        Matched(tolerance=tolerance)


def test_a_minus_neutral_that_would_allow_tokens_within_a_span_is_refused() -> None:
    with pytest.raises(ConfigError, match="`tokens` of the control `matched`"):
        Matched(tokens=0)


def test_a_control_is_of_the_kind_of_the_onset_that_it_matches() -> None:
    text = "ab 1, cd 2, ef 3, gh 4, ij 5, kl 6"
    n = len(text)
    places, ids = np.arange(n), np.zeros(n, dtype=np.int64)
    document = TokenizedDocument("a", "a", text, ids, places, places + 1, np.ones(n, dtype=bool), np.linspace(0, 1, n))
    spans = [range(9, 10)]
    present = Present(spans, [9], ids[[9]], document.relative[[9]], [9], token_kinds(document)[[9]])
    rng = np.random.default_rng
    chosen = Matched(tolerance=1.0, tokens=1).choose(document, present, 99, rng(0))
    assert [text[token] for token in chosen] == ["1", "3", "4", "5", "6"]
    everywhere = Matched(tolerance=1.0, tokens=1, same_kind=False).choose(document, present, 99, rng(0))
    assert len(everywhere) == n - 1
    elsewhere = present._replace(here=[], onsets=[], anchors=[])
    chosen = Matched(tolerance=0.2, tokens=1).choose(document, elsewhere, 99, rng(0))
    assert {text[token] for token in chosen} == {"1", "2", "3"}
