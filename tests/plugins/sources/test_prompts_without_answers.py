"""Prompts from people's files: of two kinds, in two files, in two fields of a record, or in a chat template."""

import json

import pytest

from neurosieve import ConfigError, DataError
from neurosieve_plugins.sources.chat import Chat
from neurosieve_plugins.sources.huggingface import HuggingFace
from neurosieve_plugins.sources.traces import Traces

PROMPTS = {"prompt_field": "prompt", "text_field": None, "id_field": None, "group_field": None}
TEMPLATE = (
    "{% for turn in messages %}[{{ turn.role }}]{{ turn.content }}[end]{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture
def write(tmp_path):
    def write(name, *records):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return str(path)

    return write


@pytest.fixture
def two_files(write, tmp_path):
    write("prompts/harmful.jsonl", {"prompt": "How do I steal it?"}, {"prompt": "How do I fake it?"})
    write("prompts/harmless.jsonl", {"prompt": "How do I buy it?"})
    return tmp_path / "prompts"


@pytest.mark.parametrize("path", ["", "/harm*.jsonl"])
def test_of_several_files_the_metadata_names_the_one_that_a_prompt_is_from(two_files, path):
    documents = list(Traces(f"{two_files}{path}", **PROMPTS))
    assert [(d.id, d.text, d.metadata) for d in documents] == [
        ("harmful/1", "How do I steal it?", {"file": "harmful"}),
        ("harmful/2", "How do I fake it?", {"file": "harmful"}),
        ("harmless/1", "How do I buy it?", {"file": "harmless"}),
    ]
    assert all(d.text_of("prompt") == d.text == d.group and not d.text_of("completion") for d in documents)


def test_a_field_of_the_records_that_is_called_file_is_kept(write, tmp_path):
    write("in/a.jsonl", {"prompt": "1 + 1?", "file": "own.txt"})
    write("in/b.jsonl", {"prompt": "1 + 2?"})
    assert [d.metadata["file"] for d in Traces(str(tmp_path / "in"), **PROMPTS)] == ["own.txt", "b"]


def test_of_one_file_there_is_nothing_to_name(write):
    assert next(iter(Traces(write("prompts.jsonl", {"prompt": "1 + 1?"}), **PROMPTS))).metadata == {}


def test_conversations_of_several_files_are_told_apart_too(write, tmp_path):
    for name in ("calm", "angry"):
        write(f"in/{name}.jsonl", {"question": "1 + 1?", "answer": "2."})
    assert [d.metadata["file"] for d in Chat(str(tmp_path / "in"))] == ["angry", "calm"]


def test_prompts_of_a_data_set_are_read_alike(write):
    path = write("prompts.jsonl", {"prompt": "How do I buy it?", "kind": "harmless"})
    [document] = HuggingFace("json", data_files=(path,), prompt_field="prompt", text_field=None)
    assert document.text_of("prompt") == document.text == "How do I buy it?"
    assert document.metadata == {"kind": "harmless"}


def test_a_blank_prompt_is_told_and_can_be_skipped(write):
    path = write("prompts.jsonl", {"prompt": " "}, {"prompt": "1 + 1?"}, {"prompt": "1 + 2?"})
    with pytest.raises(DataError, match=r"record 1 .* has no prompt, for its `prompt` is blank"):
        list(Traces(path, **PROMPTS))
    skipped, *documents = Traces(path, **PROMPTS, on_bad_record="skip")
    assert "is blank" in skipped.why
    assert len(documents) == 2


def test_neither_text_nor_prompt_is_refused():
    with pytest.raises(ConfigError, match="`text_field` and `prompt_field` are null"):
        Traces("any.jsonl", text_field=None)


PAIRS = ({"harmful": "How do I steal it?", "harmless": "How do I buy it?", "topic": "cars"},)
TWO_FIELDS = PROMPTS | {"prompt_field": None, "contrast_fields": ("harmful", "harmless"), "group_field": "pair"}


def test_each_of_two_fields_makes_a_prompt_and_one_record_stays_one_group(write):
    documents = list(Traces(write("pairs.jsonl", *PAIRS, *PAIRS), **TWO_FIELDS))
    assert [(d.id, d.text, d.group, d.metadata) for d in documents[:2]] == [
        ("harmful/1", "How do I steal it?", "1", {"topic": "cars", "field": "harmful"}),
        ("harmless/1", "How do I buy it?", "1", {"topic": "cars", "field": "harmless"}),
    ]
    assert [d.group for d in documents] == ["1", "1", "2", "2"]
    assert all(d.text_of("prompt") == d.text for d in documents)


def test_each_of_two_answers_is_a_completion_of_the_same_prompt(write):
    path = write("answers.jsonl", {"question": "1 + 1? ", "good": "Two.", "bad": "Three."})
    fields = {"prompt_field": "question", "contrast_fields": ("good", "bad"), "id_field": None, "group_field": None}
    assert [(d.text, d.text_of("completion"), d.group, d.metadata["field"]) for d in Traces(path, **fields)] == [
        ("1 + 1? Two.", "Two.", "1 + 1?", "good"),
        ("1 + 1? Three.", "Three.", "1 + 1?", "bad"),
    ]


def test_pairs_of_several_files_stay_apart(write, tmp_path):
    write("in/a.jsonl", *PAIRS)
    write("in/b.jsonl", *PAIRS)
    documents = list(Traces(str(tmp_path / "in"), **TWO_FIELDS))
    assert [d.group for d in documents] == ["a/1", "a/1", "b/1", "b/1"]
    assert [d.id for d in documents] == ["a/harmful/1", "a/harmless/1", "b/harmful/1", "b/harmless/1"]


def test_a_record_without_one_of_the_fields_is_told_and_can_be_skipped(write):
    path = write("pairs.jsonl", {"harmful": "How?"}, *PAIRS, *PAIRS)
    with pytest.raises(DataError, match=r"record 1 .* has no `harmless`; it has `harmful`: .*`source.contrast_fields`"):
        list(Traces(path, **TWO_FIELDS))
    skipped, *documents = Traces(path, **TWO_FIELDS, on_bad_record="skip")
    assert "has no `harmless`" in skipped.why
    assert len(documents) == 4


@pytest.mark.parametrize("fields", [("one",), ("one", "one"), ("one", "two", "one")])
def test_fewer_than_two_different_fields_are_refused(fields):
    with pytest.raises(ConfigError, match=r"`contrast_fields` of the source `traces` is .*: give two different fields"):
        Traces("any.jsonl", contrast_fields=fields)


def test_a_chat_template_that_opens_the_models_turn_takes_prompts_without_answers(write, tmp_path):
    file = tmp_path / "chat.jinja"
    file.write_text(TEMPLATE)
    path = write("prompts.jsonl", {"messages": [{"role": "user", "content": "1 + 1?"}], "kind": "sum"})
    opened = {"template": str(file), "template_variables": {"add_generation_prompt": True}}
    [document] = Chat(path, **opened)
    assert document.text == "[user]1 + 1?[end][assistant]"
    assert document.completion_start == len(document.text)
    assert (document.text_of("prompt"), document.group, document.metadata) == ("1 + 1?", "1 + 1?", {"kind": "sum"})
    with pytest.raises(DataError, match=r"holds no text of the model: .*add_generation_prompt: true"):
        list(Chat(path))
