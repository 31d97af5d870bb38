"""Files as people have them: compressed, tables, other encodings, folders, and names that say something else."""

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import DataError
from neurosieve_plugins.record_files import read_records, records_at
from neurosieve_plugins.records import RecordError

RECORDS = [
    {"id": "a", "text": "Wait, no.\nIt is “7”."},
    {"id": "b", "text": 'So "it" is; 8,\tthen'},
    {"id": "c", "text": "é 🙂 \u2028 x"},
]


def zstandard(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


COMPRESSORS = {"": bytes, ".gz": gzip.compress, ".zst": zstandard, ".bz2": bz2.compress, ".xz": lzma.compress}


def as_lines(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def as_table(records, delimiter=","):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(records[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def as_parquet(records):
    out = io.BytesIO()
    pd.DataFrame(records).to_parquet(out)
    return out.getvalue()


FORMATS = {
    ".jsonl": lambda records: as_lines(records).encode(),
    ".json": lambda records: json.dumps(records).encode(),
    ".csv": lambda records: as_table(records).encode(),
    ".tsv": lambda records: as_table(records, "\t").encode(),
    ".parquet": as_parquet,
}


def fields_at(path):
    records = list(records_at(str(path)))
    assert not [record for record in records if isinstance(record, RecordError)]
    return [dict(record.fields) for record in records]


def message(path):
    with pytest.raises(DataError) as caught:
        list(records_at(str(path)))
    return str(caught.value)


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize("packing", COMPRESSORS)
@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_gives_the_same_records_compressed_or_not(write, ending, packing):
    content = COMPRESSORS[packing](FORMATS[ending](RECORDS))
    assert fields_at(write(f"traces{ending}{packing}", content)) == RECORDS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("parquet.jsonl", as_parquet(RECORDS)),
        ("gzip.json", gzip.compress(as_lines(RECORDS).encode())),
        ("plain.jsonl.gz", as_lines(RECORDS)),
        ("xz.gz", lzma.compress(as_lines(RECORDS).encode())),
        ("lines.json", as_lines(RECORDS)),
        ("lines.csv", as_lines(RECORDS)),
        ("array.jsonl", json.dumps(RECORDS)),
        ("array.parquet", json.dumps(RECORDS, indent=1)),
        ("twice.jsonl.gz", gzip.compress(gzip.compress(as_lines(RECORDS).encode()))),
        ("members.gz", b"".join(gzip.compress(as_lines([record]).encode()) for record in RECORDS)),
        ("frames.zst", b"".join(zstandard(as_lines([record]).encode()) for record in RECORDS)),
        ("UPPER.CSV", as_table(RECORDS)),
        ("semicolons.csv", as_table(RECORDS, ";")),
        ("without_ending", as_lines(RECORDS)),
    ],
)
def test_the_content_decides_and_not_the_name(write, name, content):
    assert fields_at(write(name, content)) == RECORDS


@pytest.mark.parametrize("packing", [ending for ending in COMPRESSORS if ending])
def test_a_compressed_file_that_is_cut_off_anywhere_is_an_error(write, packing):
    records = [{"id": number, "text": f"{number * 7919 % 9973:x} " * 40} for number in range(40)]
    whole = COMPRESSORS[packing](as_lines(records).encode())
    for length in range(1, len(whole), max(1, len(whole) // 60)):
        with pytest.raises(DataError, match=r"is cut off|is not|holds no record"):
            list(read_records(write(f"cut.jsonl{packing}", whole[:length])))
    said = message(write(f"cut.jsonl{packing}", whole[:-1]))
    assert re.search(r" is cut off, for its .* stream has no end; (no record|record \d+ is the last)", said)
    assert said.endswith(": get the whole file")


def test_where_a_compressed_file_breaks_off_is_told(write):
    members = [gzip.compress(as_lines([record]).encode()) for record in RECORDS]
    said = message(write("cut.jsonl.gz", members[0] + members[1] + members[2][:-20]))
    assert (
        "is cut off, for its gzip stream has no end; record 2 is the last that could be read: get the whole file"
        in said
    )
    assert "no record could be read" in message(write("cut.json.gz", gzip.compress(b"[]" * 99)[:-9]))


def test_a_window_that_is_too_long_to_unpack_is_no_damage(write):
    # A frame header with a window of 2 GiB, as `zstd --long=31` writes it, and the beginning of a block.
    said = message(write("long.jsonl.zst", b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\x00\x00" + b"x" * 20))
    assert "cannot be unpacked, for its Zstandard stream has too long a window; no record could be read" in said
    assert "unpack it with `zstd -d --long=31`" in said


@pytest.mark.parametrize("packing", [ending for ending in COMPRESSORS if ending])
def test_a_compressed_file_that_is_damaged_is_an_error(write, packing):
    records = [{"id": number, "text": f"{number * 7919 % 9973:x}"} for number in range(400)]
    damaged = bytearray(COMPRESSORS[packing](as_lines(records).encode()))
    damaged[len(damaged) // 2] ^= 0xFF
    with pytest.raises(DataError):
        list(read_records(write(f"damaged.jsonl{packing}", bytes(damaged))))


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".tsv"])
def test_other_unicode_encodings_are_read_with_a_mark_or_by_their_zeros(write, encoding, ending):
    text = FORMATS[ending](RECORDS).decode()
    assert fields_at(write(f"traces{ending}", text.encode(encoding))) == RECORDS
    if encoding == "utf-16":
        big = codecs.BOM_UTF16_BE + text.encode("utf-16-be")
        assert fields_at(write(f"big{ending}.gz", gzip.compress(big))) == RECORDS


def test_a_file_in_an_old_encoding_is_told_with_how_it_would_read(write):
    said = message(write("old.jsonl", as_lines([{"text": "Wait"}, {"text": "un café noir"}]).encode("latin1")))
    assert said.startswith("line 2 of ")
    assert "is not UTF-8 (byte 0xe9): convert the file from the encoding that it was saved in" in said
    assert said.endswith("""`iconv -f WINDOWS-1252 -t UTF-8` if `xt": "un café noir"}` reads as it should""")


def test_a_text_that_ends_within_a_character_is_told(write):
    whole = as_table(RECORDS).encode("utf-16")
    assert "ends within a character, read as UTF-16" in message(write("cut.csv", whole[:-1]))
    assert "ends within a character, read as UTF-8" in message(write("cut.csv", "id,text\na,é".encode()[:-1]))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04 and so on", "a ZIP archive or an Excel file: unpack it, or save the sheet as CSV"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"\x80\x04\x95 pickled", "a pickle, which is not read, for it can run code"),
        (b"ARROW1\x00\x00", "an Arrow or Feather file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer to a file that was not downloaded"),
        (b"a.jsonl".ljust(257, b"\0") + b"ustar", "a tar archive: unpack it"),
    ],
)
@pytest.mark.parametrize("packing", ["", ".gz"])
def test_a_file_that_holds_something_else_is_named_for_what_it_is(write, content, what, packing):
    assert f" is {what}" in message(write("traces.jsonl" + packing, COMPRESSORS[packing](content)))


def test_a_parquet_file_that_is_damaged_is_an_error(write):
    frame = pd.DataFrame({"text": [f"{number * 7919 % 9973:x}" * 9 for number in range(999)]})
    whole = io.BytesIO()
    frame.to_parquet(whole, compression="snappy")
    damaged = bytearray(whole.getvalue())
    damaged[40:400] = b"\xff" * 360
    assert "is not whole as Parquet" in message(write("damaged.parquet", bytes(damaged)))


def test_cells_hold_delimiters_line_breaks_and_more_than_the_csv_module_reads_by_itself(write):
    rows = [{"id": "1", "text": "a,\r\n b"}, {"id": "2", "text": "x" * 200_000}, {"id": "3", "text": ""}]
    assert fields_at(write("traces.csv", as_table(rows))) == rows
    [first, second, _] = records_at(str(write("traces.csv", as_table(rows))))
    assert "record 1 (line 2) of" in first.where
    assert "record 2 (line 4) of" in second.where


def test_a_row_with_other_cells_than_the_header_is_told_with_its_line(write):
    path = write("traces.csv", "id,text\n1,a\n\n2,b, c\n3,d\n")
    first, second, third = records_at(str(path))
    assert (first.fields, third.fields) == ({"id": "1", "text": "a"}, {"id": "3", "text": "d"})
    assert third.number == 3
    assert str(second).startswith(f"record 2 (line 4) of {path} has 3 cells, where the header names 2: ")
    with pytest.raises(RecordError, match="has 3 cells"):
        list(read_records(path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('id,text\n1,a\n2,"b\n3,c\n', "is cut off, or a quotation mark is missing: the cell that starts in line 3 has"),
        ('id,text\n1,"a"b\n', "line 2 of "),
        ("id,text,id\n1,a,2\n", "has two columns named `id`: rename one"),
        ("id,text\n", "holds no record"),
        ("", "holds no record"),
        ("\n \n", "holds no record"),
    ],
)
def test_a_table_that_is_none_is_told(write, content, says):
    assert says in message(write("traces.csv", content))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"id": "x"},', "is not JSON (Extra data, column 12): remove the comma at its end"),
        ("{'id': 'x'}", "is not JSON ("),
        ('{"id": "x"', "is only a part of a record: write each on one line, as `jq -c .` does"),
        ("[1, 2]", "is a list, not an object: write it as"),
        ('"x"', "is a text, not an object"),
        ("NaN", "is nan, not an object"),
        ("[" * 100_000, "cannot be read as JSON ("),
        ("9" * 5000, "cannot be read as JSON ("),
    ],
)
def test_a_line_that_is_no_record_is_told_and_the_others_are_read(write, line, says):
    path = write("traces.jsonl", f'{{"id": "a"}}\n{line}\n{{"id": "c"}}\n')
    first, second, third = records_at(str(path))
    assert (first.fields, first.number, third.fields, third.number) == ({"id": "a"}, 1, {"id": "c"}, 3)
    assert "line 2" in second.where
    assert says in str(second)
    with pytest.raises(RecordError, match="line 2"):
        list(read_records(path))


