"""What stands in a field of a record: names and paths, texts and ids."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve_plugins.records import Record, RecordError, name_of, text_of, value_at, value_of

DUMP = {
    "custom_id": "q-7",
    "response": {"status": 200, "body": {"choices": [{"message": {"content": "Two."}}, {"message": None}]}},
    "usage.tokens": 5,
    "usage": {"tokens": 6, "prompt.tokens": 7, "0": "zero"},
    "none": [],
}


def record(fields, number=7):
    return Record(fields, number, f"record {number} of dump.jsonl")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("custom_id", "q-7"),
        ("response.body.choices.0.message.content", "Two."),
        ("response.body.choices.-1.message", None),
        ("response.status", 200),
        ("usage.tokens", 5),
        ("usage.prompt.tokens", 7),
        ("usage.0", "zero"),
    ],
)
def test_a_path_leads_into_nested_fields_and_a_name_with_dots_goes_before_it(path, value):
    assert value_at(DUMP, path, "nothing") == value_of(record(DUMP), "text_field", path) == value


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("answer", "it has `custom_id`, `response`, `usage.tokens`, `usage`, `none`"),
        ("answer.text", "it has `custom_id`, `response`"),
        ("response.body.choice.0", "its `response.body` has `choices`"),
        ("response.body.choices.2.message", "its `response.body.choices` is a list with the places 0 to 1"),
        ("response.body.choices.message", "its `response.body.choices` is a list with the places 0 to 1"),
        ("response.body.choices.1.message.content", "its `response.body.choices.1.message` is null"),
        ("response.body.choices.0.message.content.text", "its `response.body.choices.0.message.content` is a text"),
        ("none.0", "its `none` is an empty list"),
        ("none.", "its `none` is an empty list"),
        ("response.", "its `response` has `status`, `body`"),
        (".response", "it has `custom_id`"),
        ("usage.tokens.0", "its `usage.tokens` is a number"),
    ],
)
def test_a_path_that_leads_nowhere_is_told_with_the_record_and_how_far_it_went(path, says):
    with pytest.raises(RecordError) as caught:
        value_of(record(DUMP), "text_field", path)
    assert str(caught.value).startswith(f"record 7 of dump.jsonl has no `{path}`; {says}")
    assert str(caught.value).endswith(": correct the record, or set `text_field`")
    assert value_at(DUMP, path, "nothing") == "nothing"


def test_a_record_without_fields_is_told_as_such():
    with pytest.raises(RecordError, match="it has no field at all"):
        value_of(record({}), "text_field", "a.b")


names = st.text("ab.0-1", min_size=1, max_size=4)
nested = st.recursive(
    st.integers(), lambda inner: st.dictionaries(names, inner, max_size=3) | st.lists(inner, max_size=3), max_leaves=12
)


def steps_to(value):
    """Every path to something inside a value, with what is there, by plain recursion."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        yield str(step), inner
        yield from ((f"{step}.{path}", leaf) for path, leaf in steps_to(inner))


@given(st.dictionaries(names.filter(lambda name: "." not in name), nested, max_size=4))
def test_whatever_is_inside_a_record_without_dots_in_its_names_has_a_path(fields):
    places = list(steps_to(fields))
    for path, value in places:
        assert value_at(fields, path, "nothing") is not None
        if sum(other == path for other, _ in places) == 1 and not any("." in step for step in _names_in(fields)):
            assert value_at(fields, path, "nothing") == value


def _names_in(value):
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names_in(inner)


@pytest.mark.parametrize(
    ("value", "name"), [(7, "7"), (7.0, "7"), (-0.0, "0"), (-3.0, "-3"), ("7.0", "7.0"), (2**60, str(2**60))]
)
def test_whole_numbers_are_names_as_floats_too(value, name):
    assert name_of(record({"id": value}), "id_field", "id") == name


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), "holds nan in `id`, where a text or a whole number is needed"),
        (float("inf"), "holds inf in `id`"),
        (1.5, "holds 1.5 in `id`"),
        (float(2**53), "which stands for several whole numbers, in `id`"),
        (None, "holds null in `id`"),
        (True, "holds true or false in `id`"),
        (" ", "holds a blank text in `id`"),
        ([1], "holds a list in `id`"),
    ],
)
def test_a_name_that_is_none_is_told_with_its_record(value, says):
    with pytest.raises(RecordError) as caught:
        name_of(record({"id": value}), "id_field", "id")
    assert str(caught.value).startswith("record 7 of dump.jsonl ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "null"), (float("nan"), "nan"), (7.5, "a number"), ({}, "an object")]
)
def test_a_value_that_is_no_text_is_told_by_its_kind(value, kind):
    with pytest.raises(RecordError, match=f"record 7 of dump.jsonl holds {kind} in `text`, not a text"):
        text_of(record({"text": value}), "text_field", "text")


def test_an_error_of_a_record_comes_whole_from_another_process():
    with pytest.raises(RecordError) as caught:
        text_of(record({"text": None}), "text_field", "text")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert (copy.where, copy.why) == ("record 7 of dump.jsonl", "holds null in `text`, not a text")
