import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from neurosieve import ConfigError, DataError, Span
from neurosieve.testing import check_source
from neurosieve_plugins.sources.traces import Traces

SHARED = Path(__file__).parents[4] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"there is no data beside the project, in {SHARED}")

RECORDS = [
    {"problem_id": 3, "problem_text": "1+1?", "generated_cot": "1+1? <think> Two. <think>", "problem_level": "Level 1"},
    {"problem_id": "x", "problem_text": "2+2?", "generated_cot": "Four."},
]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write(content: Any, name: str = "traces.json") -> str:
        data = content if isinstance(content, bytes) else content if isinstance(content, str) else json.dumps(content)
        file = tmp_path / name
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(file)

    return write


def lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def message(path: str, **fields: Any) -> str:
    with pytest.raises(DataError) as caught:
        list(Traces(path, **fields))
    return str(caught.value)


def test_it_keeps_what_a_source_promises(write):
    check_source(Traces(write(RECORDS)))


def test_an_array_and_one_object_a_line_give_the_same_documents(write):
    assert list(Traces(write(RECORDS))) == list(Traces(write(lines(RECORDS), "traces.jsonl")))


def test_a_record_becomes_a_document(write):
    first, second = Traces(write(RECORDS))
    assert (first.id, first.text, first.group) == ("3", "1+1? <think> Two. <think>", "1+1?")
    assert (first.completion_start, first.metadata) == (12, {"problem_level": "Level 1"})
    assert second.completion_start == 0, "without the marker, the whole text is completion"


def test_the_prompt_can_come_from_a_field_of_its_own(write):
    record = {"id": 1, "q": "1+1?\n", "a": "Two.", "spans": [{"start": 0, "end": 3, "label": "number"}]}
    [document] = Traces(
        write([record]), text_field="a", prompt_field="q", group_field="q", id_field="id", spans_field="spans"
    )
    assert document.text == "1+1?\nTwo."
    assert document.text[document.completion_start :] == "Two."
    assert document.annotations == (Span(5, 8, "number"),), "spans are told in characters of the trace"


def test_a_marker_that_ends_the_prompt_or_begins_the_trace_starts_the_completion(write):
    for prompt, trace in (("1+1?<think>", "Two."), ("1+1?", "<think>Two.")):
        [document] = Traces(
            write([{"q": prompt, "generated_cot": trace}]), prompt_field="q", group_field="q", id_field=None
        )
        assert document.text[document.completion_start :] == "Two."


def test_a_record_that_says_where_its_completion_starts_is_believed(write):
    said = {"problem_id": 1, "problem_text": "p", "generated_cot": "<think> a </think> b <think> c", "tokens": 5}
    for start in (0, 21, 30):
        [document] = Traces(write([said | {"completion_start": start}]))
        assert document.completion_start == start
        assert document.metadata == {"tokens": 5}
    # Records without it, or with nothing in it, go by the marker; as do all where it is not asked for.
    for record, fields in (
        (said, {}),
        (said | {"completion_start": None}, {}),
        (said | {"completion_start": 3}, {"start_field": None}),
    ):
        [document] = Traces(write([record]), **fields)
        assert document.completion_start == len("<think>")
    [document] = Traces(write([said | {"completion_start": 4, "q": "Q: "}]), prompt_field="q")
    assert document.completion_start == len("Q: ") + 4


def test_texts_can_be_prompts_alone_and_may_not_say_where_a_completion_starts(write):
    record = {"q": "<think> Why? <think>", "label": "harmful"}
    fields = {"text_field": "q", "group_field": None, "id_field": None, "prompts_only": True}
    [document] = Traces(write([record]), **fields)
    assert (document.stretches("prompt"), document.stretches()) == (((0, 20),), ())
    assert (document.group, document.metadata) == (record["q"], {"label": "harmful"})
    said = message(write([record | {"completion_start": 3}]), **fields)
    assert "says in `completion_start` where a completion starts, and `source.prompts_only` that none does" in said
    assert "its `q` is blank" in message(write([record | {"q": " "}]), **fields)


@pytest.mark.parametrize("start", [-1, 4, "2", 1.5, True])
def test_a_start_that_is_no_place_in_the_trace_is_told(write, start):
    record = {"problem_id": 1, "problem_text": "p", "generated_cot": "one", "completion_start": start}
    said = message(write([record]))
    assert said.startswith("record 1 of ")
    assert "in `completion_start`, where a character of its 3 is needed" in said


def test_parquet_gives_the_documents_of_an_array(write, tmp_path):
    records = [record | {"problem_id": str(record["problem_id"]), "problem_level": "1"} for record in RECORDS]
    pd.DataFrame(records).to_parquet(tmp_path / "traces.parquet")
    assert list(Traces(str(tmp_path / "traces.parquet"))) == list(Traces(write(records)))
    pd.DataFrame(records)[:0].to_parquet(tmp_path / "empty.parquet")
    assert "holds no record" in message(str(tmp_path / "empty.parquet"))
    whole = (tmp_path / "traces.parquet").read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        assert "is not whole as Parquet" in message(write(whole[:cut], "cut.parquet"))


