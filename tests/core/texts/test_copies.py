"""Of texts that are alike a behaviour is read in one that shows it, and in one that does not."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import Control, DataError, Passage, Span, TokenizedDocument
from neurosieve.texts.copies import repeated_readings, repeats_of
from neurosieve.texts.groups import join_groups
from neurosieve.texts.selection import Selection, choose_positions
from neurosieve.texts.tokens import LabelledDocument
from neurosieve_plugins.sources.arithmetic import Arithmetic

STORIES = [document.text[document.completion_start :] for document in Arithmetic(documents=20)]
SHORT = "The answer is 4."


@dataclass(frozen=True)
class Last(Control):
    """The last tokens of a document."""

    def choose(self, document, present, count, rng):
        return range(len(document.token_ids) - 3, len(document.token_ids))


def document_of(name, text, shows=True, group=None, prompt="", scope="completion"):
    whole = prompt + text
    starts = np.arange(0, len(whole), 5)
    tokens = TokenizedDocument(
        id=name,
        group=group or name,
        text=whole,
        token_ids=starts % 7,
        starts=starts,
        ends=np.minimum(starts + 5, len(whole)),
        usable=np.ones(len(starts), dtype=bool),
        relative=starts / len(whole),
        completion_start=len(prompt),
        passages=(Passage(0, len(prompt), "user"), Passage(len(prompt), len(whole), "completion")) if prompt else (),
    )
    return LabelledDocument(tokens, {"b": [Span(5, 10)] * shows}, {"b": [range(1, 2)] * shows}, {"b": scope})


def left_out(*documents, near_duplicates=0.8):
    joined = join_groups(documents, near_duplicates, Counter())
    return {joined[number].tokens.id for number in repeats_of("b", joined)}


@given(st.lists(st.tuples(st.integers(0, 19), st.booleans()), max_size=30), st.randoms())
def test_of_each_set_one_text_that_shows_the_behaviour_is_left_and_one_that_does_not(drawn, random):
    documents = [document_of(f"{n:02}", STORIES[story], shows) for n, (story, shows) in enumerate(drawn)]
    repeated = left_out(*documents)
    kept = [pair for n, pair in enumerate(drawn) if f"{n:02}" not in repeated]
    assert sorted(kept) == sorted(set(drawn))
    assert left_out(*random.sample(documents, len(documents))) == repeated


@pytest.mark.parametrize("change", [str.upper, lambda text: text + " End.", lambda text: f"Okay, so {text}"])
def test_a_text_that_is_nearly_the_same_is_left_out(change):
    assert left_out(document_of("a", STORIES[0]), document_of("b", change(STORIES[0]))) == {"b"}


def test_where_none_are_looked_for_none_is_left_out():
    assert not left_out(document_of("a", STORIES[0]), document_of("b", STORIES[0]), near_duplicates=None)


def test_one_answer_to_all_prompts_is_told_with_what_counts_each():
    documents = [document_of(f"{n:02}", STORIES[0], prompt=f"Problem {n}? ", group=f"{n}") for n in range(9)]
    documents += [document_of(f"r{n}", text, shows=False, group=f"r{n}") for n, text in enumerate(STORIES[1:])]
    counts, selection = Counter(), Selection(unit="completion")
    joined = join_groups(documents, selection.near_duplicates, counts, "completion")
    with pytest.raises(DataError, match=r"shows in 1 group, .*also after different prompts: .*near_duplicates=null"):
        choose_positions(joined, ["b"], Last(), selection, 0, counts)
    each = join_groups(documents, None, Counter(), "completion")
    table = choose_positions(each, ["b"], Last(), selection, 0, Counter()).table
    assert table[table.label == 1].group.nunique() == 9


def test_short_answers_are_copies_only_where_all_before_them_is_the_same():
    documents = [
        document_of(name, SHORT, prompt=f"What is {n} + {n}? ") for name, n in zip("abc", (2, 3, 2), strict=True)
    ]
    assert left_out(*documents) == {"c"}
    # They do not join the problems: an answer of few words is often the same by chance.
    assert {each.tokens.group for each in join_groups(documents, 0.8, Counter())} == {"a", "b", "c"}


def test_in_prompts_copies_are_prompts_that_are_the_same_whatever_follows():
    template = "Solve this problem step by step. Write down each step, check it, and end with the answer in a box. "
    samples = [
        document_of(f"{prompt}{sample}", STORIES[3 * prompt + sample], prompt=f"{template}{prompt}", scope="prompt")
        for prompt in range(3)
        for sample in range(3)
    ]
    assert left_out(*samples) == {"01", "02", "11", "12", "21", "22"}
    refusals = [document_of(str(n), STORIES[0], prompt=f"{template}{n}", scope="prompt") for n in range(3)]
    assert not left_out(*refusals)


@given(st.integers(0, 3), st.sampled_from([1, 2]))
def test_copies_of_every_text_change_no_position(seed, copies):
    documents = [document_of(f"{n:02}", story, shows=bool(n % 2)) for n, story in enumerate(STORIES)]
    doubled = [
        *documents,
        *(
            replace(
                each, tokens=replace(each.tokens, id=f"{each.tokens.id} {copy}", group=f"{each.tokens.group} {copy}")
            )
            for copy in range(copies)
            for each in documents
        ),
    ]
    counts = Counter()
    once, several = (
        choose_positions(join_groups(texts, 0.8, counts), ["b"], Last(), Selection(extra_positions=()), seed, counts)
        for texts in (documents, doubled)
    )
    assert several.table.equals(once.table)
    assert counts["texts_repeated"] == copies * len(documents)


def test_present_positions_behind_the_same_tokens_are_counted():
    tokens = document_of("a", STORIES[0]).tokens
    first, second = (
        replace(tokens, id=name, token_ids=np.array([5, 6, 7, last])) for name, last in (("a", 8), ("b", 9))
    )
    assert repeated_readings([(first, 2), (second, 2), (first, 3), (second, 3), (first, 1)]) == 1
