"""Whose words a text's are, where only marks in it say so."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import ConfigError, DataError
from neurosieve_plugins.sources.authorship import Authorship
from neurosieve_plugins.sources.thought_marks import FAMILIES
from neurosieve_plugins.sources.traces import Traces
from neurosieve_plugins.sources.turn_marks import TEMPLATES, template_in

THINK = Authorship("<think>")
PROBLEM = "A crate holds 29 jars. How many do 7 crates hold?"
CHATS = {
    "chatml": "<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n{model}<|im_end|>\n",
    "llama3": "<|start_header_id|>user<|end_header_id|>\n\n{user}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{model}<|eot_id|>",
    "llama4": "<|header_start|>user<|header_end|>\n\n{user}<|eot|>"
    "<|header_start|>assistant<|header_end|>\n\n{model}<|eot|>",
    "gemma": "<start_of_turn>user\n{user}<end_of_turn>\n<start_of_turn>model\n{model}<end_of_turn>\n",
    "harmony": "<|start|>user<|message|>{user}<|end|><|start|>assistant<|channel|>final<|message|>{model}<|end|>",
    "bars": "<|user|>\n{user}</s>\n<|assistant|>\n{model}</s>\n",
    "deepseek": "<｜User｜>{user}<｜Assistant｜>{model}<｜end▁of▁sentence｜>",
    "granite": "<|start_of_role|>user<|end_of_role|>{user}<|end_of_text|>\n"
    "<|start_of_role|>assistant<|end_of_role|>{model}<|end_of_text|>\n",
    "mistral": "[INST]{user}[/INST]{model}</s>",
}
"""A question and its answer as each chat template writes them, put down by hand."""
plain = st.text("ab wait?\nİ\N{PILE OF POO}", min_size=1).filter(str.strip)


def parted(words, text):
    return [(passage.role, text[passage.start : passage.end]) for passage in words.passages]


@pytest.mark.parametrize("template", TEMPLATES)
@given(turns=st.lists(st.tuples(plain, plain), min_size=1, max_size=4))
def test_the_turns_of_every_known_template_are_told_apart(template, turns):
    text = "".join(CHATS[template].format(user=user, model=model) for user, model in turns)
    words = THINK.words_of(text)
    expected = [part for turn in turns for part in zip(("user", "model"), turn, strict=True)]
    found = [("user" if role == "user" else "model", said) for role, said in parted(words, text)]
    # A line break or a blank that belongs to the mark may be the text's own first one too.
    assert [(who, said.strip()) for who, said in found] == [(who, said.strip()) for who, said in expected]
    assert text[words.completion_start :].startswith(found[1][1])
    assert template_in(text) == template
    [assumption] = words.assumptions
    assert template in assumption.what
    assert not assumption.doubtful


def test_a_template_that_is_named_is_no_assumption():
    text = CHATS["gemma"].format(user="1 + 1?", model="Two.")
    words = Authorship("<think>", turn_marks="gemma").words_of(text)
    assert parted(words, text) == [("user", "1 + 1?"), ("completion", "Two.")]
    assert not words.assumptions
    assert not Authorship(None, turn_marks=None).words_of(text).passages


def test_marks_of_turns_in_a_thought_are_the_models_words():
    text = f"1 + 1?\n<think>\nIn a chat it would be {CHATS['chatml'].format(user='1 + 1?', model='Two.')}</think>Two."
    words = THINK.words_of(text)
    assert [role for role, _ in parted(words, text)] == ["user", "thought", "answer"]
    assert text[words.completion_start :].startswith("\nIn a chat")
    mentioned = "Think in <think> tags.<｜User｜>1 + 1?<｜Assistant｜><think>\nEasy.</think>Two."
    assert [role for role, _ in parted(THINK.words_of(mentioned), mentioned)] == ["user", "thought", "answer"]


def test_what_a_model_writes_after_a_known_start_is_its_own_even_if_it_imitates_a_turn():
    prompt = "<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n"
    text = prompt + "Two.<|im_end|>\n<|im_start|>user\nAnd 2 + 2?<|im_end|>"
    words = THINK.words_of(text, len(prompt), declared=True)
    assert words.completion_start == len(prompt)
    assert parted(words, text)[-1] == ("completion", text[len(prompt) :])


@pytest.mark.parametrize("family", FAMILIES)
@given(prompt=plain, thought=plain, answer=plain)
def test_thought_and_answer_of_every_family_are_told_apart_and_touch(family, prompt, thought, answer):
    marks = FAMILIES[family]
    text = f"{prompt}{marks.start}{thought}{marks.end}{answer}"
    words = Authorship(None, markers=family).words_of(text)
    assert parted(words, text) == [("user", prompt), ("thought", thought + marks.end), ("answer", answer)]
    assert words == Authorship(marks.start).words_of(text), "a marker of one's own may be that of a family"
    assert not words.assumptions


def test_the_channels_of_harmony_are_thought_and_answer():
    text = (
        "<|start|>system<|message|>Reasoning: high<|end|><|start|>user<|message|>1 + 1?<|end|>"
        "<|start|>assistant<|channel|>analysis<|message|>Easy.<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.add <|constrain|>json<|message|>{}<|call|>"
        "<|start|>functions.add to=assistant<|channel|>commentary<|message|>2<|end|>"
        "<|start|>assistant<|channel|>final<|message|>Two.<|return|>"
    )
    expected = [
        ("system", "Reasoning: high"),
        ("user", "1 + 1?"),
        ("thought", "Easy."),
        ("completion", "{}"),
        ("tool", "2"),
        ("answer", "Two."),
    ]
    words = THINK.words_of(text)
    assert parted(words, text) == expected
    assert words.assumptions[0].what.startswith("holds no `<think>`")
    assert "markers=harmony" in words.assumptions[0].what
    assert not Authorship(None, markers="harmony").words_of(text).assumptions
    # And where the prompt is elsewhere, as in dumps of completions.
    completion = text[text.index("<|channel|>") :]
    assert parted(THINK.words_of(completion), completion) == expected[2:]


# Each with the words right behind the marker that is meant, and whether the choice is doubtful.
SEVERAL = [
    (f"Put thoughts in <think> and </think>. {PROBLEM}\nAssistant: <think>\nmeant </think> 203", False),
    (f"Use `<think>`!\n{PROBLEM}\n### Response\n<think>meant</think>", False),
    (f"Example: 1 + 1? Solution: <think>\nTwo.</think>\n\nProblem: {PROBLEM} Solution: <think>\nmeant", False),
    (f"{PROBLEM} <think> meant, or do I write <think> twice? </think>", False),
    (f"<think>meant: {PROBLEM} So I write <think> again.</think>", False),
    ("Between <think> and </think>. Human: 1 + 1? Assistant: <think>\nmeant</think>", False),
    ("Q: 1 + 1? Solution: <think>\nmeant?</think>\nQ: 2 + 2? Solution: <think>\nor this?</think>", True),
    ("a <think> meant, b <think> or this?", True),
]


@pytest.mark.parametrize(("text", "doubtful"), SEVERAL)
def test_of_several_markers_the_one_that_opens_the_completion_is_taken_and_told(text, doubtful):
    words = THINK.words_of(text, problem=PROBLEM)
    assert text[words.completion_start :].strip().startswith("meant")
    [assumption] = words.assumptions
    assert "more than once" in assumption.what
    assert assumption.doubtful == doubtful


def test_a_single_marker_that_only_the_prompt_speaks_of_is_doubtful():
    [assumption] = THINK.words_of(f"Think in <think> tags. {PROBLEM} It is 203.", problem=PROBLEM).assumptions
    assert assumption.doubtful
    assert not THINK.words_of(f"<think> {PROBLEM} It is 203.", problem=PROBLEM).assumptions
    assert not THINK.words_of(f"{PROBLEM} <think> It is 203.", problem=PROBLEM).assumptions


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("1 + 1? [THINK]Easy.[/THINK]Two.", "set `source.markers=magistral`"),
        ("1 + 1? <reasoning>Easy.</reasoning><answer>2</answer>", "set `source.markers=reasoning`"),
        ("1 + 1? <|begin_of_thought|>Easy.<|end_of_thought|>", "set `source.markers=open_thoughts`"),
        ("analysisWe add.assistantfinalTwo.", "set `source.markers=harmony`"),
        ("Two.", "the whole text was taken as the model's; if it is, set `source.completion_marker=null`"),
    ],
)
def test_a_text_without_the_marker_says_which_setting_fits(text, advice):
    words = THINK.words_of(text)
    assert (words.completion_start, words.passages) == (0, ())
    [assumption] = words.assumptions
    assert assumption.what.startswith("holds no `<think>`: ")
    assert assumption.what.endswith(advice)


def test_a_completion_whose_thought_the_prompt_opened_is_parted_at_its_end():
    text = "Easy. </think> Two."
    for words in (THINK.words_of(text), THINK.words_of("1 + 1?" + text, len("1 + 1?"))):
        assert [passage.role for passage in words.passages if passage.role != "user"] == ["thought", "answer"]
        assert "start inside a thought" in words.assumptions[0].what
    prompt = "1 + 1? <think>\n"
    words = THINK.words_of(prompt + "Easy", len(prompt))
    assert parted(words, prompt + "Easy") == [("user", prompt), ("thought", "Easy")]


def test_a_start_that_is_declared_is_believed_to_the_character():
    prompt = "1 + 1? "
    text = prompt + "<think>Easy.</think>Two."
    words = THINK.words_of(text, len(prompt), declared=True)
    assert words.completion_start == len(prompt)
    assert parted(words, text)[1:] == [("thought", "<think>Easy.</think>"), ("answer", "Two.")]


def test_thoughts_between_answers_are_all_found():
    text = "<think>a</think>b<think>c</think>d <think> is a tag"
    words = THINK.words_of(text, 0)
    expected = [("thought", "a</think>"), ("answer", "b"), ("thought", "c</think>"), ("answer", "d <think> is a tag")]
    assert parted(words, text) == expected


def test_a_marker_of_ones_own_ends_nowhere_unless_that_is_said():
    text = "1 + 1? Answer: Easy. So: Two."
    assert Authorship("Answer:").words_of(text).passages == ()
    words = Authorship("Answer:", thought_end="So:").words_of(text)
    assert parted(words, text)[1:] == [("thought", " Easy. So:"), ("answer", " Two.")]


@pytest.mark.parametrize(
    "settings", [{"completion_marker": None, "thought_end": "x"}, {"markers": "harmony", "turn_marks": "chatml"}]
)
def test_settings_that_exclude_each_other_are_refused(settings):
    with pytest.raises(ConfigError):
        Authorship(**{"completion_marker": "<think>"} | settings)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("with_marker", "refused"), [(20, True), (31, False), (0, False), (60, False)])
def test_a_marker_that_most_records_lack_and_others_have_is_refused(tmp_path, order, with_marker, refused):
    texts = ["1? <think> One." if number < with_marker else "1? One." for number in range(60)][::order]
    file = tmp_path / "traces.jsonl"
    file.write_text("\n".join(json.dumps({"generated_cot": text}) for text in texts))
    source = Traces(str(file), group_field=None, id_field=None)
    if refused:
        with pytest.raises(DataError, match="in 40 of 60 records nothing says where the completion starts"):
            list(source)
    else:
        assert len(list(source)) == 60


@pytest.mark.parametrize("before", ["", "User: ", "You are a helpful assistant.\n\n"])
def test_a_text_without_the_marker_that_holds_its_problem_is_doubtful(before):
    text = f"{before}{PROBLEM}\nIt is 203."
    [assumption] = THINK.words_of(text, problem=PROBLEM.replace(" ", "  ")).assumptions
    assert assumption.doubtful
    assert "set `source.completion_marker` to what stands before the completion, or to null" in assumption.what
    assert not Authorship(None).words_of(text, problem=PROBLEM).assumptions


@pytest.mark.parametrize(
    ("text", "problem"),
    [("It is 203.", "What is 7 times 29?"), ("Cats are kept in cats' homes.", "Cats"), ("So 1 + 1? 2.", "")],
)
def test_a_text_without_the_marker_that_holds_no_problem_is_only_told(text, problem):
    [assumption] = THINK.words_of(text, problem=problem).assumptions
    assert not assumption.doubtful


def test_a_thought_that_only_ends_is_doubtful_where_the_text_begins_with_the_problem():
    [assumption] = THINK.words_of(f"User: {PROBLEM} Easy. </think> 203.", problem=PROBLEM).assumptions
    assert assumption.doubtful
    [assumption] = THINK.words_of(f"Easy. </think> 203. It was: {PROBLEM}", problem=PROBLEM).assumptions
    assert not assumption.doubtful
