import json
import lzma
import os
from pathlib import Path

import pytest

from neurosieve import ConfigError, DataError, Document, Span, detect
from neurosieve.testing import check_detector
from neurosieve.texts.near_misses import near_misses_of
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.sources.traces import Traces

SHARED = Path(__file__).parents[4] / "shared" / "data"
SPANS = (Span(0, 3, "doubt"), Span(4, 7, "plan"))
DOCUMENT = Document("a", "Hmm, now", "a", annotations=SPANS)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    file = tmp_path / "labels.jsonl"
    spans = [{"start": 1, "end": 2, "label": "doubt"}, {"start": 2, "end": 3}]
    file.write_text(
        json.dumps({"trace_id": "a", "spans": spans}) + "\n" + json.dumps({"trace_id": 7, "spans": []}) + "\n"
    )
    return file


def found(document: Document, **fields: object) -> list[Span]:
    return list(Annotations(**fields).detect(document))


@pytest.mark.parametrize("labels", [(), ("WAIT",), ("other",)])
def test_it_keeps_what_a_detector_promises(labels):
    check_detector(Annotations(labels))


def test_it_keeps_what_a_detector_promises_with_a_file(labels):
    check_detector(Annotations(path=str(labels)))


def test_the_annotations_of_a_document_are_its_spans():
    assert found(DOCUMENT) == list(SPANS)
    assert found(DOCUMENT, labels=("plan",)) == [SPANS[1]]
    assert found(DOCUMENT, labels=("other",)) == []


def test_a_file_of_labels_may_be_compressed(labels):
    packed = labels.with_name("labels.jsonl.xz")
    packed.write_bytes(lzma.compress(labels.read_bytes()))
    assert found(DOCUMENT, path=str(packed)) == found(DOCUMENT, path=str(labels)) != []


def test_a_file_of_labels_is_read_by_document(labels):
    assert found(DOCUMENT, path=str(labels)) == [Span(1, 2, "doubt"), Span(2, 3, "")]
    assert found(DOCUMENT, path=str(labels), labels=("doubt",)) == [Span(1, 2, "doubt")]
    assert found(Document("7", "text", "g"), path=str(labels)) == []
    assert found(Document("not there", "text", "g"), path=str(labels)) == []


def some_documents(*names: str) -> list[Document]:
    return [Document(name, "Hmm, now", name) for name in names]


def remarks(documents: list[Document], **fields: object) -> list[str]:
    return list(Annotations(**fields).prepare(documents, lambda **event: None))


def test_documents_that_the_file_or_the_source_alone_has_are_counted(labels):
    read = some_documents("a", "b", "c")
    assert remarks(read, path=str(labels)) == [f"1 of 2 documents in {labels} is not among those of the run"]
    [doubt] = Annotations(path=str(labels)).doubts(read)
    assert doubt.startswith(f"2 of 3 documents are not in {labels}, and count as without the behaviour: if nobody")
    assert not list(Annotations(path=str(labels)).doubts(some_documents("a", "7")))
    assert remarks(some_documents("a", "7"), path=str(labels)) == []
    assert remarks(some_documents("a", "b", "c")) == []


def test_a_label_that_no_annotation_of_the_source_has_is_an_error():
    document = Document("a", "Wait, no.", "a", annotations=(Span(0, 4, "uncertainty"),))
    with pytest.raises(DataError, match="no annotation has the label `uncertanty`: did you mean `uncertainty`"):
        Annotations(labels=("uncertanty",)).check([document])
    Annotations(labels=("uncertainty",)).check([document])


def test_a_file_that_has_none_of_the_documents_is_an_error(labels, tmp_path):
    Annotations(path=str(labels)).check(some_documents("a", "b"))
    Annotations().check(some_documents("b"))
    with pytest.raises(DataError, match=r"none of 2 documents, such as `b`, is in .*, which has others, such as `a`"):
        Annotations(path=str(labels)).check(some_documents("b", "c"))
    with pytest.raises(DataError, match="`marked` cannot be looked for: none of 1 document, such as `b`"):
        detect(some_documents("b"), {"marked": Annotations(path=str(labels))}, folder=tmp_path / "run", reports=())
    assert not (tmp_path / "run").exists()


