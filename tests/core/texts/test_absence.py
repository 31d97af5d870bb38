"""A behaviour that shows nowhere: where it was looked for is told, where that is not all that the model wrote."""

from dataclasses import replace

import pytest
from planted import texts

from neurosieve import DataError, Passage, analyze, detect, find
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.regex import Regex
from neurosieve_plugins.scorers.cohens_d import CohensD

SCOPED = {"slip": Regex((r"\w",), scope="answer"), "gone": Regex(("xyzzy",))}
NOWHERE = "`slip` shows nowhere in 60 documents, where its detector looks in the answer alone"


def thoughts():
    """Documents in which the model thinks and never answers."""
    return [
        replace(document, passages=(Passage(document.completion_start, len(document.text), "thought"),))
        for document in texts()
    ]


@pytest.mark.parametrize("command", [detect, analyze])
def test_a_narrower_scope_in_which_nothing_shows_is_named(command, tmp_path):
    warnings = command(thoughts(), SCOPED, folder=tmp_path / "run").run["warnings"]
    assert f"{NOWHERE} (`detectors.slip.scope=answer`)" in warnings
    assert "`gone` shows nowhere in 60 documents" in warnings


def test_a_pass_without_a_store_names_it_too(tmp_path):
    ranked = {"scorers": {"cohens_d": CohensD()}, "store": "none"}
    detectors = {**SCOPED, "word": Annotations()}
    warnings = find("tiny", thoughts(), detectors, folder=tmp_path / "run", **ranked).run["warnings"]
    assert any(warning.startswith(NOWHERE) and warning.endswith("was left out") for warning in warnings)
    message = "no span of `slip` or `gone` .* 60 documents: `slip` looks in the answer alone; check what"
    with pytest.raises(DataError, match=message):
        find("tiny", thoughts(), SCOPED, folder=tmp_path / "none", **ranked)


@pytest.mark.parametrize("command", [detect, analyze])
def test_texts_without_a_prompt_where_one_is_looked_for_point_to_the_setting_for_prompts_alone(command, tmp_path):
    whole = [replace(document, completion_start=0) for document in texts(8)]
    advice = "if their texts are prompts alone, set `source.prompts_only=true`"
    said = command(whole, {"word": Regex((r"\w",), scope="prompt")}, folder=tmp_path / "all").run["warnings"]
    assert f"8 of 8 documents have no prompt; {advice}" in said
    whole[0] = replace(whole[0], completion_start=9)
    said = command(whole, {"word": Regex((r"\w",), scope="prompt")}, folder=tmp_path / "some").run["warnings"]
    assert "7 of 8 documents have no prompt" in said
