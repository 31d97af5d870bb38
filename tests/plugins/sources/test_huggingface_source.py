import json
from pathlib import Path

import datasets
import pandas as pd
import pytest

from neurosieve import ConfigError, DataError, Document
from neurosieve.testing import check_source
from neurosieve_plugins.sources.huggingface import HuggingFace

RECORDS = [
    {"text": f"What is {number}? <think> Hmm, {number}.", "problem": f"problem {number // 2}", "level": number}
    for number in range(7)
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(params=["json", "parquet", "csv"])
def local(request, tmp_path) -> tuple[str, str]:
    file = tmp_path / f"records.{request.param}"
    if request.param == "json":
        file.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    elif request.param == "parquet":
        pd.DataFrame(RECORDS).to_parquet(file)
    else:
        pd.DataFrame(RECORDS).to_csv(file, index=False)
    return request.param, str(file)


@pytest.mark.parametrize("streaming", [False, True])
def test_local_files_are_read(local, streaming):
    dataset, file = local
    documents = list(HuggingFace(dataset, data_files=(file,), group_field="problem", streaming=streaming))
    assert documents == [
        Document(
            str(number + 1),
            record["text"],
            record["problem"],
            len("What is 0? <think>"),
            (),
            {"level": record["level"]},
        )
        for number, record in enumerate(RECORDS)
    ]


@pytest.mark.parametrize("streaming", [False, True])
def test_it_keeps_what_a_source_promises(tmp_path, streaming):
    file = tmp_path / "lines.txt"
    file.write_text("one\ntwo\nthree\n")
    check_source(HuggingFace("text", data_files=(str(file),), streaming=streaming))


def test_a_part_of_a_split_can_be_asked_for(local):
    dataset, file = local
    assert len(list(HuggingFace(dataset, data_files=(file,), split="train[2:5]"))) == 3


def test_a_field_that_is_not_there_is_told_with_those_that_are(local):
    dataset, file = local
    with pytest.raises(
        DataError, match=r"record 1 of split `train` of .* has no `txt`; it has `text`, `problem`, `level`"
    ):
        list(HuggingFace(dataset, data_files=(file,), text_field="txt"))


@pytest.mark.parametrize("streaming", [False, True])
def test_a_split_that_is_not_there_is_told(local, streaming):
    dataset, file = local
    with pytest.raises(DataError, match=r"split `test` of .* cannot be read .*train"):
        list(HuggingFace(dataset, data_files=(file,), split="test", streaming=streaming))


@pytest.mark.parametrize("streaming", [False, True])
def test_a_file_that_is_not_there_is_told(tmp_path, streaming):
    with pytest.raises(DataError, match=r"nowhere.json.* cannot be read .*check `split` and `data_files`"):
        list(HuggingFace("json", data_files=(str(tmp_path / "nowhere.json"),), streaming=streaming))


@pytest.mark.parametrize("streaming", [False, True])
def test_a_file_without_records_is_an_error(tmp_path, streaming):
    file = Path(tmp_path, "empty.csv")
    file.write_text("text\n")
    with pytest.raises(DataError, match=r"holds no record|cannot be read"):
        list(HuggingFace("csv", data_files=(str(file),), streaming=streaming))


@pytest.mark.parametrize("streaming", [False, True])
def test_a_hub_out_of_reach_is_an_error_that_says_so(streaming):
    with pytest.raises(DataError, match=r"split `train` of `nobody/nothing` cannot be read .*network"):
        list(HuggingFace("nobody/nothing", streaming=streaming))


@pytest.mark.parametrize("fields", [{"dataset": ""}, {"dataset": "json"}, {"split": " "}, {"text_field": ""}])
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ConfigError):
        HuggingFace(**{"dataset": "some/name"} | fields)
