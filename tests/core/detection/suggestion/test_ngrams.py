"""N-grams of sentences, and which of two sets uses them more: by plain loops, and by a planted phrase."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve.data import Document
from neurosieve.detection.suggestion.log_odds import weighted_log_odds
from neurosieve.detection.suggestion.ngrams import differing_ngrams, segments
from neurosieve_plugins.detectors.phrases import Phrases


def by_loops(first, second, n1, n2, prior):
    """Return the z of each n-gram of two vocabularies of counts: equations 16, 20, 22 and 23 of the paper."""
    z = {}
    for word in first.keys() | second.keys():
        a = prior * (first[word] + second[word]) / (n1 + n2)
        odds1 = (first[word] + a) / (n1 + prior - first[word] - a)
        odds2 = (second[word] + a) / (n2 + prior - second[word] - a)
        variance = 1 / (first[word] + a) + 1 / (second[word] + a)
        z[word] = (math.log(odds1) - math.log(odds2)) / math.sqrt(variance)
    return z


counts = st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2)


@given(counts.filter(lambda drawn: all(map(any, drawn.values()))), st.floats(0.1, 1e5))
def test_log_odds_are_those_of_the_formula_written_out(drawn, prior):
    first, second = ({word: pair[side] for word, pair in drawn.items()} for side in (0, 1))
    of = [np.array(list(side.values())) for side in (first, second)]
    z = weighted_log_odds(*of, sum(first.values()), sum(second.values()), prior)
    expected = by_loops(first, second, sum(first.values()), sum(second.values()), prior)
    assert z.tolist() == pytest.approx([expected[word] for word in first], rel=1e-9, abs=1e-9)


@given(counts.filter(lambda drawn: all(map(any, drawn.values()))))
def test_the_two_sets_exchanged_change_the_sign_alone(drawn):
    first, second = (np.array([pair[side] for pair in drawn.values()]) for side in (0, 1))
    forwards = weighted_log_odds(first, second, int(first.sum()), int(second.sum()))
    backwards = weighted_log_odds(second, first, int(second.sum()), int(first.sum()))
    assert forwards.tolist() == pytest.approx((-backwards).tolist(), abs=1e-9)


def test_what_both_sets_use_alike_has_no_odds_and_what_is_rare_has_small_ones():
    alike = weighted_log_odds(np.array([10]), np.array([100]), 100, 1000)
    assert alike.tolist() == pytest.approx([0.0], abs=1e-12)
    often, once = weighted_log_odds(np.array([50, 1]), np.array([0, 0]), 1000, 1000)
    assert often > 4 > 1.96 > once > 0


def test_where_there_is_one_ngram_alone_its_odds_are_undefined():
    assert math.isnan(weighted_log_odds(np.array([3]), np.array([4]), 3, 4)[0])


words = st.sampled_from(["wait", "no", "so", "2x", "it's", "maybe"])
gaps = st.sampled_from([" ", ", ", "  ", " **", ". ", " = ", "\n", "? "])
sentences = st.lists(st.tuples(words, gaps), min_size=1, max_size=12).map(
    lambda pieces: "".join(word + gap for word, gap in pieces)
)


@given(st.lists(st.tuples(sentences, st.sampled_from("xyz")), max_size=6), st.lists(sentences, max_size=6))
def test_counts_are_those_of_plain_loops(first, second):
    def count(texts):
        counted = Counter()
        for text in texts:
            for segment in segments(text):
                for start in range(len(segment.words)):
                    for end in range(start + 1, min(start + 3, len(segment.words)) + 1):
                        joined = "".join(segment.gaps[at] + segment.words[at] for at in range(start, end))
                        counted[joined.removeprefix(segment.gaps[start]), end - start] += 1
        return counted

    texts, groups = [text for text, _ in first], [group for _, group in first]
    ngrams = differing_ngrams(texts, second, groups, longest=3, min_groups=2)
    ours, theirs = count(texts), count(second)
    held_by = {key: {group for text, group in first if key in count([text])} for key in ours}
    frequent = {key for key in ours if len(held_by[key]) >= 2}
    expected = {(text, ours[text, n], theirs[text, n], len(held_by[text, n])) for text, n in frequent}
    assert {(ngram.text, ngram.first, ngram.second, ngram.groups) for ngram in ngrams} == expected
    z = {ngram.text: ngram.z for ngram in ngrams}
    n1, n2 = (sum(number for (_, n), number in side.items() if n == 1) for side in (ours, theirs))
    for length in (1, 2, 3):
        own, other = (Counter({text: side[text, n] for text, n in side if n == length}) for side in (ours, theirs))
        if len(own | other) > 1:
            for text, value in by_loops(own, other, n1, n2, n1 + n2).items():
                if (text, length) in frequent:
                    assert z[text] == pytest.approx(value, rel=1e-9, abs=1e-9)


def test_a_planted_phrase_is_first():
    plain = ["so the sum is even", "and the product is odd", "we add the two numbers", "the sum is then small"] * 20
    doubt = [f"{text}, hold on a second" if place % 2 else text for place, text in enumerate(plain)]
    ngrams = differing_ngrams(doubt, plain, [str(place % 7) for place in range(len(doubt))], 5, 3)
    best = max(ngrams, key=lambda ngram: ngram.z)
    assert set(best.text.split()) <= {"hold", "on", "a", "second"}
    assert "hold on a second" in [ngram.text for ngram in ngrams if ngram.z > 1.96 and not ngram.second]


def test_what_is_not_in_enough_groups_is_no_candidate():
    texts = ["the gorilla waits", "a gorilla waits", "wait now", "now wait"]
    ngrams = differing_ngrams(texts, ["so"], ["one", "one", "one", "two"], 2, 2)
    assert {ngram.text for ngram in ngrams} == {"wait", "now"}


@pytest.mark.parametrize(
    ("text", "words_of"),
    [
        ("Wait, maybe not.", [("wait", "maybe", "not")]),
        ("That’s **not** “right”?", [("that's", "not", "right", "?")]),
        ("Let me re-check\n\nthis", [("let", "me", "re-check", "this")]),
        ("so x = 3 + 4, hmm", [("so", "x"), ("3",), ("4", "hmm")]),
        ("2*3 is six", [("2",), ("3", "is", "six")]),
        (r"\(a\) is", [("a",), ("is",)]),
        ("等等 不", [("等", "等", "不")]),
        ("", []),
    ],
)
def test_words_follow_one_another_over_blanks_and_punctuation_alone(text, words_of):
    assert [segment.words for segment in segments(text)] == words_of


@given(st.text(max_size=60) | sentences)
def test_the_detector_of_phrases_finds_every_ngram_where_it_was_read(text):
    """What is proposed is what the detector can find; capital `İ` apart, of which casefolding makes two characters."""
    document = Document("a", text, "a")
    for segment in segments(text.replace("İ", "i")):
        for start in range(len(segment.words)):
            for end in range(start + 1, min(start + 5, len(segment.words)) + 1):
                gaps = ("", *segment.gaps[start + 1 : end])
                ngram = "".join(gap + word for gap, word in zip(gaps, segment.words[start:end], strict=True))
                assert list(Phrases((ngram,)).detect(document)), ngram
