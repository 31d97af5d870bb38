"""What a model is given to complete."""

import json
from pathlib import Path

import pytest

from neurosieve import ConfigError, Prompt
from neurosieve.commands.generate import COMMAND
from neurosieve.config.composition import composed
from neurosieve.config.configuration import as_object, publish
from neurosieve.models.tiny import tiny_model

FOUNDING = Path(__file__).parents[4] / "shared/data/founding"
CHAT = (
    "{% for message in messages %}{{ '<bos>' if loop.first else '' }}<{{ message.role }}>{{ message.content }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHAT


def preset(name):
    publish(COMMAND.schemas)
    return as_object(Prompt, composed("generate", [f"prompt={name}"]).prompt, "prompt")


@pytest.fixture
def tokenizer():
    made = tiny_model()[1]
    made.chat_template = CHAT
    return made


def test_the_default_is_the_prompt_of_every_founding_trace():
    if not FOUNDING.is_dir():
        pytest.skip("the founding traces are not beside this checkout (../shared/data/founding)")
    for file in FOUNDING.glob("*.json"):
        for record in json.loads(file.read_text()):
            assert record["generated_cot"].startswith(Prompt().text(record["problem_text"]))
    assert preset("notebook") == Prompt()


@pytest.mark.parametrize("problem", ["{problem}", "a {0} {x} \\boxed{} % $1 \\1 {{", "<bos>", "x\n\ny"])
def test_a_problem_is_put_in_as_it_is(problem):
    assert Prompt("Q: {problem} A: \\boxed{}").text(problem) == f"Q: {problem} A: \\boxed{{}}"


def test_examples_stand_before_the_problem_in_the_same_template():
    examples = ({"problem": "1?", "completion": "one"}, {"problem": "{problem}", "completion": "2"})
    assert Prompt("Q: {problem}\nA: ", examples).text("3?") == "Q: 1?\nA: one\n\nQ: {problem}\nA: 2\n\nQ: 3?\nA: "


def test_a_chat_is_put_into_the_template_of_the_tokenizer(tokenizer):
    prompt = Prompt("{problem}!", ({"problem": "1?", "completion": "one"},), chat=True, system="Be brief.")
    assert prompt.text("2?", tokenizer) == "<bos><system>Be brief.<user>1?!<assistant>one<user>2?!<assistant>"
    assert preset("chat").text("2?", tokenizer).startswith("<bos><user>2?\n\nSolve this math problem")


def test_variables_reach_the_chat_template_and_one_that_it_does_not_read_is_refused(tokenizer):
    tokenizer.chat_template = CHAT + "{% if enable_thinking %}<think>{% endif %}"
    assert Prompt("{problem}", chat=True).text("2?", tokenizer) == "<bos><user>2?<assistant>"
    thinking = Prompt("{problem}", chat=True, template_variables={"enable_thinking": True})
    assert thinking.text("2?", tokenizer) == "<bos><user>2?<assistant><think>"
    misspelt = Prompt("{problem}", chat=True, template_variables={"enable_thinkng": True})
    with pytest.raises(ConfigError, match="reads no `enable_thinkng`, so it changes nothing: correct the name"):
        misspelt.text("2?", tokenizer)


@pytest.mark.parametrize(
    "override",
    [
        "prompt.template_variables={enable_thinking: true}",
        "prompt.template_variables.enable_thinking=true",
        "+prompt.template_variables.enable_thinking=true",
    ],
)
def test_variables_are_given_on_the_command_line(override):
    publish(COMMAND.schemas)
    prompt = as_object(Prompt, composed("generate", ["prompt=chat", override]).prompt, "prompt")
    assert prompt.template_variables == {"enable_thinking": True}


def test_a_chat_with_a_tokenizer_without_a_template_is_refused(tokenizer):
    tokenizer.chat_template = None
    with pytest.raises(ConfigError, match=r"tokenizer has no chat template: .*prompt=notebook"):
        Prompt(chat=True).text("2?", tokenizer)


def test_a_chat_template_that_refuses_the_messages_is_told(tokenizer):
    tokenizer.chat_template = NO_SYSTEM
    with pytest.raises(ConfigError, match=r"refuses the messages \(no system\)"):
        Prompt(chat=True, system="Be brief.").text("2?", tokenizer)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"template": "Solve it."}, r"'Solve it.' has no `\{problem\}`: write it where the problem is to go"),
        ({"template": ""}, "has no `{problem}`"),
        ({"template": "{ problem }"}, "has no `{problem}`"),
        ({"system": "Be brief."}, "has a `system` message and is not a chat"),
        ({"template_variables": {"a": 1}}, "has `template_variables` and is not a chat"),
        ({"template_variables": {"tokenize": 1}, "chat": True}, "holds `tokenize`, which is no variable"),
        ({"examples": ({"problem": "1?"},)}, "example 1 of the prompt is"),
        ({"examples": ({"problem": "1?", "completion": "1", "level": "2"},)}, "example 1 of the prompt is"),
        ({"stop": ("",)}, r"prompt.stop is \[''\]: give a list, each item a text, not empty"),
    ],
)
def test_a_prompt_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Prompt(**fields)


def test_the_examples_of_corrections_hold_slips_that_are_put_right_and_end_in_the_right_answer():
    prompt = preset("corrections")
    texts = [example["completion"] for example in prompt.examples]
    assert sum("Wait, that's not right. Let me recalculate" in text or "Let me redo" in text for text in texts) >= 2
    assert any("Wait" not in text and "Hmm" not in text for text in texts), "not every problem is one to slip on"
    for example in prompt.examples:
        *_, last = example["completion"].split("\n</think>")[0].split(" = ")
        assert example["completion"].endswith(f"\n</think>\n\\boxed{{{last.rstrip('.')}}}")


def test_a_completion_that_goes_on_to_a_next_problem_is_stopped_before_it():
    prompt = preset("corrections")
    going_on = prompt.text("one") + "1\n\n" + prompt.text("two")[prompt.text("two").index("Problem: two") :]
    behind = going_on[len(prompt.text("one")) :]
    assert any(behind.find(stop) == 1 for stop in prompt.stop)
    assert not any(stop in example["completion"] for stop in prompt.stop for example in prompt.examples)
