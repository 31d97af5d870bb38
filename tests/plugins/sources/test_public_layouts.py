"""Files in the layouts in which traces are published, through the command line."""

from pathlib import Path

import pytest

from neurosieve import load
from neurosieve.cli import main
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.sources.traces import Traces

CASES = Path(__file__).parents[4] / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"there are no cases beside the project, in {CASES}")

RECALCULATE = "let me recalculate"


@pytest.fixture
def detected(tmp_path, monkeypatch):
    def detected(*arguments):
        monkeypatch.chdir(tmp_path)
        main(["detect", *arguments, "hydra.run.dir=run", "reports=[]"])
        return load(tmp_path / "run")

    return detected


@pytest.mark.parametrize(
    ("source", "file", "documents", "groups", "with_phrase"),
    [
        ("chat", "01-conversations/openthoughts_like.jsonl", 60, 60, 30),
        ("chat", "02-generations-list/openr1_like.jsonl", 120, 60, 60),
        ("s1k", "03-s1k-flat/s1k_like.jsonl", 60, 60, 30),
        ("openai_batch", "04-openai-dump/batch_output.jsonl", 60, 60, 30),
        ("chat", "04-openai-dump/batch_output.jsonl", 60, 60, 30),
    ],
)
def test_published_layouts_are_read_as_they_are(detected, source, file, documents, groups, with_phrase):
    run = detected(f"source={source}", f"source.path={CASES / file}")
    counts = run.run["counts"]
    assert counts["documents"] == documents
    phrases = run.table("phrases").set_index("label").documents
    assert phrases[RECALCULATE] == with_phrase
    spans = run.table("spans")
    half = documents // 2  # Every other document shows the behaviour, both completions of a problem or none.
    assert spans.document.nunique() == half
    assert spans.group.nunique() == min(groups, half if groups == documents else groups // 2)


def test_a_prompt_that_speaks_of_the_marker_is_no_completion(detected):
    run = detected("source=traces", f"source.path={CASES / '08-think-in-prompt' / 'traces.jsonl'}")
    assert len(run.table("spans")) == 60
    assert not run.table("spans").before.str.contains("say so").any()


def test_the_words_of_a_user_between_two_turns_are_no_completion():
    documents = list(Traces(str(CASES / "11-multi-turn" / "traces.jsonl")))
    detector = Phrases(("that's not right", "i made a mistake", "sorry"))
    by_user = by_model = 0
    for document in documents:
        for span in detector.detect(document):
            inside = any(start <= span.start < end for start, end in document.stretches())
            by_model += inside
            by_user += not inside
    assert (by_user, by_model) == (0, 60), "`Sorry` is what the model says"


def test_the_command_line_looks_at_the_words_of_the_model_alone(detected):
    path = CASES / "11-multi-turn" / "traces.jsonl"
    phrases = '["that is","i made a mistake","sorry"]'
    run = detected(
        "source=traces",
        f"source.path={path}",
        "detectors=[phrases,backtracking]",
        f"detectors.phrases.phrases={phrases}",
    )
    assert run.table("phrases").label.tolist() == ["sorry"]
    assert run.table("spans").document.nunique() == 60


def test_what_a_marker_was_taken_for_is_told_with_its_count(detected):
    run = detected("source=traces", f"source.path={CASES / '26-harmony' / 'traces.jsonl'}")
    [warning] = [warning for warning in run.run["warnings"] if "<think>" in warning]
    assert warning.startswith("in 60 of 60 documents: holds no `<think>`")
    assert "`markers=harmony`" in warning


def test_the_channels_of_harmony_are_understood_and_named():
    path = str(CASES / "26-harmony" / "traces.jsonl")
    documents = list(Traces(path))
    told = {assumption.what for document in documents for assumption in document.assumptions}
    assert [what.startswith("holds no `<think>`") and "`markers=harmony`" in what for what in told] == [True]
    assert all([role for _, _, role in document.passages][-2:] == ["thought", "answer"] for document in documents)
    assert not any(document.assumptions for document in Traces(path, markers="harmony"))
    whole = list(Traces(path, turn_marks=None))
    assert {len(document.assumptions) for document in whole} == {1}
