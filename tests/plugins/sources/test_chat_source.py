"""Conversations, however their records spell them."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosieve import ConfigError, DataError, Skipped
from neurosieve_plugins.sources.chat import Chat

USER, MODEL = "1 + 1?", "<think>Easy.</think>Two."
TURNS = [{"role": "user", "content": USER}, {"role": "assistant", "content": MODEL}]
PARTED = [("user", USER), ("thought", "Easy.</think>"), ("answer", "Two.")]


@pytest.fixture
def read(tmp_path):
    def read(*records, **fields):
        file = tmp_path / "chats.jsonl"
        file.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
        return list(Chat(str(file), **fields))

    return read


def parted(document):
    return [(passage.role, document.text[passage.start : passage.end]) for passage in document.passages]


def said(read, *records, **fields):
    with pytest.raises(DataError) as caught:
        read(*records, **fields)
    return str(caught.value)


def assumed(document):
    return [assumption.what for assumption in document.assumptions]


@pytest.mark.parametrize(
    "record",
    [
        {"messages": TURNS},
        {"conversations": [{"from": "human", "value": USER}, {"from": "gpt", "value": MODEL}]},
        {"dialog": [{"role": "user", "text": USER}, {"role": "model", "text": MODEL}]},
        {"conversation": [{"role": "human", "content": USER}, {"role": "assistant", "content": MODEL}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "1 + "}, {"type": "text", "text": "1?"}]},
                {"role": "assistant", "content": [{"type": "output_text", "text": MODEL}]},
            ]
        },
    ],
)
def test_every_spelling_of_a_conversation_gives_the_same_document(read, record):
    [document] = read(record)
    assert document.text == f"User: {USER}\n\nAssistant: {MODEL}"
    assert parted(document) == PARTED
    assert document.group == USER
    assert document.text[document.completion_start :] == "Easy.</think>Two."
    assert not document.assumptions


@pytest.mark.parametrize(
    "answer",
    [
        {"content": "Two.", "reasoning_content": "Easy."},
        {"content": "Two.", "reasoning": "Easy."},
        {"content": "Two.", "thinking": "Easy."},
        {"content": "Two.", "reasoning": {"summary": [{"type": "summary_text", "text": "Easy."}]}},
        {"content": [{"type": "thinking", "thinking": "Easy."}, {"type": "text", "text": "Two."}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Easy."}]}, "Two."]},
    ],
)
def test_a_thought_beside_the_answer_is_put_before_it_between_think_tags(read, answer):
    [document] = read({"messages": [TURNS[0], {"role": "assistant", **answer}]})
    assert document.text == f"User: {USER}\n\nAssistant: <think>\nEasy.\n</think>\n\nTwo."
    assert parted(document) == [("user", USER), ("thought", "Easy.\n</think>"), ("answer", "\n\nTwo.")]
    assert len(document.stretches()) == 1, "thought and answer touch"


turns = st.lists(
    st.tuples(
        st.sampled_from(["system", "user", "assistant", "tool"]),
        st.text("ab wait?\nİ\N{PILE OF POO}:", min_size=1).filter(str.strip),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
).filter(lambda turns: any(role == "assistant" for role, _, _ in turns))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=turns)
def test_what_the_model_says_and_nothing_else_is_its_own(read, turns):
    messages = [
        {"role": role, "content": text, "reasoning_content": text[::-1] if thinks and role == "assistant" else None}
        for role, text, thinks in turns
    ]
    [document] = read({"messages": messages})
    thinks = any(role == "assistant" and thinks for role, _, thinks in turns)
    expected = [
        part
        for role, text, thought in turns
        for part in (
            [(role, text)]
            if role != "assistant"
            else [("thought", text[::-1] + "\n</think>"), ("answer", "\n\n" + text)]
            if thought
            else [("answer" if thinks else "completion", text)]
        )
    ]
    assert parted(document) == expected


@pytest.mark.parametrize(
    ("items", "name"),
    [
        (["One.", "Two."], "generations"),
        ([{"text": "One."}, {"text": "Two."}], "outputs"),
        ([{"message": {"role": "assistant", "content": "One."}}, {"message": {"content": "Two."}}], "choices"),
        ([{"content": "One.", "score": 3}, {"content": "Two."}], "samples"),
        ([["One.", "Two."]], "resps"),
        ([[{"role": "assistant", "content": "One."}], [{"role": "assistant", "content": "Two."}]], "completions"),
        ([{"response": "One."}, {"response": "Two."}], "responses"),
    ],
)
def test_several_completions_of_a_problem_are_documents_of_one_group(read, items, name):
    first, second, other = read({"problem": USER, name: items}, {"problem": "2 + 2?", name: items[:1]})[:3]
    assert (first.id, second.id, other.id) == ("1/1", "1/2", "2/1")
    assert first.group == second.group == USER != other.group
    assert [parted(document)[-1] for document in (first, second)] == [("completion", "One."), ("completion", "Two.")]
    assert f"its completions were read from `{name}`" in assumed(first)
    assert first.metadata.get("score") == (3 if name == "samples" else None)


def test_completions_beside_turns_replace_the_last_answer(read):
    documents = read(
        {"messages": [*TURNS, {"role": "user", "content": "Sure?"}, TURNS[1]], "generations": ["Yes.", "No."]}
    )
    assert [parted(document)[-2:] for document in documents] == [
        [("user", "Sure?"), ("completion", "Yes.")],
        [("user", "Sure?"), ("completion", "No.")],
    ]


def test_texts_of_a_server_for_completions_are_joined_as_they_stand(read):
    prompt = "<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n<think>\n"
    [document] = read({"prompt": prompt, "outputs": [{"text": "Easy.</think>Two.", "index": 0}]})
    assert document.text == prompt + "Easy.</think>Two."
    assert parted(document) == [("user", prompt), ("thought", "Easy.</think>"), ("answer", "Two.")]
    assert any("right after its prompt" in what for what in assumed(document))
    [document] = read({"prompt": "1 + 1?", "completions": [" Two."]}, template="none")
    assert document.text == "1 + 1? Two."


def test_thought_and_answer_in_columns_make_a_turn(read):
    record = {"q": USER, "cot": "Easy.", "attempt": "Two.", "grade": "Yes", "system": "Be brief."}
    [document] = read(record, prompt_field="q", thought_field="cot", answer_field="attempt")
    assert document.text == f"System: Be brief.\n\nUser: {USER}\n\nAssistant: <think>\nEasy.\n</think>\n\nTwo."
    assert document.metadata == {"grade": "Yes"}


def test_paths_lead_into_records(read):
    record = {"meta": {"key": "a", "chat": {"turns": TURNS}}}
    [document] = read(record, messages_field="meta.chat.turns", id_field="meta.key", group_field="meta.key")
    assert (document.id, document.group) == ("a", "a")
    assert "record 2" in said(read, record, {"meta": {"key": "b"}}, messages_field="meta.chat.turns")


def test_what_a_conversation_holds_besides_words_is_left_out_and_told(read):
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    call = {"function": {"name": "add", "arguments": '{"a": 1}'}}
    [document] = read(
        {
            "messages": [
                {"role": "user", "content": [image, {"type": "text", "text": USER}]},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "content": "2"},
                {"role": "assistant", "content": "Two."},
                {"role": "assistant", "content": "Really."},
            ]
        }
    )
    assert parted(document) == [("user", USER), ("tool", "2"), ("completion", "Two."), ("completion", "Really.")]
    assert '"name": "add"' in document.text
    assert sorted(assumed(document)) == [
        "calls tools: the calls are written as JSON, and are no words of the model",
        "has a part that is not a text (`image_url`), which was left out",
        "two turns of the model follow one another: both were taken as its words",
    ]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"conversations": TURNS}, "holds what the model says in `conversations`, while record 1 (line 1) of "),
        ({"messages": [{"from": "human", "value": "x"}]}, "has a turn without `role`"),
        ({"messages": [{"role": "user", "text": "x"}]}, "has a turn with `text`, where the turns of the first record"),
        ({"messages": []}, "holds an empty list in `messages`"),
        ({"messages": None}, "holds null in `messages`"),
        ({"messages": ["x"]}, "has a turn without `role`"),
        (
            {"messages": [{"role": "narrator", "content": "x"}]},
            "has a turn by `narrator`, and who that is is not known",
        ),
        ({"messages": [{"role": "user", "content": 3}]}, "holds a number in `content` of a turn"),
        ({"messages": [{"role": "user", "content": "\ud83d"}]}, "half a character"),
        ({"messages": TURNS[:1]}, "holds no text of the model"),
        ({"messages": [TURNS[0], {"role": "assistant", "content": " \n"}]}, "holds no text of the model"),
        ([1], "is a list, not an object"),
    ],
)
def test_a_record_unlike_the_first_is_told_with_its_number_and_skipped_where_asked(read, record, message):
    whole = {"messages": TURNS}
    told = said(read, whole, whole, record)
    assert told.startswith("record 3 (line 3) of ")
    assert message in told
    documents = read(whole, record, whole, on_bad_record="skip")
    assert [type(document) is Skipped for document in documents] == [False, True, False]
    assert message in documents[1].why


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "x"}, "holds no conversation under a known name; it has `text`: set `source.messages_field`"),
        ({"messages": TURNS, "conversations": TURNS}, "`messages` and `conversations`, and one of them is needed"),
        (
            {"problem": "x", "question": "y", "generations": ["z"]},
            "`problem` and `question`, and one of them is needed",
        ),
        ({"problem": "x", "generations": []}, "holds an empty list in `generations`"),
        ({"problem": "x", "generations": ["z", None]}, "holds null as completion 2 of `generations`"),
        ({"problem": "x", "generations": ["z", {"score": 1}]}, "has no text in completion 2 of `generations`"),
    ],
)
def test_a_layout_that_cannot_be_told_is_refused(read, record, message):
    told = said(read, record)
    assert told.startswith("record 1 ")
    assert message in told


def test_a_role_may_be_given_a_meaning(read):
    record = {"messages": [{"role": "Narrator", "content": "Once."}, *TURNS]}
    [document] = read(record, roles={"Narrator": "system"})
    assert parted(document)[0] == ("system", "Once.")
    with pytest.raises(ConfigError, match="take system, user, assistant or tool"):
        Chat("chats.jsonl", roles={"narrator": "poet"})


def test_marks_are_found_at_the_start_of_a_turn_or_given(read):
    for opening, closing in (("[THINK]", "[/THINK]"), ("<|begin_of_thought|>", "<|end_of_thought|>")):
        [document] = read({"messages": [TURNS[0], {"role": "assistant", "content": f"{opening}Easy.{closing}Two."}]})
        assert parted(document)[1:] == [("thought", f"Easy.{closing}"), ("answer", "Two.")]
    turn = {"role": "assistant", "content": "Hm: <reasoning>Easy.</reasoning>Two."}
    assert parted(read({"messages": [TURNS[0], turn]})[0])[1:] == [("completion", turn["content"])]
    [document] = read({"messages": [TURNS[0], turn]}, markers="reasoning")
    assert parted(document)[1:] == [("answer", "Hm: "), ("thought", "Easy.</reasoning>"), ("answer", "Two.")]
    turn = {"role": "assistant", "content": "<|channel|>analysis<|message|>Easy.<|end|><|channel|>final<|message|>Two."}
    assert parted(read({"messages": [TURNS[0], turn]})[0])[1:] == [("thought", "Easy."), ("answer", "Two.")]


def test_a_dump_of_answers_alone_says_that_their_prompts_are_missing(read):
    body = {"choices": [{"message": {"role": "assistant", "content": "Two.", "reasoning_content": "Easy."}}]}
    [document] = read({"custom_id": "q-0", "response": {"body": body}}, group_field="custom_id", id_field="custom_id")
    assert (document.id, document.group) == ("q-0/1", "q-0")
    assert parted(document) == [("thought", "Easy.\n</think>"), ("answer", "\n\nTwo.")]
    assert any("without their prompt" in what for what in assumed(document))


def test_what_a_response_lists_before_its_message_is_its_thought(read):
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Easy."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Two."}]},
    ]
    [document] = read({"custom_id": "q-0", "response": {"body": {"output": output}}}, id_field="custom_id")
    assert parted(document) == [("thought", "Easy.\n</think>"), ("answer", "\n\nTwo.")]
    assert not any("follow one another" in what for what in assumed(document))


def test_a_first_record_that_is_bad_is_skipped_like_any_other(read):
    failed = {"custom_id": "q-0", "response": None, "error": {"code": "timeout"}}
    body = {"choices": [{"message": {"role": "assistant", "content": "Two."}}]}
    answered = {"custom_id": "q-1", "response": {"body": body}, "error": None}
    assert "record 1 (line 1)" in said(read, failed, answered)
    skipped, document = read(failed, answered, on_bad_record="skip")
    assert isinstance(skipped, Skipped)
    assert parted(document) == [("completion", "Two.")]
    assert "its `response` is null" in said(read, answered, answered, failed)


def test_conversations_of_a_folder_are_read(read, tmp_path):
    read({"messages": TURNS})
    (tmp_path / "more.jsonl").write_text(json.dumps({"messages": TURNS}))
    assert [document.id for document in Chat(str(tmp_path))] == ["chats/1", "more/1"]


@pytest.mark.parametrize("fields", [{"path": " "}, {"template_variables": {"a": 1}}, {"markers": "thoughts"}])
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises((ConfigError, TypeError)):  # The checks of types of `make test` are first.
        Chat(**{"path": "chats.jsonl"} | fields)


def test_a_file_that_is_missing_is_told():
    with pytest.raises(DataError, match="cannot read"):
        list(Chat(str(Path("nowhere") / "chats.jsonl")))


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": USER, "label": "good"},
        {"question": USER, "answer": "Two.", "label": "good"},
        {"messages": [{"role": "user", "content": USER}], "label": "good"},
        {"messages": [{"role": "user", "content": USER}, {"role": "assistant", "content": "Two."}], "label": "good"},
    ],
)
def test_prompts_alone_end_where_the_turn_of_the_model_would_begin(read, record):
    [document] = read(record, prompts_only=True)
    assert document.text == f"User: {USER}\n\nAssistant:"
    assert document.text_of("prompt") == USER
    assert (document.stretches(), document.completion_start) == ((), len(document.text))
    assert document.metadata["label"] == "good"


def test_prompts_alone_that_cannot_be_found_are_told(read):
    assert "holds no prompt under a known name; it has `ask`: set `source.prompt_field`" in said(
        read, {"ask": "x"}, prompts_only=True
    )
    assert "holds a blank prompt" in said(read, {"prompt": " "}, prompts_only=True)


def test_what_a_record_lists_for_each_completion_is_told_of_it_alone(read):
    record = {
        "problem": USER,
        "generations": ["Two.", "Three."],
        "correct": [True, False],
        "judge": {"by": "x"},
        "tags": ["sum", "easy", "short"],
    }
    right, wrong = read(record)
    assert right.metadata == {"correct": True, "judge": {"by": "x"}, "tags": ["sum", "easy", "short"]}
    assert wrong.metadata["correct"] is False
    assert "of `correct` it took the item of its own completion" in assumed(right)


def test_why_an_answer_of_a_batch_stopped_is_told_of_it(read):
    choices = [{"message": {"role": "assistant", "content": "Two and"}, "finish_reason": "length"}]
    [document] = read({"custom_id": "a", "response": {"body": {"choices": choices}}})
    assert document.metadata["finish_reason"] == "length"


def test_records_with_nothing_but_a_prompt_point_to_the_setting_that_reads_them(read):
    assert "where they hold prompts alone, set `source.prompts_only=true`" in said(read, {"prompt": "x", "harmful": 1})