def test_without_a_group_field_the_prompt_is_the_group(write):
    records = [{"problem_id": n, "generated_cot": f"{prompt}<think>{n}"} for n, prompt in enumerate("aab")]
    records.append({"problem_id": 3, "generated_cot": "no prompt"})
    assert [document.group for document in Traces(write(records), group_field=None)] == [
        "a<think>",
        "a<think>",
        "b<think>",
        "3",
    ]


def test_without_an_id_field_records_are_numbered(write):
    assert [document.id for document in Traces(write(RECORDS), id_field=None)] == ["1", "2"]


def test_a_pattern_reads_several_files_in_order_and_names_their_documents_apart(write, tmp_path):
    write(RECORDS, "b.json")
    write(lines(RECORDS), "a.jsonl")
    source = Traces(str(tmp_path / "*.json*"))
    assert [document.id for document in source] == ["a/3", "a/x", "b/3", "b/x"]
    check_source(source)


def test_a_file_that_is_there_is_no_pattern(write):
    assert len(list(Traces(write(RECORDS, "[1]*.json")))) == 2


def test_a_pattern_may_be_relative(write, tmp_path, monkeypatch):
    write(RECORDS)
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert len(list(Traces("../tr*.json"))) == 2
    assert len(list(Traces("../**/tr*.json"))) == 2


def test_a_byte_order_mark_and_blank_lines_do_no_harm(write):
    content = b"\xef\xbb\xbf" + lines(RECORDS).replace("\n", "\r\n\r\n").encode()
    assert len(list(Traces(write(content, "traces.jsonl")))) == 2
    assert len(list(Traces(write(b"\xef\xbb\xbf" + json.dumps(RECORDS).encode())))) == 2


def test_lines_are_read_as_they_are_needed(write):
    documents = iter(Traces(write(lines(RECORDS[:1]) + "{broken", "traces.jsonl")))
    assert next(documents).id == "3"
    with pytest.raises(DataError, match="line 2"):
        next(documents)


def test_a_path_that_is_not_there_is_answered_with_the_nearest(write):
    path = write(RECORDS)
    assert message(path.replace("traces", "trace")).endswith("did you mean `traces.json`?")
    assert "nor a folder" in message(path + "/deeper/traces.json")
    assert "no file is named" in message(path.replace("traces", "other*"))


@pytest.mark.parametrize("name", ["traces.json", "traces.jsonl"])
def test_json_that_is_cut_off_is_told_with_its_line(write, name):
    text = json.dumps(RECORDS, indent=1) if name == "traces.json" else lines(RECORDS)
    path = write(text[:-10], name)
    assert message(path).startswith(f"line {11 if name == 'traces.json' else 2} of {path} is cut off (")


@pytest.mark.parametrize("length", range(1, len(json.dumps(RECORDS)), 7))
def test_json_that_is_cut_off_anywhere_is_an_error(write, length):
    assert "cut off" in message(write(json.dumps(RECORDS)[:length]))


def test_broken_json_is_told_with_its_line(write):
    assert "line 2 of" in message(write("[\n{'a': 1}]"))
    assert "line 1 of" in message(write('{"a": 1,}\n{}\n', "traces.jsonl"))


@pytest.mark.parametrize("content", ["3", '"text"', "null"])
def test_json_that_is_no_array_is_an_error(write, content):
    assert "is not a JSON array of records" in message(write(content))


def test_records_one_a_line_are_read_under_the_name_of_an_array_as_well(write):
    assert list(Traces(write(lines(RECORDS)))) == list(Traces(write(RECORDS, "array.json")))


def test_a_record_over_several_lines_is_told_with_what_to_do(write):
    said = message(write(json.dumps(RECORDS[0], indent=1) + "\n"))
    assert "line 1 of" in said
    assert "is only a part of a record: write each on one line, as `jq -c .` does" in said


def test_a_record_that_is_no_object_is_told_with_its_number(write):
    assert message(write([*RECORDS, "text"])).startswith("record 3 of ")
    assert "record 2 (line 3) of" in message(write(lines(RECORDS[:1]) + "\n[1]\n", "traces.jsonl"))


def test_a_record_without_its_text_is_told_with_its_number_and_what_it_has(write):
    said = message(write([*RECORDS, {"problem_id": 9, "generated": ""}]))
    assert said.startswith("record 3 of ")
    assert (
        "has no `generated_cot`; it has `problem_id`, `generated`: correct the record, or set `source.text_field`"
        in said
    )
    assert "it has no field at all" in message(write([{}]))
    assert "is blank" in message(write([RECORDS[0] | {"generated_cot": " \n"}]))


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("generated_cot", 3, "a number"),
        ("generated_cot", None, "null"),
        ("generated_cot", ["a"], "a list"),
        ("generated_cot", "\ud83d", "half a character"),
        ("problem_id", 1.5, "1.5"),
        ("problem_id", True, "true or false"),
        ("problem_id", " ", "a blank text"),
        ("problem_text", {}, "an object"),
    ],
)
def test_a_wrong_type_is_told_with_field_and_number(write, field, value, kind):
    said = message(write([RECORDS[0] | {field: value}]))
    assert said.startswith("record 1 of ")
    assert f"{kind} in `{field}`" in said or f"{kind} (a lone surrogate) in `{field}`" in said


