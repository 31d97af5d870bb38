"""Conversations as people have them: examples in prompts, thoughts twice, columns, mixed files."""

import json

import pytest

from neurosieve import DataError, load
from neurosieve.cli import main
from neurosieve_plugins.sources.chat import Chat

SLIP = "Wait, that's not right"


def problem(number):
    return f"What is {number} plus {number}?"


def completion(number, slips=True):
    return f"<think>\nI add. {SLIP + ', again. ' if slips else ''}So {number * 2}.\n</think>\n\nIt is {number * 2}."


def example(number):
    return [
        {"role": "user", "content": f"Example {number}: what is {number} plus 4?"},
        {"role": "assistant", "content": f"<think>\n{SLIP}, it is {number + 4}.\n</think>\n{number + 4}"},
    ]


def turns(number, slips=True):
    return [
        {"role": "user", "content": problem(number)},
        {"role": "assistant", "content": completion(number, slips)},
    ]


@pytest.fixture
def written(tmp_path):
    def written(records, name="chats.jsonl"):
        file = tmp_path / name
        file.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
        return str(file)

    return written


@pytest.fixture
def detected(tmp_path, monkeypatch):
    def detected(path, *settings, source="chat"):
        monkeypatch.chdir(tmp_path)
        main(["detect", f"source={source}", f"source.path={path}", *settings, "hydra.run.dir=run", "reports=[]"])
        return load(tmp_path / "run").table("spans")

    return detected


def parted(document):
    return [(passage.role, document.text[passage.start : passage.end]) for passage in document.passages]


def assumed(document):
    return [assumption.what for assumption in document.assumptions]


