import json
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import datasets
import pandas as pd
import pytest

from neurosieve import BrokenOffError, ConfigError, DataError, Document, Passage
from neurosieve.testing import check_source
from neurosieve.texts.resumable import ResumableSource
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
            (Passage(0, 11, "user"), Passage(18, len(record["text"]), "thought")),
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


@pytest.mark.parametrize(
    "fields",
    [
        {"dataset": ""},
        {"dataset": "json"},
        {"split": " "},
        {"text_field": ""},
        {"part": (1, 1), "id_field": "name"},
        {"part": (0, 2)},
    ],
)
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ConfigError):
        HuggingFace(**{"dataset": "some/name"} | fields)


def test_parts_of_a_stream_of_several_files_are_dealt_out_whole(tmp_path):
    files = []
    for number in range(4):
        lines = ({"name": f"{number}-{line}", "text": f"İt is {line}. Wait."} for line in range(3))
        files.append(tmp_path / f"{number}.jsonl")
        files[-1].write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = HuggingFace("json", data_files=tuple(map(str, files)), id_field="name", streaming=True)
    check_source(source)
    assert [[one.id[0] for one in source.shard(rank, 2)] for rank in range(2)] == [list("000222"), list("111333")]


@pytest.fixture
def breaking_server(tmp_path):
    """Serves a folder over HTTP; it ends in the midst of what is behind 16 MiB, as often as `failures` says."""

    class Breaking(SimpleHTTPRequestHandler):
        failures = 10**6

        def do_GET(self):
            whole = (tmp_path / self.path[1:]).read_bytes()
            first, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")
            part = whole[int(first) : int(last or len(whole)) + 1]
            self.send_response(206)
            self.send_header("Content-Length", str(len(part)))
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(whole)}")
            self.send_header("Accept-Ranges", "bytes")
            self.end_headers()
            if Breaking.failures and int(first) >= 2**24:
                Breaking.failures -= 1
                self.wfile.write(part[: len(part) // 2])
                raise ConnectionResetError
            self.wfile.write(part)

        def do_HEAD(self):
            self.send_response(200)
            self.send_header("Content-Length", str((tmp_path / self.path[1:]).stat().st_size))
            self.send_header("Accept-Ranges", "bytes")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Breaking)
    server.handle_error = lambda *_: None
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", Breaking
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
def test_a_stream_that_breaks_off_says_so_and_is_read_on(tmp_path, breaking_server, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "STREAMING_READ_MAX_RETRIES", 1)
    monkeypatch.setattr(datasets.config, "STREAMING_READ_RETRY_INTERVAL", 0)
    lines = [json.dumps({"text": f"{number}. Wait, no. " + "x" * 5000}) + "\n" for number in range(6_500)]
    (tmp_path / "texts.jsonl").write_text("".join(lines))
    address, server = breaking_server
    source = HuggingFace("json", data_files=(f"{address}/texts.jsonl",), streaming=True)
    with pytest.raises(BrokenOffError, match=r"broke off after record \d+"):
        list(source)
    texts = ResumableSource(source, first_wait=0.0)
    server.failures = 3
    assert [document.id for document in texts] == [str(number) for number in range(1, 6_501)]
    assert texts.interruptions > 0
