"""`--help` lists what a command can choose, and nothing else."""

import re

import pytest

from neurosieve.cli import main
from neurosieve.commands import ablate, analyze, detect, find, generate, learn, plan, show
from neurosieve.config.configuration import publish

CHOSEN = {
    ablate: {"intervention", "problems", "prompt", "grader", "reports"},
    analyze: {"source", "detectors", "grader", "reports"},
    detect: {"source", "detectors", "reports"},
    generate: {"model", "problems", "prompt", "reports"},
    learn: {"source", "detectors", "reports"},
    show: {"reports"},
    find: {
        *("model", "source", "detectors", "control", "selection", "scorers", "validate", "replicate_on", "executor"),
        *("reports", "+experiment", "problems@validate.problems", "prompt@validate.prompt"),
    },
}
CHOSEN[plan] = CHOSEN[find]


def choices_of(capsys, command):
    """Return the options of each key that the help of a command lists."""
    with pytest.raises(SystemExit, match="0"):
        main([command.name, "--help"])
    page = capsys.readouterr().out
    listed = page.partition("== What can be chosen ==\n")[2].partition("\n== ")[0]
    lines = re.findall(r"^  (\S+): (.*(?:\n    .*)*)", listed, flags=re.MULTILINE)
    return {key: re.sub(r"\s+", " ", options).split(", ") for key, options in lines}


@pytest.mark.parametrize(("module", "keys"), CHOSEN.items(), ids=[module.COMMAND.name for module in CHOSEN])
def test_help_lists_the_parts_of_the_command(capsys, module, keys):
    choices = choices_of(capsys, module.COMMAND)
    assert set(choices) == keys
    assert "backtracking" in choices.get("detectors", ["backtracking"])
    assert "html" in choices["reports"]


@pytest.mark.parametrize("module", [find, generate, ablate], ids=["find", "generate", "ablate"])
def test_all_that_help_lists_can_be_chosen(capsys, module):
    command = module.COMMAND
    publish(command.schemas)
    for key, options in choices_of(capsys, command).items():
        within = ["validate=generated"] if "@validate" in key else []
        for option in options:
            value = f"[{option}]" if key in ("detectors", "scorers", "reports") else option
            config = command.compose([*within, f"{key}={value}"])
            if value != option:
                assert list(config[key]) == [option]
