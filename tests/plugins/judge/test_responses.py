import json

import pytest

from neurosieve_plugins.judge.responses import UnreadableResponseError, answer_of, same_model


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4", "gpt-4-0613"),
        ("claude-x", "claude-x-20250219"),
        ("flash", "flash-002"),
        ("mistral-large-latest", "mistral-large-2411"),
        ("llama3", "llama3:latest"),
        ("openai/gpt-4o", "gpt-4o-2024-08-06"),
        ("Maker/Small-1B", "Maker/Small-1B@main"),
        ("/models/small/", "small"),
        ("small", "/models/Small.gguf"),
    ],
)
def test_versions_and_spellings_of_the_model_that_was_asked_are_that_model(asked, answered):
    assert same_model(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o", "gpt-4"),
        ("phi", "phi-4"),
        ("llama-3", "llama-3-70"),
        ("llama3:8b", "llama3:70b"),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("small", "large"),
    ],
)
def test_any_other_model_is_another(asked, answered):
    assert not same_model(asked, answered)


def completion(**message):
    return json.dumps({"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]})


def test_text_in_parts_is_read_as_one():
    parts = [{"type": "text", "text": "one "}, {"type": "image"}, {"type": "text", "text": "two"}]
    assert answer_of(completion(content=parts)).text == "one two"


def test_an_answer_without_content_is_empty_and_no_failure():
    assert answer_of(completion(content=None)).text == ""
    assert answer_of(completion(content=None, refusal="No.")).refusal == "No."
    assert answer_of('{"choices": [{}]}').text == ""


@pytest.mark.parametrize("usage", [{"prompt_tokens": -1}, {"prompt_tokens": "3"}, {"prompt_tokens": True}, None, 3])
def test_tokens_that_cannot_be_are_not_counted(usage):
    answer = answer_of(json.dumps({"choices": [{"message": {"content": "x"}}], "usage": usage}))
    assert answer.tokens_in is None


@pytest.mark.parametrize("body", ["", "null", "[]", "<p>", '{"choices": {}}', '{"choices": [1]}', '{"error": "x"}'])
def test_what_is_no_completion_is_not_read_as_one(body):
    with pytest.raises(UnreadableResponseError):
        answer_of(body)
