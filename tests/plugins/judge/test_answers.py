import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve_plugins.judge.answers import REFUSED_BY_SERVER, Answer, read_answer
from neurosieve_plugins.judge.prompt import Request

EXCLUSIVE = Request("", "", 3, 0, ("doubt", "self_checking"), several=False, none=True)
SEVERAL = EXCLUSIVE._replace(several=True)
BY_NUMBER = '{"labels": {"1": "doubt", "2": "none", "3": "doubt"}}'
SOUND = '{"labels": [{"number": 1, "label": "doubt"}, {"number": 2, "label": "none"}, {"number": 3, "label": "doubt"}]}'
LABELS = {1: ("doubt",), 2: (), 3: ("doubt",)}


def reading(text, request=EXCLUSIVE, **fields):
    return read_answer(Answer(text, **fields), request)


@pytest.mark.parametrize(
    "text",
    [
        SOUND,
        BY_NUMBER,
        f"Sure: {BY_NUMBER} Done.",
        f"Here are the labels:\n\n{SOUND}\n\nI hope {{this}} helps.",
        f"```json\n{SOUND}\n```",
        f"Sure!\n```\n{SOUND}\n```\nDone.",
        f'<think>Perhaps {{"labels": [{{"number": 1, "label": "none"}}]}}?</think>{SOUND}',
        SOUND.partition(": ")[2].removesuffix("}"),
        SOUND.replace("doubt", "Doubt ").replace('"number": 1', '"number": "1"'),
    ],
)
def test_a_sound_answer_is_read_however_it_is_wrapped(text):
    assert reading(text).labels == LABELS
    assert not reading(text).problems


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the answer is empty"),
        (" \n", "the answer is empty"),
        ("<think>Hmm", "the answer is empty"),
        ("I would say all of them are doubts.", "the answer is not the JSON that was asked for"),
        (SOUND[:60], "the answer is not the JSON that was asked for"),
        ("[" * 100_000, "the answer is not the JSON that was asked for"),
        ('{"answer": 1}', "the answer is not the JSON that was asked for"),
        (f"{SOUND}\nor rather\n{SOUND}", "there are several answers in one"),
        (f"```\n{SOUND}\n```\n```\n{SOUND}\n```", "there are several answers in one"),
        ('{"labels": []}', "the answer skips it"),
        ("{}", "the answer is not the JSON that was asked for"),
        ('{"labels": {"1": "doubt", "1": "none", "2": "none"}}', "the answer is not the JSON that was asked for"),
        ('{"labels": [{"number": 1, "number": 2, "label": "doubt"}]}', "the answer is not the JSON that was asked for"),
    ],
)
def test_of_an_answer_that_is_not_sound_nothing_is_taken(text, why):
    assert reading(text).labels == {}
    assert reading(text).problems == dict.fromkeys((1, 2, 3), why)


def test_a_refusal_holds_no_labels():
    assert reading(SOUND, refusal="I will not").problems == dict.fromkeys((1, 2, 3), "the judge refused")
    by_server = reading("", finish=REFUSED_BY_SERVER, refusal="status 400: too long")
    assert by_server.problems == dict.fromkeys((1, 2, 3), "the server refused")


def one_entry(entry, request=EXCLUSIVE):
    return reading(json.dumps({"labels": [entry]}), request)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"number": 1, "label": "joy"}, "a label that is not one"),
        ({"number": 1, "label": "doubt or none"}, "a label that is not one"),
        ({"number": 1, "label": ""}, "a label that is not one"),
        ({"number": 1}, "its entry has no label"),
        ({"number": 1, "label": ["doubt"]}, "its entry has no label"),
        ({"number": 1, "label": None}, "its entry has no label"),
    ],
)
def test_an_entry_that_is_not_sound_is_a_problem_of_its_sentence(entry, why):
    assert one_entry(entry).problems == {1: why, 2: "the answer skips it", 3: "the answer skips it"}
    assert one_entry(entry).labels == {}


@pytest.mark.parametrize("number", [0, 4, -1, 1.0, True, None, "one", "²", [1]])
def test_an_entry_for_no_sentence_is_counted_and_left_out(number):
    outcome = one_entry({"number": number, "label": "doubt"})
    assert outcome.labels == {}
    assert outcome.extra == 1


def test_a_sentence_that_is_labelled_twice_is_not_labelled():
    entries = [{"number": 1, "label": "doubt"}, {"number": 1, "label": "doubt"}, {"number": 2, "label": "none"}]
    outcome = reading(json.dumps({"labels": [*entries, entries[0]]}))
    assert outcome.labels == {2: ()}
    assert outcome.problems == {1: "it is labelled twice", 3: "the answer skips it"}


def test_several_labels_are_taken_where_the_taxonomy_has_them():
    entry = {"number": 1, "labels": ["self-checking", "doubt", "doubt"]}
    assert one_entry(entry, SEVERAL).labels == {1: ("doubt", "self_checking")}
    assert one_entry({"number": 1, "labels": []}, SEVERAL).labels == {1: ()}
    assert one_entry({"number": 1, "labels": []}, SEVERAL._replace(none=False)).problems[1] == "its entry has no label"
    assert one_entry({"number": 1, "labels": ["none", "doubt"]}, SEVERAL).problems[1] == "`none` beside another label"
    assert one_entry({"number": 1, "labels": "doubt"}, SEVERAL).problems[1] == "its entry has no label"


def test_none_is_not_a_label_where_the_taxonomy_does_not_allow_it():
    outcome = one_entry({"number": 1, "label": "none"}, EXCLUSIVE._replace(none=False))
    assert outcome.problems[1] == "a label that is not one"


@pytest.mark.parametrize("characters", range(len(SOUND) + 1))
def test_of_an_answer_that_was_cut_off_the_whole_entries_are_taken(characters):
    outcome = reading(SOUND[:characters], finish="length")
    whole = SOUND[:characters].count("}") if characters < len(SOUND) else 3
    assert outcome.labels == {number: LABELS[number] for number in (1, 2, 3)[:whole]}
    assert set(outcome.problems.values()) <= {"the answer is cut off"}


@pytest.mark.parametrize("characters", range(len(BY_NUMBER) + 1))
def test_of_labels_by_number_that_were_cut_off_the_whole_ones_are_taken(characters):
    outcome = reading(BY_NUMBER[:characters], finish="length")
    cut = BY_NUMBER[:characters]
    # What shows that a label is whole is the comma, or the brace, behind it.
    whole = cut.count(",") if "}" not in cut else 3
    assert outcome.labels == {number: LABELS[number] for number in (1, 2, 3)[:whole]}
    assert set(outcome.problems.values()) <= {"the answer is cut off"}


@given(
    st.text()
    | st.recursive(
        st.none() | st.integers(0, 4) | st.sampled_from(["doubt", "none", "joy"]),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["labels", "number", "label", "1", "2", "4"]), inner)
        ),
    ).map(json.dumps)
)
def test_whatever_is_answered_every_sentence_has_a_label_or_a_reason(text):
    outcome = reading(text)
    assert sorted([*outcome.labels, *outcome.problems]) == [1, 2, 3]
    assert all(set(labels) <= {"doubt", "self_checking"} for labels in outcome.labels.values())
