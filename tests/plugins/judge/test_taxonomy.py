from pathlib import Path

import pytest

from neurosieve import ConfigError
from neurosieve_plugins.judge.taxonomy import open_taxonomy, shipped

SOUND = """\
several: false
none: true
labels:
  doubt:
    definition: The sentence doubts.
    examples: ["Is it?"]
  work:
    definition: The sentence works.
"""


def taxonomy_file(folder: Path, text: str) -> str:
    file = folder / "own.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as error:
        open_taxonomy(taxonomy_file(folder, text))
    assert "own.yaml" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_taxonomy_is_sound_and_names_its_source(name):
    taxonomy = open_taxonomy(name)
    assert taxonomy.name == name
    assert taxonomy.source
    assert all(label.definition.endswith(".") and label.examples for label in taxonomy.labels)


def test_the_shipped_ones_have_the_labels_of_their_papers():
    assert set(shipped()) == {"thought_anchors", "reasoning_steps", "backtracking", "refusal"}
    assert len(open_taxonomy("thought_anchors").names) == 8
    assert len(open_taxonomy("reasoning_steps").names) == 6
    assert open_taxonomy("backtracking").names == ("backtracking",)
    assert not open_taxonomy("thought_anchors").none


def test_a_taxonomy_of_ones_own_is_a_file(tmp_path):
    taxonomy = open_taxonomy(taxonomy_file(tmp_path, SOUND))
    assert taxonomy.names == ("doubt", "work")
    assert taxonomy.labels[0].examples == ("Is it?",)
    assert taxonomy.none
    assert not taxonomy.several


def test_a_file_that_is_changed_is_read_again(tmp_path):
    name = taxonomy_file(tmp_path, SOUND)
    assert open_taxonomy(name).names == ("doubt", "work")
    taxonomy_file(tmp_path, SOUND.replace("work:", "labour:"))
    assert open_taxonomy(name).names == ("doubt", "labour")


def test_a_label_that_stands_twice_is_refused(tmp_path):
    assert "`doubt` stands there twice (line 7)" in refused(tmp_path, SOUND.replace("work:", "doubt:"))
    assert "`doubt` and `Doubt` are one label" in refused(tmp_path, SOUND.replace("work:", "Doubt:"))


def test_a_definition_that_stands_twice_is_refused(tmp_path):
    assert "`definition` stands there twice" in refused(tmp_path, SOUND + "    definition: Another.\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("The sentence works.", '" "', "the definition of the label `work` is empty"),
        ("work:", "self-checking:", "`self-checking` is not a name"),
        ("work:", "7up:", "`7up` is not a name"),
        ("work:", "none:", "`none` is not a label"),
        ("work:", "None:", "`None` is not a label"),
        ('["Is it?"]', '["Is it?", ""]', "none of them empty"),
        ('["Is it?"]', '"Is it?"', "is not a list of texts"),
        ("    examples", "    example", "and not `example`"),
        ("several: false", "several: sometimes", "`several` is not true or false"),
        ("none: true", "", "`none` is not true or false"),
        ("labels:", "label:", "no field `label`: did you mean `labels`"),
        ("labels:", "labels: [", "is not sound YAML"),
        ("labels:", "labels: !!python/name:os.system", "is not sound YAML"),
    ],
)
def test_what_is_not_sound_is_refused_with_the_reason(tmp_path, old, new, said):
    assert said in refused(tmp_path, SOUND.replace(old, new))


def test_a_taxonomy_without_labels_is_refused(tmp_path):
    assert "it has no labels" in refused(tmp_path, "several: false\nnone: true\nlabels: {}\n")
    assert "it holds no fields" in refused(tmp_path, "")
    alone = SOUND.partition("  work")[0].replace("none: true", "none: false")
    assert "every sentence has it" in refused(tmp_path, alone)


def test_a_taxonomy_that_there_is_not_is_answered_with_those_there_are(tmp_path):
    with pytest.raises(ConfigError, match="did you mean `backtracking`"):
        open_taxonomy("backtraking")
    with pytest.raises(ConfigError, match="there is no file"):
        open_taxonomy(str(tmp_path / "other.yaml"))
