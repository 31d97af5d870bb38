import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosieve import ConfigError, Document, Span
from neurosieve.testing import check_detector
from neurosieve_plugins.detectors.phrases import Phrases

# Characters that fold to several (ß, İ, ŉ, ﬃ, ΐ), that others fold to, that are words or not, and apostrophes.
AWKWARD = "sSßẞi̇İIıŉnʼ’'ﬃfﬀΐι\u0308\u0301Σσς_ -.9aé\u00e9\n😀"
texts = st.one_of(st.text(alphabet=AWKWARD, max_size=40), st.text(max_size=20))
phrases = st.lists(
    st.one_of(st.text(alphabet=AWKWARD, min_size=1, max_size=4), st.text(min_size=1, max_size=3)).filter(str.strip),
    min_size=1,
    max_size=6,
)


def fold(text: str) -> str:
    return re.sub("[’‘ʼ＇]", "'", text.casefold())


def naive_scan(text: str, phrases: list[str], words: bool, begin: int = 0) -> list[tuple[int, int]]:
    """Every stretch of `text` that folds to a phrase, from left to right, the longest at each place."""
    wanted = {fold(phrase) for phrase in phrases}
    longest = max(map(len, wanted))
    found, at = [], begin
    while at < len(text):
        for end in range(min(len(text), at + longest), at, -1):
            if fold(text[at:end]) in wanted and not (words and cuts_a_word(text, at, end)):
                found.append((at, end))
                at = end
                break
        else:
            at += 1
    return found


def cuts_a_word(text: str, start: int, end: int) -> bool:
    return any(re.match(r"\w\w", text[at - 1 : at + 1]) for at in (start, end) if at)


def found(text: str, *phrases: str, words: bool = False, begin: int = 0) -> list[tuple[int, int]]:
    document = Document("a", text, "a", completion_start=begin)
    return [(span.start, span.end) for span in Phrases(phrases, words).detect(document)]


@settings(deadline=None, max_examples=500)
@given(texts, phrases, st.booleans(), st.integers(0, 10))
def test_it_finds_what_a_naive_scan_finds(text, phrases, words, begin):
    assert found(text, *phrases, words=words, begin=begin) == naive_scan(text, phrases, words, begin)


@settings(deadline=None, max_examples=200)
@given(texts, texts.filter(str.strip), texts)
def test_a_planted_phrase_is_found_in_any_case(before, phrase, after):
    for text in (phrase, phrase.casefold(), phrase.swapcase()):
        if fold(text) == fold(phrase):
            spans = found(before + text + after, phrase)
            assert any(start < len(before) + len(text) and end > len(before) for start, end in spans)


@pytest.mark.parametrize("words", [False, True])
def test_it_keeps_what_a_detector_promises(words):
    check_detector(Phrases(("wait", "that's not right", "straße", "i̇k"), words))


def test_every_occurrence_is_found_in_any_case():
    assert found("Wait. wait! WAIT? aWaited", "wait") == [(0, 4), (6, 10), (12, 16), (19, 23)]


def test_a_span_is_labelled_with_its_phrase_as_given():
    spans = Phrases(("That's NOT", "wait")).detect(Document("a", "wait, that’s not", "a"))
    assert list(spans) == [Span(0, 4, "wait"), Span(6, 16, "That's NOT")]


def test_the_first_then_the_longest_of_overlapping_phrases_is_taken():
    assert found("not sure at all", "not sure", "not sure at all", "sure at") == [(0, 15)]
    assert found("abcd", "bcd", "abc") == [(0, 3)]
    assert found("aaaaa", "aa") == [(0, 2), (2, 4)]


def test_a_longer_phrase_that_cuts_a_word_does_not_hide_a_shorter_one():
    assert found("wait actor", "wait", "wait act", words=True) == [(0, 4)]


def test_whole_words_end_where_words_end():
    assert found("await waits wait, wait_ (wait)", "wait", words=True) == [(12, 16), (25, 29)]
    assert found("hmm,no", "hmm,", words=True) == [(0, 4)], "a phrase that ends with a sign ends anywhere"


def test_offsets_are_right_behind_characters_that_fold_to_several():
    assert found("İßﬃ wait", "wait") == [(4, 8)]
    assert found("die STRASSE, die Straße", "straße") == [(4, 11), (17, 23)]


def test_half_of_a_folded_character_is_no_match():
    assert found("Maß", "mas") == []
    assert found("İ", "i") == []
    assert found("aß", "sa", "s") == []


def test_nothing_is_looked_for_before_the_completion():
    assert found("wait wait", "wait", begin=1) == [(5, 9)]
    assert found("waitwait", "waitwait", "wait", begin=4) == [(4, 8)]


def test_phrases_that_read_the_same_are_one():
    [span] = Phrases(("that’s", "That's")).detect(Document("a", "THAT'S", "a"))
    assert span.label == "that’s"


def test_thousands_of_phrases_are_found_in_one_pass():
    many = tuple(f"phrase number {number}" for number in range(5000))
    text = " ".join(f"Phrase Number {number}" for number in range(0, 5000, 7))
    assert [span.label for span in Phrases(many, words=True).detect(Document("a", text, "a"))] == [
        f"phrase number {number}" for number in range(0, 5000, 7)
    ]


@pytest.mark.parametrize(("phrases", "says"), [((), "is empty"), (("a", ""), "phrase 2"), ((" \n",), "phrase 1")])
def test_phrases_that_would_find_nothing_or_everything_are_refused(phrases, says):
    with pytest.raises(ConfigError, match=says):
        Phrases(phrases)
