import json
from pathlib import Path

import pandas as pd
import pytest

from neurosieve import ConfigError, DataError, Problem
from neurosieve.commands.generate import COMMAND
from neurosieve.config.composition import composed
from neurosieve.config.configuration import build, publish
from neurosieve.testing import check_problems
from neurosieve_plugins.problems.file import File

MATH500 = Path(__file__).parents[4] / "shared/data/math500/math500_test.jsonl"
RECORDS = [
    {"problem": f"What is {n} + 1?", "answer": f"{n + 1}", "level": n % 3 + 1, "kind": "Sums", "why": f"{n} and 1"}
    for n in range(6)
]
FIELDS = {"level_field": "level", "type_field": "kind", "solution_field": "why"}


@pytest.fixture(params=["json", "jsonl", "parquet"])
def file(request, tmp_path):
    path = tmp_path / f"problems.{request.param}"
    if request.param == "json":
        path.write_text(json.dumps(RECORDS))
    elif request.param == "jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    else:
        pd.DataFrame(RECORDS).to_parquet(path)
    return str(path)


def written(folder, *records, name="problems.jsonl"):
    path = folder / name
    path.write_text("\n".join(json.dumps(record) for record in records))
    return str(path)


def test_files_of_each_kind_hold_the_same_problems(file):
    assert list(File(file, **FIELDS)) == [
        Problem(str(n + 1), f"What is {n} + 1?", f"{n + 1}", f"Level {n % 3 + 1}", "Sums", f"{n} and 1")
        for n in range(6)
    ]


def test_it_keeps_what_a_source_of_problems_promises(file):
    check_problems(File(file, **FIELDS))


def test_fields_that_are_not_asked_for_are_kept_beside(file):
    first = next(iter(File(file)))
    assert first.metadata == {"level": 1, "kind": "Sums", "why": "0 and 1"}
    assert (first.level, first.type, first.solution) == ("", "", "")


def test_math_500_is_read_as_it_is():
    if not MATH500.is_file():
        pytest.skip("MATH-500 is not beside this checkout (../shared/data/math500)")
    publish(COMMAND.schemas)
    config = composed("generate", ["problems=math500", f"problems.path={MATH500}"])
    problems = list(build(config.problems, "problems", "problems"))
    assert len(problems) == len({problem.text for problem in problems}) == 500
    assert {problem.level for problem in problems} == {f"Level {n}" for n in range(1, 6)}
    assert {"Algebra", "Precalculus"} < {problem.type for problem in problems}
    assert all("\\boxed" in problem.solution and problem.answer for problem in problems)
    assert problems[0].id == "test/precalculus/807.json"


@pytest.mark.parametrize(
    ("answer", "read"), [("2", "2"), (2, "2"), (0.5, "0.5"), (None, None), (-3, "-3"), ("\\frac12", "\\frac12")]
)
def test_answers_are_texts_or_numbers_or_unknown(tmp_path, answer, read):
    [problem] = File(written(tmp_path, {"problem": "1?", "answer": answer}))
    assert problem.answer == read


@pytest.mark.parametrize(("level", "read"), [(3, "Level 3"), ("Level 3", "Level 3"), ("hard", "hard"), (None, "")])
def test_levels_are_named_as_in_the_founding_files(tmp_path, level, read):
    [problem] = File(written(tmp_path, {"problem": "1?", "answer": "1", "level": level}), level_field="level")
    assert problem.level == read


@pytest.mark.parametrize(
    ("records", "fields", "message"),
    [
        (
            [{"question": "1?", "answer": "1"}],
            {},
            r"record 1 .* has no `problem`; it has `question`, .*`problems.text",
        ),
        (
            [{"problem": "1?"}],
            {},
            r"has no `answer`; it has `problem`: correct the record, or set `problems.answer_field`",
        ),
        ([{"problem": "1?", "answer": [1]}], {}, "record 1 .* holds a list in `answer`, where a text or a number"),
        ([{"problem": "1?", "answer": True}], {}, "record 1 .* holds true or false in `answer`"),
        ([{"problem": 1, "answer": "1"}], {}, "record 1 .* holds a number in `problem`, not a text"),
        ([{"problem": " ", "answer": "1"}], {}, "record 1 .* has no problem, for its `problem` is blank"),
        ([{"problem": "1?", "answer": "1"}] * 2, {"id_field": "answer"}, "record 2 .* has the id `1`, which record 1"),
        ([{"problem": "1?", "answer": "1"}], {"level_field": "hard"}, "has no `hard`; .*set `problems.level_field`"),
    ],
)
def test_a_file_that_does_not_hold_problems_is_told(tmp_path, records, fields, message):
    with pytest.raises(DataError, match=message):
        list(File(written(tmp_path, *records), **fields))


def test_a_file_that_is_not_there_is_told_with_those_that_are(tmp_path):
    written(tmp_path, {})
    with pytest.raises(DataError, match=r"cannot read .*there is no such file.*did you mean `problems.jsonl`"):
        list(File(str(tmp_path / "problem.jsonl")))


@pytest.mark.parametrize("name", ["problems.json", "problems.jsonl", "problems.parquet"])
def test_a_broken_file_is_told(tmp_path, name):
    (tmp_path / name).write_text('{"problem": "1?", "answ')
    with pytest.raises(DataError, match=r"is cut off|not whole as Parquet"):
        list(File(str(tmp_path / name)))


@pytest.mark.parametrize("fields", [{"path": " "}, {"path": "x", "text_field": ""}, {"path": "x", "id_field": " "}])
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ConfigError, match="is empty"):
        File(**fields)
