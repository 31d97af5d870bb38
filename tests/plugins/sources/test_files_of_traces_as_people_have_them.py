"""Traces as public reports have them, through the command line: each gives the documents that are in it."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pandas as pd
import pytest

from neurosieve import DataError, Document, Skipped, load
from neurosieve.cli import main
from neurosieve_plugins.problems.file import File
from neurosieve_plugins.sources.huggingface import HuggingFace
from neurosieve_plugins.sources.traces import Traces

CASES = Path(__file__).parents[4] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason=f"there are no public cases beside the project, in {CASES}")
CONTENT = "response.body.choices.0.message.content"
THOUGHT = "response.body.choices.0.message.reasoning_content"


@pytest.fixture
def detected(tmp_path, monkeypatch, capsys):
    """Detect a phrase by the command line; return how it exits, its run or None, and what it says."""

    def detected(path, *settings, phrase="let me recalculate"):
        monkeypatch.chdir(tmp_path)
        detector = ["detectors=[phrases]", f"detectors.phrases.phrases=[{phrase}]"]
        try:
            main(["detect", "source=traces", f"source.path='{path}'", *settings, *detector])
            code = 0
        except SystemExit as error:
            code = error.code
        [*_, run] = sorted(tmp_path.rglob("run.json")) or [None]
        said = " ".join(capsys.readouterr().err.split())
        return code, run and load(run.parent), said

    return detected


def traces(count=6):
    """Records of which every second says what is looked for."""
    return [
        {
            "problem_id": number,
            "problem_text": f"What is {number} + 1?",
            "generated_cot": f"What is {number} + 1?<think>{'Hm. Let me recalculate. ' * (number % 2)}{number + 1}.",
        }
        for number in range(count)
    ]


def as_lines(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


@needs_cases
@pytest.mark.parametrize(
    ("case", "settings"),
    [
        (
            "04-openai-dump/batch_output.jsonl",
            (f"source.text_field={THOUGHT}", "source.id_field=custom_id", "source.group_field=null"),
        ),
        ("06-compressed/traces.jsonl.gz", ()),
        ("06-compressed/traces.jsonl.zst", ()),
        ("22-json-shapes/utf16.jsonl", ()),
        ("24-float-ids/floats.jsonl", ()),
        ("24-float-ids/traces.jsonl", ()),
        ("24-float-ids/traces.parquet", ()),
    ],
)
def test_a_public_case_gives_its_sixty_documents_and_thirty_spans(detected, case, settings):
    code, run, _ = detected(CASES / case, *settings)
    assert code == 0
    assert run.run["counts"]["documents"] == 60
    spans = run.table("spans")
    assert len(spans) == spans.document.nunique() == 30
    assert spans.text.unique().tolist() == ["Let me recalculate"]
    prefix = "q-" if case.startswith("04") else ""
    assert set(spans.document) <= {f"{prefix}{number}" for number in range(60)}


@needs_cases
@pytest.mark.parametrize(
    ("case", "why"), [("null_cot", "holds null in `generated_cot`, not a text"), ("empty_cot", "has no text, for its")]
)
def test_one_record_without_its_trace_is_an_error_that_names_the_setting_which_leaves_it_out(detected, case, why):
    code, run, said = detected(CASES / f"22-json-shapes/{case}.jsonl")
    assert (code, run) == (2, None)
    assert f"neurosieve: the source `traces`: record 18 (line 18) of {CASES}/22-json-shapes/{case}.jsonl {why}" in said
    assert "set `source.on_bad_record=skip`, which leaves such records out and counts them" in said
    read = list(Traces(str(CASES / f"22-json-shapes/{case}.jsonl"), on_bad_record="skip"))
    assert [type(item) for item in read] == [Document] * 17 + [Skipped] + [Document] * 42
    assert read[17].why.startswith(why)


@needs_cases
@pytest.mark.parametrize("case", ["null_cot", "empty_cot"])
def test_one_record_that_is_skipped_is_counted_in_the_run(detected, case):
    pytest.importorskip("neurosieve.texts.intake", reason="runs do not count skipped records yet")
    code, run, _ = detected(CASES / f"22-json-shapes/{case}.jsonl", "source.on_bad_record=skip")
    assert code == 0
    counts = run.run["counts"]
    assert (counts["documents"], counts["documents_skipped"]) == (59, 1)
    assert any(
        warning.startswith("skipped 1 record; 59 documents were read: record 18") for warning in run.run["warnings"]
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("traces.jsonl.bz2", bz2.compress(as_lines(traces()))),
        ("traces.jsonl.xz", lzma.compress(as_lines(traces()))),
        ("traces.json", gzip.compress(json.dumps(traces()).encode())),
        ("no_mark.jsonl", as_lines(traces()).decode().encode("utf-16-le")),
        ("wide.json", json.dumps(traces(), indent=2).encode("utf-32")),
        ("traces.csv", pd.DataFrame(traces()).to_csv(index=False).encode("utf-8-sig")),
        ("semicolons.csv", pd.DataFrame(traces()).to_csv(index=False, sep=";").encode()),
        ("indexed.tsv.gz", gzip.compress(pd.DataFrame(traces()).to_csv(sep="\t").encode("utf-16"))),
        ("floats.jsonl", as_lines([record | {"problem_id": float(record["problem_id"])} for record in traces()])),
    ],
)
def test_other_files_give_the_same_documents(detected, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    code, run, _ = detected(tmp_path / name)
    assert code == 0
    assert run.run["counts"]["documents"] == 6
    assert run.table("spans").document.tolist() == ["1", "3", "5"]


@pytest.mark.parametrize("path", ["in", "in/**", "in/*.jsonl*", "[i]n/?.jsonl*"])
def test_folders_and_patterns_name_documents_after_their_files(detected, tmp_path, path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/b.jsonl.gz").write_bytes(gzip.compress(as_lines(traces())))
    (tmp_path / "in/a.jsonl").write_bytes(as_lines(traces(2)))
    code, run, _ = detected(path)
    assert code == 0
    assert run.table("spans").document.tolist() == ["a/1", "b/1", "b/3", "b/5"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "cut.jsonl.gz",
            gzip.compress(as_lines(traces()))[:-30],
            "is cut off, for its gzip stream has no end",
        ),
        ("no_parquet.parquet", b"problem_id,generated_cot\n1,a\n", "is not whole as Parquet"),
        ("sheet.csv", b"PK\x03\x04 xl/workbook.xml", "is a ZIP archive or an Excel file: unpack it"),
        ("latin1.jsonl", '{"a": "café"}\n'.encode("latin1"), "convert the file from the encoding that it was saved in"),
        ("comma.jsonl", as_lines(traces(1)).strip() + b",\n", "remove the comma at its end"),
        ("nan.jsonl", as_lines([traces(1)[0] | {"problem_id": float("nan")}]), "record 1 (line 1) of"),
        (
            "other.jsonl",
            as_lines([*traces(3), {"problem_id": 3, "problem_text": "p", "generated": "x"}]),
            "record 4 (line 4) of",
        ),
        ("big.jsonl", as_lines([traces(1)[0] | {"problem_id": 1e17}]), "stands for several whole numbers"),
        ("clash.jsonl", as_lines([traces(1)[0], traces(1)[0] | {"problem_id": 0.0}]), "has the id `0`, which record 1"),
    ],
)
def test_a_file_that_cannot_be_read_ends_with_one_message(detected, tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    code, run, said = detected(tmp_path / name)
    assert (code, run) == (2, None)
    assert said.startswith("neurosieve: ")
    assert says in said
    assert "Traceback" not in said


def test_a_path_that_leads_nowhere_in_one_record_names_it_and_how_far_it_went(detected, tmp_path):
    records = [{"id": n, "response": {"body": {"choices": [{"message": {"content": "Hm."}}]}}} for n in range(60)]
    records[6]["response"]["body"] = None
    (tmp_path / "dump.jsonl").write_bytes(as_lines(records))
    settings = (f"source.text_field={CONTENT}", "source.group_field=null", "source.id_field=id")
    code, run, said = detected(tmp_path / "dump.jsonl", *settings)
    assert (code, run) == (2, None)
    assert f"record 7 (line 7) of {tmp_path}/dump.jsonl has no `{CONTENT}`; its `response.body` is null" in said


BAD = [b"{broken", b"[1]", b"null", b'{"problem_text": "p"}', b'{"problem_id": 1, "generated_cot": 7}', b'{"a": "x']


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_record_of_a_trace_can_be_skipped_and_is_otherwise_an_error(tmp_path, bad):
    path = tmp_path / "traces.jsonl"
    first, second = as_lines(traces(2)).splitlines()
    path.write_bytes(b"\n".join([first, bad, second]))
    with pytest.raises(DataError, match=r"line 2\) of|line 2 of") as caught:
        list(Traces(str(path)))
    assert "set `source.on_bad_record=skip`" in str(caught.value)
    before, skipped, after = Traces(str(path), on_bad_record="skip")
    assert (before.id, after.id) == ("0", "1")
    assert isinstance(skipped, Skipped)
    assert "line 2" in skipped.where
    assert skipped.why
    assert str(caught.value).startswith(f"{skipped.where} {skipped.why}: ")


def test_skipped_records_keep_the_numbers_of_the_others(tmp_path):
    path = tmp_path / "traces.jsonl"
    path.write_bytes(b"{}\nbroken\n" + as_lines(traces(2)))
    items = list(Traces(str(path), id_field=None, on_bad_record="skip"))
    assert [item.id for item in items if isinstance(item, Document)] == ["3", "4"]


@pytest.mark.parametrize("streaming", [False, True])
def test_records_of_data_sets_are_skipped_too(tmp_path, streaming):
    path = tmp_path / "texts.jsonl"
    path.write_bytes(
        as_lines([{"text": "a", "n": {"id": 1}}, {"text": None, "n": {"id": 2}}, {"text": "c", "n": None}])
    )
    fields = {"data_files": (str(path),), "streaming": streaming, "id_field": "n.id"}
    items = list(HuggingFace("json", **fields, on_bad_record="skip"))
    assert [type(item) for item in items] == [Document, Skipped, Skipped]
    assert items[0].id == "1"
    assert items[1].why == "holds null in `text`, not a text"
    assert items[2].why == "has no `n.id`; its `n` is null"
    with pytest.raises(DataError, match=r"record 2 of split .* holds null in `text`.* set `source.on_bad_record=skip`"):
        list(HuggingFace("json", **fields))


def test_a_problem_is_never_skipped_and_its_message_names_no_setting_that_would(tmp_path):
    path = tmp_path / "problems.csv.gz"
    path.write_bytes(gzip.compress(b"problem,answer\n1 + 1?,2\n2 + 2?,4\n"))
    assert [(problem.text, problem.answer) for problem in File(str(path))] == [("1 + 1?", "2"), ("2 + 2?", "4")]
    path.write_bytes(gzip.compress(b"problem,answer\n1 + 1?,2\n ,4\n"))
    with pytest.raises(DataError, match=r"record 2 .* has no problem, for its `problem` is blank: correct the record$"):
        list(File(str(path)))


def test_nested_fields_of_problems_are_read_by_paths(tmp_path):
    path = tmp_path / "problems.jsonl"
    path.write_text('{"task": {"question": "1 + 1?", "answers": ["2"]}, "meta": {"level": 3}}')
    [problem] = File(str(path), text_field="task.question", answer_field="task.answers.0", level_field="meta.level")
    assert (problem.text, problem.answer, problem.level) == ("1 + 1?", "2", "Level 3")
    assert set(problem.metadata) == {"task", "meta"}
