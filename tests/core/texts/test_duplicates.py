"""Texts that are nearly the same are found as comparing every two finds them."""

import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosieve.texts.duplicates import (
    FEWEST_WORDS,
    clusters_of,
    jaccard,
    most_alike,
    runs_of_words,
    signature,
    signatures_of,
)

WORDS = [
    "we",
    "add",
    "the",
    "two",
    "numbers",
    "and",
    "get",
    "jars",
    "crates",
    "so",
    "it",
    "holds",
    "wait",
    "that",
    "is",
]
WORDS += ["wrong", "again", "first", "then", "left"]


def text_of(seed, words=60):
    return " ".join(np.random.default_rng(seed).choice(WORDS, words))


def edited(text, seed, edits):
    words, rng = text.split(), np.random.default_rng(seed)
    for place in rng.choice(len(words), edits, replace=False):
        words[place] = "other"
    return " ".join(words)


def exact_jaccard(first, second):
    """By definition, from the runs as words."""
    one, other = ({tuple(words[n : n + 5]) for n in range(len(words) - 4)} for words in (first.split(), second.split()))
    return len(one & other) / len(one | other)


def components(texts, threshold):
    """By comparing every two, and joining sets of texts until none share one."""
    sets = [{number} for number in range(len(texts))]
    for one, other in combinations(range(len(texts)), 2):
        if texts[one] == texts[other] or exact_jaccard(texts[one], texts[other]) >= threshold:
            first, second = (next(numbers for numbers in sets if n in numbers) for n in (one, other))
            if first is not second:
                sets.remove(second)
                first |= second
    return {frozenset(numbers) for numbers in sets}


def as_sets(clusters):
    return {frozenset(np.flatnonzero(np.array(clusters) == cluster).tolist()) for cluster in clusters}


@given(st.integers(0, 1000), st.integers(0, 20))
def test_the_share_of_runs_in_common_is_the_jaccard_index_of_runs_of_five_words(seed, edits):
    first, second = text_of(seed), edited(text_of(seed), seed, edits)
    assert jaccard(runs_of_words(first), runs_of_words(second)) == pytest.approx(exact_jaccard(first, second))


@given(st.integers(0, 1000), st.integers(0, 30))
def test_minhash_estimates_it_to_within_five_standard_errors(seed, edits):
    first, second = text_of(seed, 200), edited(text_of(seed, 200), seed, edits)
    exact = exact_jaccard(first, second)
    estimate = most_alike(first, signatures_of([signature(text_of(seed + 1)), signature(second)]))
    assert abs(estimate - exact) <= 5 * np.sqrt(exact * (1 - exact) / 128) + 1e-9


def test_minhash_has_no_bias():
    pairs = [(text_of(seed, 200), edited(text_of(seed, 200), seed, 8)) for seed in range(100)]
    errors = [most_alike(one, signatures_of([signature(other)])) - exact_jaccard(one, other) for one, other in pairs]
    assert abs(np.mean(errors)) < 3 * np.std(errors) / 10


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.sampled_from([0.3, 0.5, 0.8, 0.95, 1.0]))
def test_clusters_are_those_that_comparing_every_two_gives(seed, threshold):
    rng = np.random.default_rng(seed)
    texts = [edited(text_of(seed + number % 6), seed + number, int(rng.integers(0, 5))) for number in range(24)]
    assert as_sets(clusters_of(texts, threshold)) == components(texts, threshold)


@given(st.integers(0, 10**6), st.randoms())
def test_the_order_of_the_texts_makes_no_difference(seed, random):
    texts = [edited(text_of(seed + number % 4), seed + number, number % 5) for number in range(12)]
    order = random.sample(range(12), 12)
    shuffled = as_sets(clusters_of([texts[number] for number in order], 0.7))
    assert {frozenset(order[place] for place in places) for places in shuffled} == as_sets(clusters_of(texts, 0.7))


def test_few_pairs_that_just_reach_the_threshold_are_missed():
    pairs = []
    for seed in range(300):
        text = text_of(seed, 100)
        pairs += [(text, other) for other in [edited(text, seed, 2)] if exact_jaccard(text, other) >= 0.8]
    assert len(pairs) > 100
    found = sum(len(set(clusters_of(pair, 0.8))) == 1 for pair in pairs)
    assert found >= len(pairs) - 1


def test_a_text_with_one_word_changed_is_nearly_the_same_and_one_with_many_is_not():
    text = text_of(1)
    assert len(set(clusters_of([text, edited(text, 2, 1)], 0.8))) == 1
    assert len(set(clusters_of([text, edited(text, 2, 12)], 0.8))) == 2


def test_short_texts_are_like_no_other():
    text = " ".join(WORDS[:18])
    assert len(re.findall(r"\w+", text)) < FEWEST_WORDS
    assert len(set(clusters_of([text, text, ""], 0.5))) == 3
    assert signature(text) == b""
    assert most_alike(text, signatures_of([signature(text), signature(text_of(0))])) == 0


def test_letters_of_scripts_without_blanks_are_words():
    text = "我先把箱子的数量相乘然后减去破碎的罐子得到完整的罐子一共有二百九十四个"
    assert len(set(clusters_of([text, text + "罐"], 0.8))) == 1
    assert len(set(clusters_of([text, text[::-1]], 0.8))) == 2


def test_a_text_that_is_alike_to_two_others_joins_them():
    first = text_of(3, 80)
    middle = "new words here " + first
    last = middle + " and some at the end"
    assert exact_jaccard(first, last) < 0.92 <= min(exact_jaccard(first, middle), exact_jaccard(middle, last))
    assert len(set(clusters_of([first, last], 0.92))) == 2
    assert len(set(clusters_of([first, last, middle], 0.92))) == 1
