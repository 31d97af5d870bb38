"""What is unknown of the parts is unknown of the whole where, and only where, it decides: tried with all answers.

A detector that cannot tell of some stretches stands for several that can: one for each way to decide them. What all of
these find is found, and what some of them find is unknown.
"""

from collections.abc import Callable, Iterable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from told_detectors import Told, Whole

from neurosieve import Detector, Document, sentences
from neurosieve_plugins.detectors.combined.after import After
from neurosieve_plugins.detectors.combined.all_of import AllOf
from neurosieve_plugins.detectors.combined.any_of import AnyOf
from neurosieve_plugins.detectors.combined.first import First
from neurosieve_plugins.detectors.combined.near import Near
from neurosieve_plugins.detectors.combined.without import Without

TEXT = "It is seven or so. Wait for the bus! Is it eleven then? No, it is not. We are done here."
DOCUMENT = Document("a", TEXT, "a")
SENTENCES = sentences(TEXT)

Stretch = tuple[int, int]
Rule = Callable[[Stretch, frozenset[Stretch], frozenset[Stretch]], bool]
"""Whether a span counts, by all spans of its own part and those of the other."""


def overlap(one: Stretch, other: Stretch) -> bool:
    return one[0] < other[1] and other[0] < one[1]


@st.composite
def told(draw: st.DrawFn) -> Told:
    """Draw spans and unknown stretches, none of which overlaps a span."""
    stretches = st.builds(
        lambda start, length: (start, start + length), st.integers(0, len(TEXT) - 12), st.integers(1, 12)
    )
    spans = tuple(draw(st.lists(stretches, max_size=4, unique=True)))
    unknown = tuple(draw(st.lists(stretches, max_size=3, unique=True)))
    return Told(spans, tuple(each for each in unknown if not any(overlap(each, span) for span in spans)))


def ways_to_decide(part: Told) -> Iterable[frozenset[Stretch]]:
    """Yield what the part finds, for each way to decide what it cannot tell."""
    for kept in product((True, False), repeat=len(part.unknown)):
        yield frozenset((*part.spans, *(each for each, real in zip(part.unknown, kept, strict=True) if real)))


def brute_force(of: Told, other: Told, rule: Rule) -> tuple[set[Stretch], set[Stretch]]:
    """Return what all ways to decide find, and what only some of them do."""
    ways = [
        {span for span in mine if rule(span, mine, theirs)}
        for mine in ways_to_decide(of)
        for theirs in ways_to_decide(other)
    ]
    always, sometimes = set.intersection(*ways), set.union(*ways)
    return always, {each for each in sometimes - always if not any(overlap(each, span) for span in always)}


def answers(detector: Detector) -> tuple[set[Stretch], set[Stretch]]:
    spans, unknown = detector.detect(DOCUMENT), detector.near_misses(DOCUMENT)
    return {(span.start, span.end) for span in spans}, {(span.start, span.end) for span in unknown}


def sentence_of(character: int) -> int:
    return max(number for number, (start, _) in enumerate(SENTENCES) if start <= character or not number)


def near(unit: str, side: str, within: int) -> Rule:
    def before(left: Stretch, right: Stretch) -> bool:
        if left[1] > right[0]:
            return False
        if unit == "characters":
            return right[0] - left[1] <= within
        return sentence_of(right[0]) - sentence_of(left[1] - 1) <= within

    def rule(span: Stretch, _: frozenset[Stretch], others: frozenset[Stretch]) -> bool:
        ways = {
            "before": lambda other: before(span, other),
            "after": lambda other: before(other, span),
            "either": lambda other: before(span, other) or before(other, span) or overlap(span, other),
        }
        return any(ways[side](other) for other in others)

    return rule


def is_first(span: Stretch, all_of_it: frozenset[Stretch], _: frozenset[Stretch]) -> bool:
    return span == min(all_of_it, key=lambda each: (each[0], -each[1]))


