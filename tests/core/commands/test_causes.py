"""An error of the operating system names the plugin that met it, the file, and what was refused."""

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from neurosieve import DataError, Detector, Document, Report, Source, Span, StoreError, analyze, detect, find, hookimpl
from neurosieve.cli import main
from neurosieve.errors import refusal
from neurosieve.registry import installed
from neurosieve_plugins.detectors.phrases import Phrases


@dataclass(frozen=True)
class Labels(Source):
    """Texts, with labels in a file beside them."""

    labels: str = "labels.csv"
    defect: bool = False

    def __iter__(self) -> Iterator[Document]:
        """Yield one text, then look for the labels."""
        yield Document("a", "wait, that is wrong", "a")
        if self.defect:
            raise ZeroDivisionError
        with Path(self.labels).open() as lines:
            yield from (Document(line, line, line) for line in lines)


@dataclass(frozen=True)
class Listed(Detector):
    """Words of a list in a file."""

    path: str = "words.txt"

    def detect(self, document: Document) -> Iterable[Span]:
        """Read the list."""
        Path(self.path).read_text()
        return []


@dataclass(frozen=True)
class Full(Report):
    """A report that finds no room."""

    def write(self, folder: Path) -> Iterable[Path]:
        """Fail as a full disk does."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "page.html"))


class Package:
    """Plugins of a third party."""

    @hookimpl
    def register_sources(self) -> dict[str, type[Source]]:
        return {"xyz": Labels}

    @hookimpl
    def register_detectors(self) -> dict[str, type[Detector]]:
        return {"listed": Listed}

    @hookimpl
    def register_reports(self) -> dict[str, type[Report]]:
        return {"full": Full}


@pytest.fixture(autouse=True)
def plugged_in(tmp_path, monkeypatch):
    """Plug the package in beside those installed, in an empty folder."""
    import neurosieve_plugins
    from neurosieve.registry import Registry

    registry = Registry({"neurosieve": neurosieve_plugins, "theirs": Package()})
    installed.cache_clear()
    for module in ("registry", "config.configuration", "runs.record_fields", "runs.recording"):
        monkeypatch.setattr(f"neurosieve.{module}.installed", lambda: registry)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    return tmp_path


NO_LABELS = (
    "cannot read `labels.csv` (No such file or directory): the source `xyz` failed; check the file and the source's "
    "fields"
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["detect", "source=xyz"],
        ["find", "source=xyz", "model=tiny"],
        ["find", "source=xyz", "model=tiny", "store=none", "scorers=[cohens_d]"],
        ["analyze", "source=xyz"],
        ["analyze", "source=xyz", "show=b"],
    ],
    ids=" ".join,
)
def test_a_source_that_opens_a_missing_file_is_named_on_the_command_line(capsys, plugged_in, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"neurosieve: {NO_LABELS}\n"
    assert [path.name for path in plugged_in.iterdir() if path.name != "cache"] == []


def test_and_in_python():
    detectors = {"waiting": Phrases(("wait",))}
    for call in (detect, analyze):
        with pytest.raises(DataError) as refused:
            call("xyz", detectors, folder="run")
        assert str(refused.value) == NO_LABELS
        assert isinstance(refused.value.__cause__, FileNotFoundError)
    with pytest.raises(DataError) as refused:
        find("tiny", Labels(), detectors, folder="run")
    assert str(refused.value) == NO_LABELS


def test_texts_that_are_handed_over_have_no_name():
    texts = (document for document in Labels("nowhere.csv"))
    with pytest.raises(
        DataError, match=r"^cannot read `nowhere.csv` \(No such .*: check the texts that were handed over"
    ):
        detect(texts, {"waiting": Phrases(("wait",))}, folder="run")


def test_a_detector_is_named():
    with pytest.raises(DataError, match=r"^cannot read `words.txt` \(No such .*: the detector `listed` failed; "):
        detect("arithmetic", "listed", folder="run")


def test_a_report_that_finds_no_room_is_named_and_was_writing():
    said = r"^cannot write `run/page.html` \(No space left on device\): the report `full` failed; "
    with pytest.raises(StoreError, match=said):
        detect("arithmetic", reports="full", folder="run")


def test_a_bug_of_a_plugin_is_not_explained_away(capsys):
    with pytest.raises(ZeroDivisionError):
        detect(Labels(defect=True), folder="run")
    with pytest.raises(SystemExit) as ended:
        main(["detect", "source=xyz", "source.defect=true"])
    assert ended.value.code == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_reading_and_writing_are_told_apart_only_where_it_is_known(tmp_path):
    def said(number, path):
        return refusal(OSError(number, os.strerror(number), path and str(path)))

    there, nowhere = tmp_path / "file", tmp_path / "no" / "file"
    assert said(errno.ENOENT, there) == f"cannot read `{there}` (No such file or directory)"
    assert said(errno.ENOENT, nowhere) == f"cannot use `{nowhere}` (No such file or directory)"
    assert said(errno.EACCES, there) == f"cannot use `{there}` (Permission denied)"
    assert said(errno.ENOSPC, there) == f"cannot write `{there}` (No space left on device)"
    assert said(errno.EIO, None) == "cannot use a file (Input/output error)"
    assert refusal(OSError("the hub does not answer")) == "the hub does not answer"
