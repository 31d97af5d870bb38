"""Conversations where another source, another type or another layout is expected: each mistake has its true cause."""

import csv
import json

import pytest

from neurosieve import load
from neurosieve.cli import main

TURNS = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "<think>Hmm, wait.</think>Two."}]
OTHER_TURNS = [{"from": "human", "value": "1 + 2?"}, {"from": "gpt", "value": "<think>Hmm, wait.</think>Three."}]
CHOICES = [{"message": TURNS[1]}]


@pytest.fixture
def written(tmp_path):
    def written(*records, name="records.jsonl"):
        file = tmp_path / name
        if name.endswith(".csv"):
            with file.open("w", newline="", encoding="utf-8") as stream:
                rows = csv.DictWriter(stream, list(records[0]))
                rows.writeheader()
                rows.writerows(records)
        else:
            file.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
        return file

    return written


def arguments(source, file, *settings):
    return ["detect", f"source={source}", f"source.path={file}", *settings, "hydra.run.dir=run", "reports=[]"]


@pytest.fixture
def detected(tmp_path, monkeypatch):
    def detected(*choices):
        monkeypatch.chdir(tmp_path)
        main(arguments(*choices))
        return load(tmp_path / "run")

    return detected


@pytest.fixture
def detect_refused(refused, tmp_path, monkeypatch):
    def detect_refused(*choices):
        monkeypatch.chdir(tmp_path)
        said = refused(*arguments(*choices))
        assert not (tmp_path / "run").exists()
        return said

    return detect_refused


@pytest.mark.parametrize(
    ("record", "names"),
    [
        ({"messages": TURNS}, "`messages`"),
        ({"conversations": OTHER_TURNS}, "`conversations`"),
        ({"problem": "1 + 1?", "answer": "2", "generations": ["Two.", "2"]}, "`generations`"),
        ({"choices": CHOICES}, "`choices`"),
        ({"custom_id": "a", "response": {"body": {"choices": CHOICES}}}, "`response.body.choices`"),
        ({"messages": json.dumps(TURNS)}, "`messages`"),
        ({"question": "x", "thinking_trajectory": "y", "attempt": "z"}, "`thinking_trajectory` and `attempt`"),
    ],
)
def test_the_source_traces_points_from_conversations_to_the_source_chat(
    detect_refused, written, detected, record, names
):
    file = written(record)
    said = detect_refused("traces", file)
    assert f"record 1 (line 1) of {file} has no text in `generated_cot`, and holds a conversation in {names}" in said
    assert "`source=chat`" in said
    assert detected("chat", file).run["counts"]["documents"] > 0


def test_a_list_of_turns_named_as_the_text_points_to_the_source_chat(detect_refused, written):
    assert "`source=chat`" in detect_refused(
        "traces", written({"chat": TURNS}), "source.text_field=chat", "source.id_field=null"
    )


def test_a_record_of_a_wrong_name_points_to_no_other_source(detect_refused, written):
    said = detect_refused("traces", written({"problem_id": 1, "problem": "x", "answer": "2", "generated": "y"}))
    assert "has no `generated_cot`; it has" in said
    assert "source=chat" not in said


@pytest.mark.parametrize("name", ["records.csv", "records.jsonl"])
@pytest.mark.parametrize(
    ("record", "field", "documents"),
    [
        ({"id": "a", "messages": json.dumps(TURNS)}, "messages", 1),
        ({"problem": "1 + 1?", "generations": json.dumps([TURNS[1]["content"]] * 2)}, "generations", 2),
        ({"problem": "1 + 1?", "choices": json.dumps(CHOICES)}, "choices", 1),
        ({"prompt": json.dumps(TURNS[:1]), "completions": json.dumps([TURNS[1]["content"]])}, "prompt", 1),
    ],
)
def test_json_text_of_a_list_is_read_and_told_with_its_count(detected, written, name, record, field, documents):
    run = detected("chat", written(record, name=name), "detectors=[hesitation]")
    assert run.run["counts"]["documents"] == documents
    assert set(run.table("spans").group) == {"1 + 1?"}
    of = f"in {documents} of {documents} document{'s' * (documents > 1)}"
    assert f"{of}: `{field}` is JSON text, and was read as the list that it holds" in run.run["notes"]
    assert not any("JSON text" in warning for warning in run.run["warnings"])