def is_after_first(span: Stretch, _: frozenset[Stretch], starts: frozenset[Stretch]) -> bool:
    return any(start[1] <= span[0] for start in starts)


def is_after_last(span: Stretch, _: frozenset[Stretch], starts: frozenset[Stretch]) -> bool:
    return bool(starts) and all(start[1] <= span[0] for start in starts)


@given(told(), told())
def test_without_and_all_of_answer_as_all_ways_to_decide(of: Told, other: Told):
    assert answers(Without(of, other)) == brute_force(of, other, lambda s, _, o: not any(overlap(s, x) for x in o))
    assert answers(AllOf((of, other))) == brute_force(of, other, lambda s, _, o: any(overlap(s, x) for x in o))


@given(told(), told(), st.sampled_from(["characters", "sentences"]), st.sampled_from(["before", "after", "either"]))
def test_near_answers_as_all_ways_to_decide(of: Told, to: Told, unit, side):
    for within in (0, 1, 2, 15):
        assert answers(Near(of, to, within, unit, side)) == brute_force(of, to, near(unit, side, within))


@given(told(), told())
def test_after_answers_as_all_ways_to_decide(of: Told, start: Told):
    assert answers(After(of, start)) == brute_force(of, start, is_after_first)
    assert answers(After(of, start, "last")) == brute_force(of, start, is_after_last)


@given(told())
def test_first_answers_as_all_ways_to_decide(of: Told):
    always, sometimes = brute_force(of, Told(), is_first)
    assert answers(First(of)) == (always, sometimes)


@given(told(), told(), told())
def test_any_of_covers_the_characters_that_a_part_covers(first: Told, second: Told, third: Told):
    parts = (first, second, third)
    spans, unknown = answers(AnyOf(parts))
    known = {character for part in parts for start, end in part.spans for character in range(start, end)}
    assert {character for start, end in spans for character in range(start, end)} == known
    assert not any(overlap(one, other) for one in spans for other in spans if one != other)
    lonely = {each for part in parts for each in part.unknown if not any(overlap(each, span) for span in spans)}
    covered = {character for start, end in unknown for character in range(start, end)}
    assert not covered & known
    assert covered == {character for start, end in lonely for character in range(start, end)}


def test_what_may_show_beside_what_shows_stays_unknown():
    """(0, 10) overlaps what is found; (8, 20) does not, and is free for no control."""
    parts = Told(((0, 5),)), Told(unknown=((0, 10),)), Told(unknown=((8, 20),))
    assert answers(AnyOf(parts)) == ({(0, 5)}, {(8, 20)})


@given(told(), told(), told())
def test_a_detector_made_of_detectors_is_a_part_like_any_other(of: Told, near_to: Told, excluded: Told):
    inner = Near(of, near_to, 1)
    spans, unknown = answers(inner)
    flat = Told(tuple(sorted(spans)), tuple(sorted(unknown)))
    assert answers(Without(inner, excluded)) == answers(Without(flat, excluded))
    assert answers(Without(excluded, inner)) == answers(Without(excluded, flat))
    assert answers(First(inner)) == answers(First(flat))


@pytest.mark.parametrize("first", [True, None, False])
@pytest.mark.parametrize("second", [True, None, False])
def test_whole_texts_follow_the_tables_of_kleene(first: bool | None, second: bool | None):
    order = (False, None, True)
    least = order[min(order.index(first), order.index(second))]
    most = order[max(order.index(first), order.index(second))]
    less = order[min(order.index(first), 2 - order.index(second))]
    one, other, whole = Whole(first, label="wrong"), Whole(second, label="loops"), {(0, len(TEXT))}
    for detector, answer in ((AllOf((one, other)), least), (AnyOf((one, other)), most), (Without(one, other), less)):
        assert detector.whole_texts
        assert answers(detector) == (whole if answer else set(), whole if answer is None else set())
        assert {span.label for span in detector.near_misses(DOCUMENT)} <= {"no answer"}