def test_what_is_no_record_in_an_array_is_told_and_the_others_are_read(write):
    first, second, third = records_at(str(write("traces.json", '[{"id": 1}, "x", {"id": 3}]')))
    assert (first.number, third.number) == (1, 3)
    assert str(second).startswith("record 2 of ")


def test_the_files_of_a_folder_are_read_in_order_and_name_their_records(write, tmp_path):
    write("in/b.jsonl.gz", gzip.compress(FORMATS[".jsonl"](RECORDS)))
    for name in ("a.jsonl", "c.parquet", "d.tsv"):
        write(f"in/{name}", FORMATS[Path(name).suffix](RECORDS))
    write("in/README.md", "not records")
    write("in/.hidden.jsonl", "not records")
    write("in/_metadata.parquet", "not records")
    (tmp_path / "in/deeper.json").mkdir()
    names = [record.prefix + record.fields["id"] for record in records_at(str(tmp_path / "in"))]
    assert names == [f"{file}/{name}" for file in "abcd" for name in "abc"]


def test_files_of_one_name_in_several_folders_are_named_with_their_folders(write, tmp_path):
    for folder in ("run/one", "run/two/deep"):
        write(f"{folder}/traces.jsonl.gz", gzip.compress(as_lines(RECORDS[:1]).encode()))
    for pattern in ("run/**/*.jsonl.gz", "run/**", "**/traces.*"):
        records = list(records_at(str(tmp_path / pattern)))
        assert [record.prefix for record in records] == ["one/traces/", "two/deep/traces/"]
    assert "holds folders of records: give a pattern" in message(tmp_path / "run")
    assert "only folders are named like the pattern" in message(tmp_path / "r*")


