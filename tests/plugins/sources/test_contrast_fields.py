"""Texts of two kinds from people's files: in a file of each kind, or in two fields of a record."""

import json

import pytest

from neurosieve import ConfigError, DataError
from neurosieve_plugins.sources.chat import Chat
from neurosieve_plugins.sources.contrasts import one_per_field
from neurosieve_plugins.sources.traces import Traces

FIELDS = {"text_field": "text", "id_field": None, "group_field": None, "completion_marker": None}


@pytest.fixture
def write(tmp_path):
    def write(name, *records):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return str(path)

    return write


@pytest.mark.parametrize("path", ["", "/harm*.jsonl"])
def test_of_several_files_the_metadata_names_the_one_that_a_text_is_from(write, tmp_path, path):
    write("in/harmful.jsonl", {"text": "How do I steal it?"}, {"text": "How do I fake it?"})
    write("in/harmless.jsonl", {"text": "How do I buy it?"})
    assert [(d.id, d.text, d.metadata) for d in Traces(f"{tmp_path}/in{path}", **FIELDS)] == [
        ("harmful/1", "How do I steal it?", {"file": "harmful"}),
        ("harmful/2", "How do I fake it?", {"file": "harmful"}),
        ("harmless/1", "How do I buy it?", {"file": "harmless"}),
    ]


def test_a_field_of_the_records_that_is_called_file_is_kept(write, tmp_path):
    write("in/a.jsonl", {"text": "1 + 1?", "file": "own.txt"})
    write("in/b.jsonl", {"text": "1 + 2?"})
    assert [d.metadata["file"] for d in Traces(str(tmp_path / "in"), **FIELDS)] == ["own.txt", "b"]


def test_of_one_file_there_is_nothing_to_name(write):
    assert next(iter(Traces(write("texts.jsonl", {"text": "1 + 1?"}), **FIELDS))).metadata == {}


def test_conversations_of_several_files_are_told_apart_too(write, tmp_path):
    for name in ("calm", "angry"):
        write(f"in/{name}.jsonl", {"question": "1 + 1?", "answer": "2."})
    assert [d.metadata["file"] for d in Chat(str(tmp_path / "in"))] == ["angry", "calm"]


PAIR = {"harmful": "How do I steal it?", "harmless": "How do I buy it?", "topic": "cars"}
TWO_PROMPTS = {
    "prompts_only": True,
    "contrast_fields": ("harmful", "harmless"),
    "id_field": None,
    "group_field": "pair",
}
TWO_ANSWERS = {"prompt_field": "question", "contrast_fields": ("good", "bad"), "id_field": None, "group_field": None}
ANSWERS = {"question": "1 + 1? ", "good": "Two.", "bad": "Three."}


def test_each_of_two_answers_is_a_completion_of_the_same_prompt(write):
    documents = list(Traces(write("answers.jsonl", ANSWERS), **TWO_ANSWERS))
    assert [(d.id, d.text, d.text_of("completion"), d.group, d.metadata) for d in documents] == [
        ("good/1", "1 + 1? Two.", "Two.", "1 + 1?", {"field": "good", "pair": "1"}),
        ("bad/1", "1 + 1? Three.", "Three.", "1 + 1?", {"field": "bad", "pair": "1"}),
    ]


def test_pairs_of_several_files_stay_apart(write, tmp_path):
    for name in "ab":
        write(f"in/{name}.jsonl", ANSWERS)
    documents = list(Traces(str(tmp_path / "in"), **TWO_ANSWERS | {"group_field": "pair"}))
    assert [d.group for d in documents] == ["a/1", "a/1", "b/1", "b/1"]
    assert [d.id for d in documents] == ["a/good/1", "a/bad/1", "b/good/1", "b/bad/1"]


def test_a_record_without_one_of_the_fields_is_told_and_can_be_skipped_as_a_whole(write):
    path = write("answers.jsonl", {"question": "1?", "good": "1."}, ANSWERS, ANSWERS)
    with pytest.raises(DataError, match=r"record 1 .* has no `bad`; it has `question`, `good`: .*contrast_fields`"):
        list(Traces(path, **TWO_ANSWERS))
    skipped, *documents = Traces(path, **TWO_ANSWERS, on_bad_record="skip")
    assert "has no `bad`" in skipped.why
    assert len(documents) == 4


def test_what_is_no_record_is_passed_on(write):
    path = write("answers.jsonl", 7, ANSWERS)
    with pytest.raises(DataError, match=r"record 1 .* is a number, not an object"):
        list(Traces(path, **TWO_ANSWERS))


@pytest.mark.parametrize("fields", [("one",), ("one", "one"), ("one", "two", "one")])
def test_fewer_than_two_different_fields_are_refused(fields):
    with pytest.raises(ConfigError, match=r"`contrast_fields` of the source `traces` is .*: give two different fields"):
        Traces("any.jsonl", contrast_fields=fields)


def test_no_record_makes_no_record():
    assert list(one_per_field([], ("good", "bad"), "source.contrast_fields")) == []


def test_each_of_two_prompts_is_a_text_and_one_record_stays_one_group(write):
    documents = list(Traces(write("pairs.jsonl", PAIR, PAIR), **TWO_PROMPTS))
    assert [(d.id, d.text, d.group, d.metadata) for d in documents[:2]] == [
        ("harmful/1", "How do I steal it?", "1", {"topic": "cars", "field": "harmful"}),
        ("harmless/1", "How do I buy it?", "1", {"topic": "cars", "field": "harmless"}),
    ]
    assert [d.group for d in documents] == ["1", "1", "2", "2"]
    assert all(d.text_of("prompt") == d.text and not d.text_of("completion") for d in documents)
