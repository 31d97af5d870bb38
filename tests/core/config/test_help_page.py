"""`--help` lists what a command can choose, and nothing else."""

import re
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from itertools import zip_longest

import pytest

from neurosieve.cli import main
from neurosieve.commands import ablate, analyze, detect, find, generate, learn, plan, show
from neurosieve.config.configuration import publish

CHOSEN = {
    ablate: {"intervention", "problems", "prompt", "grader", "reports"},
    analyze: {"source", "detectors", "grader", "reports"},
    detect: {"source", "detectors", "suggest", "reports"},
    generate: {"model", "problems", "prompt", "reports"},
    learn: {"source", "learner", "detectors", "reports"},
    show: {"reports"},
    find: {
        *("model", "source", "detectors", "control", "selection", "reading", "scorers", "validate", "replicate_on"),
        *("beside", "executor", "reports", "+experiment", "problems@validate.problems", "prompt@validate.prompt"),
    },
}
CHOSEN[plan] = CHOSEN[find]


@cache
def choices_of(name):
    """Return the options of each key that the help of a command lists."""
    with redirect_stdout(StringIO()) as out, pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    page = out.getvalue()
    listed = page.partition("== What can be chosen ==\n")[2].partition("\n== ")[0]
    lines = re.findall(r"^  (\S+): (.*(?:\n    .*)*)", listed, flags=re.MULTILINE)
    return {key: re.sub(r"\s+", " ", options).split(", ") for key, options in lines}


@pytest.mark.parametrize(("module", "keys"), CHOSEN.items(), ids=[module.COMMAND.name for module in CHOSEN])
def test_help_lists_the_parts_of_the_command(module, keys):
    choices = choices_of(module.COMMAND.name)
    assert set(choices) == keys
    assert "backtracking" in choices.get("detectors", ["backtracking"])
    assert "html" in choices["reports"]


@pytest.mark.parametrize("module", [find, generate, ablate], ids=["find", "generate", "ablate"])
def test_all_that_help_lists_can_be_chosen(module):
    command = module.COMMAND
    publish(command.schemas)
    listed = dict(choices_of(command.name))
    # Presets of several keys, each on its own; then the nth option of every other key, all in one config.
    bundles = [{key: option} for key in list(listed) if key.startswith("+") for option in listed.pop(key)]
    together = zip_longest(*([(key, option) for option in options] for key, options in listed.items()))
    for chosen in [*bundles, *(dict(filter(None, choices)) for choices in together)]:
        within = ["validate=generated"] if any("@validate" in key for key in chosen) else []
        chosen = {key: option for key, option in chosen.items() if not (within and key == "validate")}
        lists = {key for key in chosen if key in ("detectors", "scorers", "reports")}
        values = [f"{key}=[{option}]" if key in lists else f"{key}={option}" for key, option in chosen.items()]
        config = command.compose([*within, *values])
        assert {key: list(config[key]) for key in lists} == {key: [chosen[key]] for key in lists}