@pytest.mark.parametrize(
    ("record", "cause", "advice"),
    [
        ({"messages": str(TURNS)}, "holds a list that is written as text, but is no JSON", "`json.dumps`"),
        ({"problem": "x", "answer": "2", "generations": str(["a", "b"])}, "written as text, but is no", "`json.dumps`"),
        (
            {"problem": "x", "answer": "2", "generations": "<think>Wait.</think>2"},
            "holds a text in `generations`, not a list of completions",
            "`source.answer_field=generations`",
        ),
        ({"messages": "[" * 100_000}, "written as text, but is no JSON", "`json.dumps`"),
        ({"messages": "User: 1 + 1?"}, "holds a text in `messages`, not a list of turns", "`source.messages_field`"),
        ({"messages": []}, "holds an empty list in `messages`", "`source.on_bad_record=skip`"),
        ({"messages": "[]"}, "holds an empty list in `messages`", "`source.on_bad_record=skip`"),
        ({"messages": None}, "holds null in `messages`", "`source.messages_field`"),
        ({"messages": [{"content": "x"}]}, "`messages`, and its first item does not say who speaks", '"role": "user"'),
    ],
)
def test_a_first_record_of_wrong_types_is_told_by_its_field(detect_refused, written, record, cause, advice):
    said = detect_refused("chat", written(record, {"messages": TURNS}))
    assert "record 1 (line 1)" in said
    assert cause in said
    assert advice in said


def test_the_advice_of_a_text_in_a_field_of_completions_works_as_it_stands(detected, written):
    file = written({"problem": "x", "answer": "2", "generations": "<think>Hmm, wait.</think>2"})
    run = detected("chat", file, "source.answer_field=generations", "detectors=[hesitation]")
    assert run.table("spans").text.tolist() == ["Hmm", "wait"]


def test_an_empty_first_record_may_be_skipped(detected, written):
    file = written({"messages": []}, {"messages": TURNS}, {"messages": TURNS})
    counts = detected("chat", file, "source.on_bad_record=skip").run["counts"]
    assert (counts["documents"], counts["documents_skipped"]) == (2, 1)


@pytest.mark.parametrize(
    "record",
    [
        {"conversations": OTHER_TURNS},
        {"messages": None, "conversations": OTHER_TURNS},
        {"problem": "x", "generations": ["y"]},
        {"prompt": "x", "response": "y"},
    ],
)
def test_records_of_several_layouts_are_told_with_the_number_of_the_first_that_differs(detect_refused, written, record):
    said = detect_refused("chat", written({"messages": TURNS}, {"messages": TURNS}, record))
    name = next(name for name in ("conversations", "generations", "response") if name in record)
    assert "record 3 (line 3) of " in said
    assert f"holds what the model says in `{name}`, while record 1 (line 1) of" in said
    assert "have several layouts: put those of each into a file of their own" in said
    assert "`source.on_bad_record=skip`" in said


def test_most_records_skipped_are_refused_though_the_others_hold_many_completions(detect_refused, detected, written):
    whole = {"problem": "1 + 1?", "generations": [TURNS[1]["content"]] * 8}
    bad = {"problem": "1 + 2?", "generations": []}
    said = detect_refused("chat", written(whole, bad, bad), "source.on_bad_record=skip")
    assert "most records were skipped: 2 of 3 (record 2 (line 2) of " in said
    assert "holds an empty list in `generations`" in said
    counts = detected("chat", written(whole, bad), "source.on_bad_record=skip").run["counts"]
    assert (counts["documents"], counts["documents_skipped"]) == (8, 1)
