"""Texts are found by what their records say of them, and what the records do not say counts neither way."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import neurosieve
from neurosieve import ConfigError, DataError, Document, Passage, Span
from neurosieve.texts.near_misses import near_miss_warnings, near_misses_of
from neurosieve_plugins.detectors.metadata import Metadata
from neurosieve_plugins.sources.chat import Chat
from neurosieve_plugins.sources.huggingface import HuggingFace
from neurosieve_plugins.sources.traces import Traces

Hallucinated = Metadata("label", values=("hallucinated",), against=("faithful",))


def a_document(**metadata: Any) -> Document:
    return Document("a", "Where? In Lyon.", "a", completion_start=7, metadata=metadata)


def verdict(detector: Metadata, **metadata: Any) -> str | None:
    """Return whether a document shows the behaviour, or None where the detector does not know."""
    document = a_document(**metadata)
    spans, near_misses = list(detector.detect(document)), list(detector.near_misses(document))
    assert not (spans and near_misses)
    return "shows" if spans else None if near_misses else "control"


def test_a_span_goes_over_the_completion_and_is_labelled_with_the_value():
    assert list(Hallucinated.detect(a_document(label="Hallucinated"))) == [Span(7, 15, "Hallucinated")]


def test_with_scope_prompt_the_prompt_is_marked():
    harmful = Metadata("harmful", values=("true",), scope="prompt")
    assert list(harmful.detect(a_document(harmful=True))) == [Span(0, 7, "True")]


def test_each_turn_of_the_model_is_marked():
    passages = (Passage(0, 2, "user"), Passage(2, 4, "completion"), Passage(4, 6, "user"), Passage(6, 8, "completion"))
    chat = Document("a", "QqAaQqAa", "a", passages=passages, metadata={"label": "hallucinated"})
    assert [span[:2] for span in Hallucinated.detect(chat)] == [(2, 4), (6, 8)]


@pytest.mark.parametrize(
    ("detector", "metadata", "expected"),
    [
        (Hallucinated, {"label": " HALLUCINATED "}, "shows"),
        (Hallucinated, {"label": "faithful"}, "control"),
        (Hallucinated, {"label": "unsure"}, None),
        (Hallucinated, {"label": None}, None),
        (Hallucinated, {"label": ""}, None),
        (Hallucinated, {"label": float("nan")}, None),
        (Hallucinated, {"label": ["hallucinated"]}, None),
        (Hallucinated, {}, None),
        (Metadata("label", values=("hallucinated",)), {"label": "anything"}, "control"),
        (Metadata("label", values=("",)), {"label": " "}, "shows"),
        (Metadata("correct", values=("false",)), {"correct": False}, "shows"),
        (Metadata("correct", values=(False,)), {"correct": "False"}, "shows"),
        (Metadata("correct", values=("false",)), {"correct": True}, "control"),
        (Metadata("label", values=("1",)), {"label": 1}, "shows"),
        (Metadata("label", values=(1,)), {"label": "1"}, "shows"),
        (Metadata("label", values=("1",)), {"label": 1.0}, "shows"),
        (Metadata("label", values=("1",)), {"label": "1.0"}, "shows"),
        (Metadata("label", values=("1",)), {"label": "10"}, "control"),
        (Metadata("grade.label", values=("bad",)), {"grade": {"label": "bad"}}, "shows"),
        (Metadata("grade.label", values=("bad",)), {"grade": "bad"}, None),
        (Metadata("judges.-1", values=("bad",)), {"judges": ["good", "bad"]}, "shows"),
        (Metadata("label", pattern="^not"), {"label": "not supported"}, "shows"),
        (Metadata("label", pattern="^not"), {"label": "supported"}, "control"),
        (Metadata("label", pattern="^not"), {"label": " NOT supported"}, "shows"),
        (Metadata("label", pattern="(?-i:^not)"), {"label": "Not supported"}, "control"),
        (Metadata("correct", pattern="^(?-i:true)$"), {"correct": True}, "shows"),
        (Metadata("label", pattern="^1$"), {"label": 1.0}, "shows"),
        (Metadata("label", pattern="straße"), {"label": "Straße"}, "shows"),
        (Metadata("label", pattern="^not", against=("supported",)), {"label": "partly supported"}, None),
        (Metadata("score", above=0.5), {"score": 0.6}, "shows"),
        (Metadata("score", above=0.5), {"score": "0.6"}, "shows"),
        (Metadata("score", above=0.5), {"score": 0.5}, "control"),
        (Metadata("score", below=0.5), {"score": 0}, "shows"),
        (Metadata("score", above=0.2, below=0.5), {"score": 0.3}, "shows"),
        (Metadata("score", above=0.2, below=0.5), {"score": 0.1}, "control"),
        (Metadata("score", above=0.5), {"score": "high"}, None),
        (Metadata("score", above=0.5), {"score": True}, None),
        (Metadata("score", above=0.5), {"score": float("inf")}, None),
    ],
)
def test_what_a_record_says_decides(detector: Metadata, metadata: Mapping[str, Any], expected: str | None):
    assert verdict(detector, **metadata) == expected


def test_texts_of_which_nothing_is_known_are_told_with_the_reasons_counted():
    documents = [
        Document(str(number), "Lyon.", str(number), metadata=metadata)
        for number, metadata in enumerate([{"label": "faithful"}, {"label": None}, {"label": None}, {}, {"label": "?"}])
    ]
    nearly = [near for document in documents for near in near_misses_of("x", Hallucinated, document, [])]
    [warning] = near_miss_warnings({"x": nearly})
    assert warning == (
        "of 4 documents it is not known whether they show `x` (2: `label` is null; 1: it has no `label`; "
        "1: `label` is `?`): they count neither as the behaviour nor as controls"
    )


def check(detector: Metadata, *values: Any, field: str = "label") -> None:
    detector.check([Document(str(n), "Lyon.", str(n), metadata={field: value}) for n, value in enumerate(values)])


def test_labels_of_both_kinds_pass():
    check(Hallucinated, "hallucinated", "faithful", None)


@pytest.mark.parametrize(
    ("detector", "values", "message"),
    [
        (
            Metadata("lable", values=("a",)),
            ["a"],
            r"none of 1 document has the field `lable` .* holds `label`; did you",
        ),
        (
            Metadata("label", values=("hallucinate",)),
            ["hallucinated", "faithful"],
            r"`hallucinated` \(1\).*did you mean",
        ),
        (Hallucinated, ["hallucinated", "good"], r"has `faithful` in `label`: `label` is `hallucinated` \(1\), `good`"),
        (Metadata("label", values=("1",)), [0.1, 0.9], "they are numbers: give `detectors.<name>.above` or `below`"),
        (Metadata("label"), [0.1, 0.9], "they are numbers: give `detectors.<name>.above` or `below`"),
        (Metadata("label"), ["a", "b", "a"], r"`label` is `a` \(2\), `b` \(1\); .*`detectors.<name>.values=\[\.\.\.\]"),
        (
            Hallucinated,
            ["hallucinated"],
            r"has `faithful` in `label`: `label` is `hallucinated` \(1\); give texts of bo",
        ),
        (
            Hallucinated,
            [1.0, 0.0],
            r"`1` \(1\), `0` \(1\); .*`detectors.<name>.values=\[1\] detectors.<name>.against=\[0\]`",
        ),
        (Hallucinated, [True, False], r"; .*`detectors.<name>.values=\[true\] detectors.<name>.against=\[false\]`"),
        (Metadata("label", above=1.0), [0.1, 0.9], r"none of 2 documents has a value .* `0\.1` \(1\)"),
        (Metadata("label", values=("a",)), ["a", "A", None], r"nothing to compare with: `label` is `a` \(2\)"),
        (Metadata("label", values=("a",)), [None, None], "none of 2 documents has a value in `label`: `label` is null"),
        (
            Metadata("label", values=("a",)),
            [{"x": 1}],
            "none of 1 document has a value in `label`: `label` is an object",
        ),
    ],
)
def test_labels_that_fit_no_document_are_refused(detector: Metadata, values: list[Any], message: str):
    with pytest.raises(DataError, match=message):
        check(detector, *values)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"field": " "}, "`field` of the detector `metadata` is empty"),
        ({"field": "x", "values": ("a",), "pattern": "a"}, "values and pattern: give one of them"),
        ({"field": "x", "above": 1.0, "pattern": "a"}, "pattern and above or below"),
        ({"field": "x", "above": 1.0, "against": ("a",)}, "`against`"),
        ({"field": "x", "values": ("a",), "against": ("A ",)}, "in `values` and `against`"),
        ({"field": "x", "above": 1.0, "below": 0.5}, "no number is above 1 and below 0.5"),
        ({"field": "x", "pattern": "("}, "not a regular expression"),
        ({"field": "x", "pattern": ""}, "pattern"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        Metadata(**fields)


def a_file(folder: Path, record: Mapping[str, Any]) -> str:
    (folder / "a.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    return str(folder / "a.jsonl")


def test_every_source_carries_the_fields_of_its_records(tmp_path: Path):
    path = a_file(
        tmp_path, {"id": 7, "question": "Where?", "answer": "Lyon.", "label": "bad", "grade": {"by": ["x", {"n": 1}]}}
    )
    settings: dict[str, Any] = {"group_field": None, "id_field": "id", "prompt_field": "question"}
    sources = (
        Traces(path, text_field="answer", **settings),
        HuggingFace("json", data_files=(path,), text_field="answer", streaming=True, **settings),
        Chat(path, answer_field="answer", **settings),
    )
    for source in sources:
        [document] = source
        assert isinstance(document, Document)
        assert verdict(Metadata("label", values=("bad",)), **document.metadata) == "shows"
        assert verdict(Metadata("grade.by.1.n", values=("1",)), **document.metadata) == "shows"


def some_answers(**field: Any) -> list[Document]:
    return [
        Document(
            str(n), f"Where {n}? Lyon.", str(n), 8, metadata={"label": "hallucinated" if n % 2 else "faithful", **field}
        )
        for n in range(6)
    ]


def test_a_run_of_detect_counts_the_labels(tmp_path: Path):
    run = neurosieve.detect(some_answers(), {"x": Hallucinated}, reports=[], folder=tmp_path / "run")
    assert run.run["counts"]["behaviours"]["x"] == {"spans": 3, "documents_with": 3, "documents_without": 3}


def test_a_run_with_a_field_that_no_record_has_ends_with_one_message(tmp_path: Path):
    with pytest.raises(DataError, match="`x` cannot be looked for: none of 6 documents has the field `lable`"):
        neurosieve.detect(some_answers(), {"x": Metadata("lable", values=("a",))}, reports=[], folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_plan_is_refused_before_anything_is_read():
    with pytest.raises(DataError, match="`x` cannot be looked for: none of 6 documents has `good` in `label`"):
        neurosieve.plan("tiny", some_answers(), {"x": Metadata("label", values=("good",))}, selection="completion")