def test_files_of_one_name_and_two_formats_are_told_apart(write, tmp_path):
    write("in/a.csv", FORMATS[".csv"](RECORDS))
    write("in/a.jsonl", FORMATS[".jsonl"](RECORDS))
    assert {record.prefix for record in records_at(str(tmp_path / "in"))} == {"a.csv/", "a.jsonl/"}


def test_a_file_beside_its_compressed_copy_is_an_error(write, tmp_path):
    write("in/a.jsonl", as_lines(RECORDS))
    write("in/a.jsonl.gz", gzip.compress(as_lines(RECORDS).encode()))
    assert "`a.jsonl` and `a.jsonl.gz`" in message(tmp_path / "in")
    assert "give one" in message(tmp_path / "in/*")


def test_folders_of_other_kinds_are_named_with_what_to_give(write, tmp_path):
    write("saved/data-00000-of-00001.arrow", b"\xff\xff\xff\xff")
    write("saved/state.json", "{}")
    assert "`source=huggingface source.dataset=arrow source.data_files=[" in message(tmp_path / "saved")
    write("run/run.json", "{}")
    write("run/traces.jsonl", as_lines(RECORDS))
    assert "is the folder of a run: give a file in it, such as its `traces.jsonl`" in message(tmp_path / "run")


def test_a_folder_without_records_is_an_error(write, tmp_path):
    write("in/README.md", "nothing")
    assert "holds no file of records, which end in `.json`, `.jsonl`" in message(tmp_path / "in")


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20)


@given(st.lists(st.fixed_dictionaries({"id": cells, "the text": cells}), min_size=1, max_size=6), st.data())
def test_what_is_written_is_read_whatever_the_format_the_encoding_and_the_packing(tmp_path_factory, records, data):
    ending = data.draw(st.sampled_from([".jsonl", ".json", ".csv", ".tsv"]))
    packing = data.draw(st.sampled_from(list(COMPRESSORS)))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
    path = tmp_path_factory.mktemp("written") / f"traces{ending}{packing}"
    path.write_bytes(COMPRESSORS[packing](FORMATS[ending](records).decode().encode(encoding)))
    assert fields_at(path) == records


def test_records_are_read_as_they_are_needed(tmp_path):
    path = Path(tmp_path, "endless.jsonl.gz")
    with gzip.open(path, "wb") as file:
        for number in range(20_000):
            file.write(b'{"id": %d, "text": "%s"}\n' % (number, b"x" * (number % 90)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    path.write_bytes(bytes(content))
    records = records_at(str(path))
    assert [next(records).fields["id"] for _ in range(100)] == list(range(100))
    with pytest.raises(DataError, match=r"for its gzip stream .*; record \d+ is the last that could be read: get"):
        list(records)
