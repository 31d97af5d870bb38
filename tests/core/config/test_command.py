"""A command is declared once: what a config asks for and what a call in Python asks for are built alike."""

import inspect

import pytest

import neurosieve
from neurosieve import ConfigError
from neurosieve.commands import ablate, analyze, find, plan
from neurosieve.config.command import AS_CONFIG, Command, Fields, Many, One
from neurosieve.config.configuration import publish
from neurosieve.generation.sampling import Sampling
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.graders.boxed import Boxed
from neurosieve_plugins.graders.math_verify import MathVerify


def from_config(command: Command, *overrides: str):
    publish(command.schemas)
    return command.build(command.compose(overrides))


@pytest.mark.parametrize("command", [find.COMMAND, ablate.COMMAND], ids=["find", "ablate"])
def test_what_a_call_does_not_say_is_as_the_config_says(command):
    assert command.from_python({}, {}) == from_config(command)


def test_names_choose_presets_as_on_the_command_line():
    choices = {
        "detectors": ["hedging", "hesitation"],
        "scorers": "auc",
        "selection": "window",
        "replicate_on": "arithmetic",
    }
    overrides = ["detectors=[hedging,hesitation]", "scorers=[auc]", "selection=window", "replicate_on=arithmetic"]
    assert find.COMMAND.from_python(choices, {"seed": 3}) == from_config(find.COMMAND, *overrides, "seed=3")


def test_objects_are_taken_as_they_are():
    detectors, grader = {"doubt": Phrases(("doubt",))}, Boxed()
    parts = analyze.COMMAND.from_python({"source": [], "detectors": detectors, "grader": grader}, {})
    assert parts["source"] == []
    assert parts["detectors"] is detectors
    assert parts["grader"] is grader


def test_none_switches_off_what_can_be_and_is_the_default_of_the_rest():
    built = {
        name: ablate.COMMAND.from_python({"grader": grader, "intervention": None}, {})
        for name, grader in (("none", None), ("default", AS_CONFIG), ("preset", "none"))
    }
    assert built["none"]["grader"] is built["preset"]["grader"] is None
    assert built["default"]["grader"] == MathVerify()
    assert built["none"]["intervention"] == built["default"]["intervention"]
    assert built["none"]["intervention"] is not None


def test_some_fields_of_a_dataclass_are_set_upon_those_of_the_config():
    parts = ablate.COMMAND.from_python({"sampling": {"temperature": 0.5}}, {})
    assert parts["sampling"] == Sampling(temperature=0.5, max_new_tokens=200)
    with pytest.raises(ConfigError, match="`sampling` has no field `temprature`: did you mean `temperature`"):
        ablate.COMMAND.from_python({"sampling": {"temprature": 0.5}}, {})


def test_plan_takes_what_find_takes():
    assert from_config(plan.COMMAND, "reports=[html]") == from_config(find.COMMAND)
    with pytest.raises(ConfigError, match=r"no detector is given: choose at least one, as in `detectors=\[...\]`"):
        plan.COMMAND.from_python({"detectors": []}, {})


def test_keys_that_stand_for_another_group_are_given_to_hydra_as_it_knows_them():
    command = Command(
        "any", Sampling, {"other": One("source", group="source@other"), "grader": One("grader", null="none"),
                          "many": Many("report"), "model": Fields(Sampling)}
    )  # fmt: skip
    given = ["other=text", "other.path=a=b", "grader=null", "grader=boxed", "-m", "seed=1"]
    assert command.for_hydra(given) == [
        "source@other=text",
        "other.path=a=b",
        "grader=none",
        "grader=boxed",
        "-m",
        "seed=1",
    ]


@pytest.mark.parametrize("name", ["find", "detect", "annotate", "learn", "generate", "analyze", "show", "ablate"])
def test_no_default_of_a_preset_stands_in_a_signature(name):
    defaults = [parameter.default for parameter in inspect.signature(getattr(neurosieve, name)).parameters.values()]
    assert set(map(repr, defaults)) <= {repr(inspect.Parameter.empty), "None", "as the config says", "()"}
