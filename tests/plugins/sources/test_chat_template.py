"""Conversations by a chat template: the text is what a model sees, and what is whose is known for certain."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosieve import ConfigError, DataError
from neurosieve.models.tiny import tiny_model
from neurosieve_plugins.sources.chat import Chat

CHATML = """{% for message in messages %}<|im_start|>{{ message.role }}
{% if message.reasoning_content %}<think>
{{ message.reasoning_content | trim }}
</think>

{% endif %}{{ message.content | trim }}<|im_end|>
{% endfor %}"""
# As Qwen 3 does: thoughts are found by their tags, and only those behind the last question are shown.
STRIPPING = """{% set ns = namespace(last=0) %}{% for message in messages %}{% if message.role == 'user' %}
{%- set ns.last = loop.index0 %}{% endif %}{% endfor %}{% for message in messages %}<|im_start|>{{ message.role }}
{% set content = message.content %}{% set thought = message.reasoning_content or '' %}
{%- if '</think>' in content %}{% set thought = content.split('</think>')[0].split('<think>')[-1] %}
{%- set content = content.split('</think>')[-1].lstrip() %}{% endif %}
{%- if message.role == 'assistant' and loop.index0 > ns.last and (thought or enable_thinking) %}<think>
{{ thought.strip() }}
</think>

{% endif %}{{ content }}<|im_end|>
{% endfor %}"""
ALTERNATING = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHATML
USER, THOUGHT, ANSWER = "1 + 1?", "It is user 1, plus 1?", "1 + 1?"
"""The answer repeats the question, so that to look for texts in what a template makes would mislead."""
INLINE = {"role": "assistant", "content": f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"}
BESIDE = {"role": "assistant", "content": ANSWER, "reasoning_content": THOUGHT}


@pytest.fixture
def read(tmp_path):
    def read(template, *turns, **fields):
        (tmp_path / "chats.jsonl").write_text(json.dumps({"messages": turns}), encoding="utf-8")
        (tmp_path / "chat.jinja").write_text(template, encoding="utf-8")
        [document] = Chat(str(tmp_path / "chats.jsonl"), template=str(tmp_path / "chat.jinja"), **fields)
        return document

    return read


def parted(document):
    return [(passage.role, document.text[passage.start : passage.end]) for passage in document.passages]


def user(text=USER):
    return {"role": "user", "content": text}


@pytest.mark.parametrize("turn", [INLINE, BESIDE])
def test_thought_and_answer_are_found_whether_the_template_or_the_model_wrote_the_tags(read, turn):
    document = read(CHATML, user(), turn)
    before = f"<|im_start|>user\n{USER}<|im_end|>\n<|im_start|>assistant\n<think>\n"
    assert document.text == f"{before}{THOUGHT}\n</think>\n\n{ANSWER}<|im_end|>\n"
    assert document.completion_start == len(before)
    expected = [("user", USER), ("thought", f"{THOUGHT}\n</think>"), ("answer", f"\n\n{ANSWER}")]
    assert parted(document) == expected
    assert not document.assumptions


@pytest.mark.parametrize("turn", [INLINE, BESIDE])
def test_a_thought_that_the_template_strips_is_absent_and_told(read, turn):
    document = read(STRIPPING, user(), turn, user("Sure?"), INLINE)
    assert [role for role, _ in parted(document)] == ["user", "answer", "user", "thought", "answer"]
    assert parted(document)[1] == ("answer", ANSWER)
    assert document.text.count(THOUGHT) == 1
    *_, assumption = document.assumptions
    assert assumption.what == "the chat template leaves out a thought of the model"


def test_variables_reach_the_template_and_one_that_it_does_not_read_is_refused(read, tmp_path):
    turn = {"role": "assistant", "content": ANSWER}
    assert "<think>" not in read(STRIPPING, user(), turn).text
    thinking = read(STRIPPING, user(), turn, template_variables={"enable_thinking": True})
    assert f"<think>\n\n</think>\n\n{ANSWER}" in thinking.text
    assert parted(thinking)[-1] == ("completion", ANSWER)
    with pytest.raises(ConfigError, match="reads no `enable_thinkng`, so that it changes nothing"):
        read(STRIPPING, user(), turn, template_variables={"enable_thinkng": True})


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (ALTERNATING, r"is refused by the chat template \(no system\)"),
        ("{{ messages | length", "is refused by the chat template"),
        (CHATML.replace("content | trim", "content | upper"), "it changes the texts of its turns"),
        (CHATML.replace("content | trim", "content[:3]"), "it changes the texts of its turns"),
        (CHATML + "{{ messages[1].content }}", "it repeats a text of its turns"),
    ],
)
def test_a_template_that_cannot_be_applied_is_refused_with_the_record(read, template, message):
    with pytest.raises(DataError, match=rf"record 1 .*{message}.*`plain`"):
        read(template, {"role": "system", "content": "Be very brief."}, user("What is it?"), BESIDE)


def test_a_model_whose_turns_the_template_leaves_out_is_refused(read):
    with pytest.raises(DataError, match="holds no text of the model"):
        read("{% for message in messages if message.role == 'user' %}{{ message.content }}{% endfor %}", user(), BESIDE)


texts = st.text("ab wait?\nİ\N{PILE OF POO}<>/think|{}%", min_size=1).filter(
    lambda text: text.strip() and "think>" not in text
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(turns=st.lists(st.tuples(texts, st.none() | texts, texts), min_size=1, max_size=3))
def test_every_text_stands_where_its_passage_says(read, turns):
    messages = [
        message
        for question, thought, answer in turns
        for message in (user(question), {"role": "assistant", "content": answer, "reasoning_content": thought})
    ]
    document = read(CHATML, *messages)
    expected = [
        part.strip()
        for question, thought, answer in turns
        for part in (question, *([] if thought is None else [f"{thought.strip()}\n</think>"]), answer)
    ]
    assert [text.strip() for _, text in parted(document)] == expected


def test_the_template_of_a_model_is_that_of_its_tokenizer(tmp_path):
    tokenizer = tiny_model()[1]
    tokenizer.chat_template = "{{ bos_token }}" + CHATML
    tokenizer.save_pretrained(tmp_path / "model")
    (tmp_path / "chats.jsonl").write_text(json.dumps({"messages": [user(), INLINE]}))
    [document] = Chat(str(tmp_path / "chats.jsonl"), template=str(tmp_path / "model"))
    assert document.text == tokenizer.apply_chat_template([user(), INLINE], tokenize=False)
    assert [role for role, _ in parted(document)] == ["user", "thought", "answer"]
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(ConfigError, match="has no chat template"):
        list(Chat(str(tmp_path / "chats.jsonl"), template=str(tmp_path / "base")))
    with pytest.raises(ConfigError, match="no file or tokenizer is read there"):
        list(Chat(str(tmp_path / "chats.jsonl"), template=str(tmp_path / "nothing")))


def test_prompts_alone_end_with_what_opens_the_turn_of_the_model(read):
    template = CHATML + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    document = read(template, user(), INLINE, prompts_only=True)
    assert document.text == f"<|im_start|>user\n{USER}<|im_end|>\n<|im_start|>assistant\n"
    assert parted(document) == [("user", USER)]
    assert document.stretches() == ()