def test_a_sentence_of_a_sample_that_a_person_was_unsure_of_is_not_known(tmp_path):
    text = "Wait, no. Is it 7? It is so."
    spans = [{"start": 0, "end": 9, "label": "doubt"}, {"start": 10, "end": 18, "label": "unsure"}]
    file = tmp_path / "labels.jsonl"
    file.write_text(json.dumps({"trace_id": "a", "unlabelled": "not known", "spans": spans}))
    document = Document("a", text, "a")
    of_source = Document("a", text, "a", 0, tuple(Span(**span) for span in spans), {"unlabelled": "not known"})
    for ours, settings in ((document, {"path": str(file)}), (of_source, {})):
        for labels in (("doubt",), ()):
            detector = Annotations(labels, **settings)
            assert list(detector.detect(ours)) == [Span(0, 9, "doubt")]
            nearly = near_misses_of("doubt", detector, ours, list(detector.detect(ours)))
            assert [(near.text, near.unknown) for near in nearly] == [("Is it 7?", True), ("It is so.", True)]
        asked_for = Annotations(("unsure",), **settings)
        assert list(asked_for.detect(ours)) == [Span(10, 18, "unsure")]
        assert [span.start for span in asked_for.near_misses(ours)] == [19]
    whole = Document("a", text, "a", 0, of_source.annotations)
    assert [span.label for span in Annotations().detect(whole)] == ["doubt", "unsure"]


def test_the_fields_of_the_file_can_be_named(tmp_path):
    file = tmp_path / "labels.json"
    file.write_text(json.dumps([{"id": "a", "found": [{"from": 0, "to": 3, "what": "doubt"}]}]))
    fields = {"id_field": "id", "spans_field": "found", "start_field": "from", "end_field": "to", "label_field": "what"}
    assert found(DOCUMENT, path=str(file), **fields) == [Span(0, 3, "doubt")]


def test_a_file_that_changed_is_read_again(labels):
    assert found(DOCUMENT, path=str(labels))
    labels.write_text('{"trace_id": "b", "spans": []}\n')
    os.utime(labels, ns=(1, 1))
    assert found(DOCUMENT, path=str(labels)) == []


def test_a_label_that_nobody_uses_is_answered_with_the_nearest(labels):
    with pytest.raises(ConfigError, match="has the label `doubts`: did you mean `doubt`"):
        found(DOCUMENT, path=str(labels), labels=("doubts",))


def test_a_span_beyond_the_text_is_told_with_its_document(labels):
    with pytest.raises(DataError, match=r"the span 1 to 2 \(`doubt`\) that .*labels.jsonl gives for document `a`"):
        found(Document("a", "H", "a"), path=str(labels))
    with pytest.raises(DataError, match="that its source gives for document `a` does not lie in its text, of 2"):
        found(Document("a", "Hm", "a", annotations=SPANS))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"spans": []}', "record 1 .* has no `trace_id`; it has `spans`"),
        ('{"trace_id": "a"}', "record 1 .* has no `spans`"),
        (
            '{"trace_id": "a", "spans": [{"start": "0", "end": 1}]}',
            "record 1 .* lists span 1 without a whole number in `start`",
        ),
        ('{"trace_id": "a", "spans": [{"start": 2, "end": 2}]}', "record 1 .* lists span 1 from 2 to 2"),
        (
            '{"trace_id": "a", "spans": [{"start": 0, "end": 2, "label": 5}]}',
            "record 1 .* lists span 1 with a number in `label`",
        ),
        ('{"trace_id": "a", "spans": []}\n' * 2, r"record 2 \(line 2\) .* is the second for document `a`"),
        ("", "holds no record"),
    ],
)
def test_a_file_that_is_not_as_told_is_an_error(tmp_path, content, says):
    file = tmp_path / "labels.jsonl"
    file.write_text(content)
    with pytest.raises(DataError, match=says):
        found(DOCUMENT, path=str(file))


def test_a_file_that_is_not_there_is_answered_with_the_nearest(labels):
    with pytest.raises(DataError, match=r"did you mean `labels.jsonl`"):
        found(DOCUMENT, path=str(labels.with_name("label.jsonl")))


@pytest.mark.parametrize("fields", [{"path": ""}, {"id_field": " "}, {"label_field": ""}])
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ConfigError):
        Annotations(**fields)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"there is no data beside the project, in {SHARED}")
def test_labelled_traces_say_the_same_by_source_and_by_file():
    path = str(SHARED / "thought_anchors" / "labelled_spans.jsonl")
    source = Traces(path, text_field="text", group_field=None, id_field="trace_id", spans_field="spans")
    of_source = [found(document, labels=("uncertainty_management",)) for document in source]
    of_file = [found(document, labels=("uncertainty_management",), path=path) for document in source]
    assert of_source == of_file
    assert sum(map(len, of_file)) == 672
