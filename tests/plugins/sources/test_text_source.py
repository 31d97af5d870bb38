import gzip
from pathlib import Path

import pytest

from neurosieve import ConfigError, DataError
from neurosieve.testing import check_source
from neurosieve_plugins.sources.text import Text

SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "b.txt": "One.\nOne more.\n\n \nTwo.\n",
        "a/c.txt": "Three.\r\n\r\nFour.",
        "a/d.md": "Five.",
        "blank.txt": " \n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    return tmp_path


def texts(source: Text) -> dict[str, str]:
    return {document.id: document.text for document in source}


@pytest.mark.parametrize("split", ["file", "paragraph", "line"])
def test_it_keeps_what_a_source_promises(folder, split):
    check_source(Text(str(folder), split=split))


def test_a_file_is_a_document_as_it_stands(folder):
    assert texts(Text(str(folder))) == {"a/c.txt": "Three.\r\n\r\nFour.", "b.txt": "One.\nOne more.\n\n \nTwo.\n"}
    assert texts(Text(str(folder / "b.txt"))) == {"b.txt": "One.\nOne more.\n\n \nTwo.\n"}


def test_blank_lines_part_paragraphs(folder):
    assert texts(Text(str(folder), split="paragraph")) == {
        "a/c.txt:1": "Three.",
        "a/c.txt:3": "Four.",
        "b.txt:1": "One.\nOne more.",
        "b.txt:5": "Two.",
    }


def test_a_line_can_be_a_document(folder):
    assert list(texts(Text(str(folder / "b.txt"), split="line"))) == ["b.txt:1", "b.txt:2", "b.txt:5"]


def test_the_pattern_says_which_files_are_read(folder):
    assert list(texts(Text(str(folder), pattern="**/*.md"))) == ["a/d.md"]
    assert list(texts(Text(str(folder), pattern="*.txt"))) == ["b.txt"]


def test_the_group_is_the_file_or_the_document(folder):
    assert {document.group for document in Text(str(folder), split="line")} == {"a/c.txt", "b.txt"}
    assert all(document.group == document.id for document in Text(str(folder), split="line", group="document"))


def test_a_path_that_is_not_there_is_answered_with_the_nearest(folder):
    with pytest.raises(DataError, match=r"did you mean `b.txt`"):
        list(Text(str(folder / "bb.txt")))


def test_a_folder_without_such_files_is_told_with_what_it_has(folder):
    with pytest.raises(DataError, match=r"there are files that end in `.md`, `.txt`: set `pattern`"):
        list(Text(str(folder), pattern="*.rst"))
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="the folder holds no file"):
        list(Text(str(folder / "empty")))


def test_nothing_but_blanks_is_an_error(folder):
    with pytest.raises(DataError, match="nothing but blanks"):
        list(Text(str(folder / "blank.txt")))


def test_what_is_not_utf8_is_told_with_its_line(folder):
    (folder / "latin.txt").write_bytes(b"one\ncaf\xe9\n")
    with pytest.raises(DataError, match=r"line 2 of .*latin.txt is not UTF-8 \(byte 0xe9\)"):
        list(Text(str(folder)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_texts_are_read_in_each_unicode_encoding_compressed_or_not(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("Wait… no.\r\nBZh\n".encode(encoding))
    (tmp_path / "b.txt").write_bytes(gzip.compress("Wait… no.\r\nBZh\n".encode(encoding)))
    (tmp_path / "c.txt").write_bytes("BZh is no bzip2".encode(encoding))
    assert [document.text for document in Text(str(tmp_path))] == ["Wait… no.\r\nBZh\n"] * 2 + ["BZh is no bzip2"]


def test_a_compressed_text_that_is_cut_off_is_an_error(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"Wait, no. " * 99)[:-9])
    with pytest.raises(DataError, match=r"a.txt.gz is cut off, for its gzip stream has no end; .* could be unpacked"):
        list(Text(str(tmp_path / "a.txt.gz")))


@pytest.mark.parametrize("fields", [{"path": ""}, {"pattern": ""}, {"pattern": "/x/*.txt"}])
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ConfigError):
        Text(**{"path": "texts"} | fields)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"there is no data beside the project, in {SHARED}")
def test_declarations_of_human_rights_are_read_in_four_languages():
    documents = list(Text(str(SHARED / "udhr")))
    assert [document.id for document in documents] == ["deu.txt", "eng.txt", "fra.txt", "spa.txt"]
    for document in documents:
        assert document.text == (SHARED / "udhr" / document.id).read_text()


def test_texts_can_be_prompts_alone(folder):
    for document in Text(str(folder), split="line", prompts_only=True):
        assert document.text_of("prompt") == document.text
        assert document.stretches() == ()


def test_the_metadata_name_the_file_without_its_ending(folder):
    with gzip.open(folder / "a" / "e.v2.txt.gz", "wt") as file:
        file.write("Six.")
    named = {document.id: document.metadata["file"] for document in Text(str(folder), pattern="**/*.t*")}
    assert named == {"a/c.txt": "a/c", "a/e.v2.txt.gz": "a/e.v2", "b.txt": "b"}
