"""A file where a name belongs, and a field of a part among the settings, are answered with the right place."""

import re

import pytest
from messages import message_of

from neurosieve import ConfigError, analyze, detect, find, generate

TRACES = "neurosieve_plugins.sources.traces"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("file", ["/data/traces.json", "traces.jsonl", "data/traces", "C:\\data\\traces.json"])
def test_a_file_in_place_of_a_source_is_answered_with_what_reads_it(file):
    advice = f"or `source=text` or `source=traces`, and give `source.path={file}`; in Python hand "
    with pytest.raises(ConfigError, match=re.escape(advice)) as refused:
        find("tiny", source=file)
    assert f"`{TRACES}.Traces({file!r})`" in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["find", "model=Qwen/Qwen2.5-0.5B"], "for a model of the hub, or a folder, `model=pretrained model.name=Qwen"),
        (["find", "model=/data/tuned"], "`model=pretrained model.name=/data/tuned`"),
        (["find", "source=/data/t.json"], "`source=traces`, and give `source.path=/data/t.json`"),
        (["find", "replicate_on=/data/t.json"], "`replicate_on=traces`, and give `replicate_on.path=/data/t.json`"),
        (["generate", "problems=mine.jsonl"], "`problems=file`, and give `problems.path=mine.jsonl`"),
        (["detect", "detectors=[d.safetensors]"], "`detectors=[learned]`, and give `detectors.learned.path=d.safe"),
    ],
)
def test_a_file_in_place_of_a_name_on_the_command_line(capsys, arguments, advice):
    assert advice in message_of(capsys, *arguments)


def test_a_name_that_there_is_not_is_answered_with_the_nearest_as_before():
    with pytest.raises(ConfigError, match="there is no `trace` to choose for `source`: did you mean `traces`"):
        find("tiny", source="trace")


def test_a_value_that_a_source_lacks_is_asked_for_as_python_gives_it():
    with pytest.raises(ConfigError, match=r"`source.path=...`, or in Python with `Traces\(path=...\)`"):
        detect("traces")


@pytest.mark.parametrize(
    ("command", "settings", "message"),
    [
        (find, {"ratio": 2}, "`ratio` is now `selection.controls_per_position`: control positions for each present "
                             "position; give `selection={'controls_per_position': 2}`"),
        (find, {"looks": ["window"]}, "give `selection={'extra_positions': ['window']}`"),
        (find, {"held_out_fraction": 0}, "`held_out_fraction` belongs to `selection`; give `selection={'held_out_f"),
        (find, {"source": "traces", "path": "a.json"},
         f"`path` belongs to `source`; give `source=Traces(path='a.json')`, with `from {TRACES} import Traces`"),
        (find, {"device": "cpu"}, "give `model=Model(name=..., device='cpu')`, with `from neurosieve.models.loading "),
        (generate, {"temperature": 1}, "`temperature` belongs to `sampling`; give `sampling={'temperature': 1}`"),
        (generate, {"template": "Q"}, "`template` belongs to `prompt`; give `prompt={'template': 'Q'}`"),
        (analyze, {"source": "arithmetic", "documents": 3}, "give `source=Arithmetic(documents=3)`"),
    ],
)  # fmt: skip
def test_a_field_of_a_part_among_the_settings_is_answered_with_the_part(command, settings, message):
    with pytest.raises(ConfigError, match=f"(^|; ){re.escape(message)}"):
        command(**settings)


def test_what_the_message_says_to_give_in_python_is_taken(empty_folder):
    with pytest.raises(ConfigError, match=r"selection\.controls_per_position is -1"):
        find("tiny", selection={"controls_per_position": -1.0})
    with pytest.raises(ConfigError, match="max_new_tokens is 0"):
        generate(sampling={"max_new_tokens": 0})
    assert list(empty_folder.iterdir()) == []


def test_a_field_of_a_part_at_the_root_of_the_command_line_is_answered_with_its_full_key(capsys):
    message = message_of(capsys, "find", "controls_per_position=2")
    assert "the config has no `controls_per_position`: did you mean `selection.controls_per_position`?" in message


def test_fields_that_a_part_does_not_have_are_answered_with_those_that_it_has(capsys):
    message = message_of(capsys, "find", "control={token:1}")
    assert message == "neurosieve: `control` has no field `token`: did you mean `tokens`?\n"
