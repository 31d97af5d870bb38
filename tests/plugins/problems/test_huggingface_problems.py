import json

import datasets
import pandas as pd
import pytest

from neurosieve import ConfigError, DataError, Problem
from neurosieve.commands.generate import COMMAND
from neurosieve.config.composition import composed
from neurosieve.config.configuration import build, publish
from neurosieve.testing import check_problems
from neurosieve_plugins.problems.huggingface import HuggingFace

RECORDS = [
    {"problem": f"What is {n} + 1?", "level": f"Level {n % 3}", "type": "Algebra", "solution": f"\\boxed{{{n + 1}}}"}
    for n in range(5)
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(params=["json", "parquet"])
def local(request, tmp_path):
    file = tmp_path / f"records.{request.param}"
    if request.param == "json":
        file.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    else:
        pd.DataFrame(RECORDS).to_parquet(file)
    return {"dataset": request.param, "data_files": (str(file),)}


EXPECTED = [
    Problem(str(n + 1), record["problem"], None, record["level"], "Algebra", record["solution"])
    for n, record in enumerate(RECORDS)
]


@pytest.mark.parametrize("streaming", [False, True])
def test_local_files_are_read_through_datasets(local, streaming):
    fields = {"answer_field": None, "level_field": "level", "type_field": "type", "solution_field": "solution"}
    assert list(HuggingFace(**local, **fields, streaming=streaming)) == EXPECTED


def test_the_preset_of_the_notebook_reads_records_as_those_of_its_data_set(local):
    publish(COMMAND.schemas)
    preset = composed("generate", ["problems=math"]).problems
    assert preset.dataset == "fdyrd/math"
    there = [f"problems.dataset={local['dataset']}", f"problems.data_files=['{local['data_files'][0]}']"]
    config = composed("generate", ["problems=math", *there])
    assert list(build(config.problems, "problems", "problems")) == EXPECTED


def test_it_keeps_what_a_source_of_problems_promises(local):
    check_problems(HuggingFace(**local, answer_field=None))


def test_a_field_that_is_not_there_is_told_with_those_that_are(local):
    with pytest.raises(DataError, match=r"record 1 of split `train` of .* has no `answer`; it has `problem`, `level`"):
        list(HuggingFace(**local))


@pytest.mark.parametrize("streaming", [False, True])
def test_a_hub_out_of_reach_is_an_error_that_says_so(streaming):
    with pytest.raises(DataError, match=r"split `train` of `nobody/nothing` cannot be read .*network"):
        list(HuggingFace("nobody/nothing", streaming=streaming))


@pytest.mark.parametrize("fields", [{"dataset": ""}, {"dataset": "json"}, {"split": " "}, {"text_field": ""}])
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ConfigError, match="is empty"):
        HuggingFace(**{"dataset": "some/name"} | fields)