def test_examples_in_a_prompt_are_no_words_of_the_model(detected, written):
    shots = [
        {
            "prompt": [*example(3 * number + sample), {"role": "user", "content": problem(number)}],
            "generations": [completion(number, slips=sample == 0)],
        }
        for number in range(4)
        for sample in range(2)
    ]
    file = written(shots)
    spans = detected(file)
    assert len(spans) == spans.document.nunique() == 4
    documents = list(Chat(file))
    assert [document.group for document in documents] == [problem(number // 2) for number in range(8)]
    assert [role for role, _ in parted(documents[0])] == ["user", "user", "user", "thought", "answer"]
    assert "its prompt holds several turns of a user, and the last is its group" in assumed(documents[0])


@pytest.mark.parametrize(
    "fields", [{"reasoning_content": SLIP, "content": "7"}, {"content": f"[THINK]{SLIP}[/THINK]7"}]
)
def test_an_example_keeps_to_its_prompt_however_it_thinks(written, tmp_path, fields):
    template = tmp_path / "chat.jinja"
    template.write_text(
        "{% for m in messages %}<|{{ m.role }}|>{{ m.reasoning_content or '' }}{{ m.content }}\n{% endfor %}"
    )
    shot = [{"role": "user", "content": "3 + 4?"}, {"role": "assistant", **fields}]
    record = {"prompt": [*shot, {"role": "user", "content": problem(2)}], "answer": completion(2)}
    file = written([record])
    for name in ("plain", str(template)):
        [document] = Chat(file, prompt_field="prompt", answer_field="answer", template=name)
        assert document.group == problem(2)
        own = [text for role, text in parted(document) if role in ("thought", "answer", "completion")]
        assert "".join(own).count(SLIP) == 1
        assert "<|assistant|>" in document.text or name == "plain"


def test_several_turns_of_the_model_are_its_words_and_told(detected, written):
    file = written([{"messages": [*example(7), *turns(number)]} for number in range(3)])
    assert len(detected(file)) == 6
    [document] = list(Chat(file))[:1]
    assert document.group == example(7)[0]["content"]
    assert any("holds several turns of the model" in what and "is its group" in what for what in assumed(document))
    [grouped] = list(Chat(written([{"messages": [*example(7), *turns(1)], "key": "a"}]), group_field="key"))
    assert not assumed(grouped)


def thought_twice(number, field):
    [user, model] = turns(number)
    return {"messages": [user, {**model, "reasoning_content": field}]}


@pytest.mark.parametrize("field", [f"I add. {SLIP}, again. So 4.", f"\nI add.  {SLIP}, again.\nSo 4.\n"])
def test_a_thought_in_a_field_and_again_between_marks_is_used_once(detected, written, field):
    file = written([thought_twice(2, field)])
    assert len(detected(file)) == 1
    [document] = Chat(file)
    assert document.text == f"User: {problem(2)}\n\nAssistant: {completion(2)}"
    assert [role for role, _ in parted(document)] == ["user", "thought", "answer"]
    assert any("it was used once" in what for what in assumed(document))


def test_two_thoughts_that_differ_are_both_thoughts_and_told(written):
    [document] = Chat(written([thought_twice(2, "Another thought.")]))
    assert [role for role, _ in parted(document)] == ["user", "thought", "thought", "answer"]
    assert parted(document)[-1][1].strip() == "It is 4."
    assert any("both were taken as thoughts" in what for what in assumed(document))


def test_an_answer_behind_a_field_with_its_thought_may_speak_of_marks(written):
    turn = {"role": "assistant", "reasoning": "Easy.", "content": "Between <think> and </think> I think."}
    [document] = Chat(written([{"messages": [turns(1)[0], turn]}]))
    assert [role for role, _ in parted(document)] == ["user", "thought", "answer"]
    assert not assumed(document)


def test_both_ways_to_read_a_batch_give_the_same_groups_and_tell_what_they_are(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    choices = [{"message": {"role": "assistant", "content": completion(1)}}]
    batch = [{"custom_id": f"p{n}", "response": {"body": {"choices": choices * 2}}} for n in range(3)]
    file = written(batch)
    groups = []
    for source in ("chat", "openai_batch"):
        main(["detect", f"source={source}", f"source.path={file}", "hydra.run.dir=" + source, "reports=[]"])
        groups.append(load(tmp_path / source).table("spans").group.tolist())
    assert groups[0] == groups[1] == ["p0", "p0", "p1", "p1", "p2", "p2"]
    for fields in ({}, {"group_field": "custom_id", "id_field": "custom_id"}):
        [document, *_] = Chat(file, **fields)
        assert any("each record is a group of its own; where several are samples" in what for what in assumed(document))
    [document, *_] = Chat(written([{**batch[0], "problem_id": 7}]), group_field="problem_id")
    assert document.group == "7"
    assert not any("group of its own" in what for what in assumed(document))


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("prompt", "response"),
        ("prompt", "completion"),
        ("instruction", "output"),
        *((problem, answer) for problem in ("problem", "question") for answer in ("solution", "answer", "response")),
    ],
)
def test_a_problem_and_an_answer_in_columns_are_known_by_their_names(written, prompt, answer):
    [document] = Chat(written([{prompt: problem(2), answer: completion(2), "input": "" if prompt[0] == "i" else None}]))
    assert document.group == problem(2)
    assert [role for role, _ in parted(document)] == ["user", "thought", "answer"]
    assert any(f"what the model says was read from `{answer}`" in what for what in assumed(document))


def test_columns_that_may_be_meant_are_told_apart_or_asked_for(written):
    [document] = Chat(written([{"problem": "x", "response": "y", "answer": "z", "reasoning": "w"}]))
    assert parted(document) == [("user", "x"), ("thought", "w\n</think>"), ("answer", "\n\ny")]
    assert document.metadata == {"answer": "z"}
    [document] = Chat(written([{"instruction": "Add.", "input": "1 and 1", "output": "2"}]))
    assert parted(document) == [("user", "Add.\n\n1 and 1"), ("completion", "2")]
    with pytest.raises(DataError, match=r"`solution` and `answer`, and one of them.*source\.answer_field=solution"):
        list(Chat(written([{"problem": "x", "solution": "y", "answer": "z"}])))


@pytest.mark.parametrize("source", ["chat", "s1k"])
@pytest.mark.parametrize("prefix", ["", "deepseek_"])
def test_both_columns_of_thoughts_of_s1k_are_known(detected, written, source, prefix):
    record = {"question": "x", prefix + "thinking_trajectory": SLIP + ".", prefix + "attempt": "2", "solution": SLIP}
    assert len(detected(written([record]), source=source)) == 1