@pytest.mark.parametrize(
    "spans", [{}, ["x"], [{"start": 0}], [{"start": 5, "end": 5}], [{"start": 0, "end": 99}], [{"start": -1, "end": 2}]]
)
def test_a_span_that_is_none_is_told_with_its_record(write, spans):
    assert "record 1 of" in message(write([RECORDS[0] | {"spans": spans}]), spans_field="spans")


def test_two_records_of_one_id_are_both_told(write):
    said = message(write([*RECORDS, RECORDS[0] | {"problem_id": "3"}]))
    assert said.startswith("record 3 of ")
    assert "has the id `3`, which record 1 of " in said


@pytest.mark.parametrize("name", ["traces.json", "traces.jsonl"])
@pytest.mark.parametrize("content", ["", " \n\n"])
def test_an_empty_file_is_an_error(write, name, content):
    assert "holds no record" in message(write(content, name))


def test_an_empty_array_is_an_error(write):
    assert "holds no record" in message(write([]))


@pytest.mark.parametrize("name", ["traces.json", "traces.jsonl"])
def test_what_is_not_utf8_is_told_with_its_line(write, name):
    said = message(write(b'[\n{"generated_cot": "caf\xe9"}]' if name == "traces.json" else b"\n\xff\n", name))
    assert said.startswith("line 2 of ")
    assert "is not UTF-8" in said


@pytest.mark.parametrize(
    "fields", [{"path": " "}, {"text_field": ""}, {"completion_marker": ""}, {"prompt_field": "generated_cot"}]
)
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ConfigError):
        Traces(**{"path": "traces.json"} | fields)


@needs_shared
@pytest.mark.parametrize(
    ("name", "records"), [("t=0.4_mnt=1500", 41), ("t=0.6_mnt=1500", 673), ("t=0.7_mnt=1800", 574)]
)
def test_the_founding_files_are_read_whole(name, records):
    path = SHARED / "founding" / f"math_cot_results_{name}_tp=0.92.json"
    documents = list(Traces(str(path)))
    raw = json.loads(path.read_text())
    assert [document.text for document in documents] == [record["generated_cot"] for record in raw]
    assert len(documents) == records
    assert len({document.group for document in documents}) == records
    for document in documents:
        prompt, marker, completion = document.text.partition("<think>")
        assert marker
        assert document.group in prompt
        assert document.text[document.completion_start :] == completion
        assert document.stretches() == ((document.completion_start, len(document.text)),), "thought and answer touch"
        assert not document.assumptions
        [(start, end)] = document.stretches("thought")
        assert document.text[start:end] == "".join(completion.partition("</think>")[:2])


@needs_shared
def test_labelled_traces_are_read_with_their_spans():
    path = SHARED / "thought_anchors" / "labelled_spans.jsonl"
    documents = list(Traces(str(path), text_field="text", group_field=None, id_field="trace_id", spans_field="spans"))
    assert len(documents) == 40
    assert sum(len(document.annotations) for document in documents) == 5814
    assert len({document.group for document in documents}) == 10, "two models answer each of ten problems, twice"


def test_a_record_of_another_layout_is_told_all_that_it_lacks_and_what_reads_it(tmp_path):
    file = tmp_path / "answers.jsonl"
    file.write_text('{"question": "1 + 1?", "answer": "Two.", "label": "good"}\n')
    message = (
        "has no `generated_cot` nor `problem_id` nor `problem_text`; it has `question`, `answer`, `label`: set "
        "`source.text_field` .* `source.id_field=null source.group_field=null` .* `source=chat`"
    )
    with pytest.raises(DataError, match=message):
        list(Traces(str(file)))


def sampled(tmp_path, *spans, **fields):
    file = tmp_path / "labels.jsonl"
    file.write_text(json.dumps({"trace_id": "a", "text": "Wait. No, no.", "group": "g", "spans": spans} | fields))
    return Traces(str(file), "text", group_field="group", id_field="trace_id", spans_field="spans")


def test_labels_of_a_sample_bring_what_each_stands_for(tmp_path):
    spans = [{"start": 0, "end": 5, "weight": 2.5}, {"start": 6, "end": 13, "weight": 1}]
    [document] = sampled(tmp_path, *spans, unlabelled="not known")
    assert document.annotation_weights == (2.5, 1.0)
    [document] = sampled(tmp_path, *spans)
    assert document.annotation_weights == (), "a weight elsewhere may be anything"


@pytest.mark.parametrize("weight", [0, -1, "2", True, None])
def test_a_weight_that_is_no_number_above_0_is_refused(tmp_path, weight):
    spans = [{"start": 6, "end": 13, "weight": 1}, {"start": 0, "end": 5, "weight": weight}]
    with pytest.raises(DataError, match="lists span 2 without a number above 0 in `weight`"):
        list(sampled(tmp_path, *spans, unlabelled="not known"))
