"""A value of the wrong type is answered with its key, the value, and what is needed."""

import pytest
from messages import message_of

from neurosieve import ConfigError
from neurosieve.commands import ablate, analyze, annotate, detect, find, generate, learn, plan, show
from neurosieve.config.command import Group, One
from neurosieve.config.configuration import publish
from neurosieve.config.hydra_errors import explained


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["permutations=x"], "`permutations` is `x`: give a whole number"),
        (["seed=1.5"], "`seed` is `1.5`: give a whole number"),
        (["seed=[1]"], "`seed` is `[1]`: give a whole number"),
        (["seed=null"], "`seed` is `null`: give a whole number"),
        (["seed="], "`seed` is ``: give a whole number"),
        (["confidence='a b'"], "`confidence` is `'a b'`: give a number"),
        (["model.trust_remote_code=maybe"], "`model.trust_remote_code` is `maybe`: give true or false"),
        (["model.name=[a]"], "`model.name` is `[a]`: give a text"),
        (["source.slips=much"], "`source.slips` is `much`: give a number"),
        (["layers=3"], "`layers` is `3`: give a list, as in `layers=[3]`"),
        (["layers=[0,x]"], "`layers` is `[0,x]`: `x` is not a whole number"),
        (["selection.extra_positions=window"], "give a list, as in `selection.extra_positions=[window]`"),
        (["-m", "seed=x,1"], "`seed` is `x`: give a whole number"),
        (["+seed=1"], "`seed` is in the config already: write `seed=...`, without +"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_is_needed(capsys, empty_folder, arguments, message):
    printed = message_of(capsys, "find", *arguments)
    assert printed.startswith("neurosieve: ")
    assert printed.endswith(f"{message}\n")
    assert printed.count("\n") == 1
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seed: x", "the config file `experiment/own` holds `x`, where a whole number is needed"),
        ("layers: 3", "the config file `experiment/own` holds a single value where a list is needed"),
        ("null: within_groups", "the config file `experiment/own` has a key `null` without quotes, which YAML takes"),
    ],
)
def test_a_value_of_the_wrong_type_in_a_config_file_is_named_with_the_file(capsys, empty_folder, line, message):
    (empty_folder / "configs" / "experiment").mkdir(parents=True)
    (empty_folder / "configs" / "experiment" / "own.yaml").write_text(f"# @package _global_\n{line}\n")
    assert message in message_of(capsys, "find", "--config-dir", "configs", "+experiment=own")


def test_the_null_is_chosen_in_a_config_file_by_a_key_in_quotes(capsys, empty_folder):
    (empty_folder / "configs" / "experiment").mkdir(parents=True)
    own = "# @package _global_\n'null': within_groups\n"
    (empty_folder / "configs" / "experiment" / "own.yaml").write_text(own)
    message = message_of(capsys, "find", "--config-dir", "configs", "+experiment=own")
    assert "null is within_groups, which exchanges labels of whole texts" in message
    assert message == message_of(capsys, "find", "null=within_groups")


COMMANDS = [module.COMMAND for module in (ablate, analyze, annotate, detect, find, generate, learn, plan, show)]
PARTS = [(command, key, part) for command in COMMANDS for key, part in command.parts.items()]
INNER = [
    (command, f"{key}.{inner}")
    for command, key, part in PARTS
    if isinstance(part, Group)
    for inner in part.parts
]  # fmt: skip


def parts_of(command, *overrides):
    publish(command.schemas)
    given = ["source.path=a.json"] if command.name in ("analyze", "learn") else []
    overrides = command.for_hydra([*given, *overrides])
    with explained(command.name, overrides):
        return command.build(command.compose(overrides))


@pytest.mark.parametrize("value", ["null", "3"])
@pytest.mark.parametrize(("command", "key", "part"), PARTS, ids=[f"{command.name} {key}" for command, key, _ in PARTS])
def test_a_part_that_is_null_or_a_number_is_refused_by_name(command, key, part, value):
    if value == "null" and isinstance(part, One) and part.null:
        assert parts_of(command, f"{key}=null")[key] is None
        return
    with pytest.raises(ConfigError, match=f"^`{key}` is `{value}`"):
        parts_of(command, f"{key}={value}")


@pytest.mark.parametrize(("command", "key"), INNER, ids=[f"{command.name} {key}" for command, key in INNER])
def test_a_part_of_a_part_that_is_null_is_refused_by_name(command, key):
    with pytest.raises(ConfigError, match=f"^`{key}` (is `null`|builds no .*`problems@{key}=...`)"):
        parts_of(command, "validate=generated", f"{key}=null")


def test_a_part_that_is_null_ends_the_command_line_with_one_message(capsys, empty_folder):
    message = message_of(capsys, "generate", "sampling=null")
    assert message == (
        "neurosieve: `sampling` is `null`, and it holds fields: give one, as in `sampling.temperature=...`\n"
    )
    assert list(empty_folder.iterdir()) == []
