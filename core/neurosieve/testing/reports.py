"""What a report promises."""

import hashlib
import re
import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from neurosieve.contracts import Report
from neurosieve.runs.results import Run
from neurosieve.testing.awkward import MARKUP
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, checker, require, shown, trying
from neurosieve.testing.runs import written_runs

__all__ = ["REPORT_CHECKS", "check_report"]

_MARKED_UP = (".html", ".htm", ".xhtml", ".svg")
_DATA = (".parquet", ".json", ".jsonl", ".yaml")
_T = TypeVar("_T")
_TAGS = tuple(re.findall(r"<\w+ \w+=planted", MARKUP))


def _once_for_equals(draw: Callable[[Report], _T]) -> Callable[[Report], _T]:
    """Draw with each report once, for all checks that look at it: a page of a large run takes seconds."""
    remembered = lru_cache(maxsize=1)(draw)

    def drawn(report: Report) -> _T:
        return remembered(report) if isinstance(report, Hashable) else draw(report)

    return drawn


@contextmanager
def _runs() -> Iterator[tuple[Path, list[Run]]]:
    """Give finished runs of every command, and the folder that they are in."""
    with tempfile.TemporaryDirectory(prefix="neurosieve-check-") as folder:
        yield Path(folder), written_runs(Path(folder))


def _written(report: Report, run: Run) -> list[Path]:
    with trying(report, f"on a run of `{run.command}` with the tables {run.tables}"):
        files: list[Any] = list(report.write(run.folder))
    for file in files:
        path = isinstance(file, Path)
        require(path, f"{shown(report)} returns {shown(file)} as a file that it wrote: return a `Path`")
    return files


def _hashes(folder: Path) -> dict[Path, str]:
    """Return every file below a folder, and the hash of its content."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class _Drawn(NamedTuple):
    """A file that a report says it wrote, as it stood then."""

    name: str
    there: bool
    tags: tuple[str, ...]
    """Which texts of the run it holds as markup."""


@_once_for_equals
def _files(report: Report) -> list[_Drawn]:
    """Draw runs of every command."""
    drawn = []
    with _runs() as (_, runs):
        for run in runs:
            for file in _written(report, run):
                there = file.is_file() and file.stat().st_size > 0
                page = file.read_text(encoding="utf-8") if there and file.suffix.lower() in _MARKED_UP else ""
                drawn.append(_Drawn(file.name, there, tuple(tag for tag in _TAGS if tag in page)))
    return drawn


class _DrawnTwice(NamedTuple):
    """What drawing a run, and drawing it again, wrote: with the files of all runs before and after the first time."""

    run: Path
    before: dict[Path, str]
    first: list[Path]
    after: dict[Path, str]
    second: list[Path]


@_once_for_equals
def _twice(report: Report) -> list[_DrawnTwice]:
    drawn = []
    with _runs() as (folder, runs):
        for run in runs[:2]:
            before = _hashes(folder)
            first = _written(report, run)
            drawn.append(_DrawnTwice(run.folder, before, first, _hashes(folder), _written(report, run)))
    return drawn


def any_run_is_drawn(report: Report) -> None:
    """Assert that a run of any command is drawn, whatever its tables and texts hold, and that the files are there."""
    for file in _files(report):
        require(file.there, f"{shown(report)} returns `{file.name}`, which it did not write")


def nothing_else_is_touched(report: Report) -> None:
    """Assert that a report writes what it says, inside the folder of the run, and changes nothing that is there."""
    for drawn in _twice(report):
        before, after = drawn.before, drawn.after
        files = {file.absolute() for file in drawn.first}
        outside = {path for path in files if not path.is_relative_to(drawn.run.absolute())}
        changed = {path for path in before if after.get(path) != before[path]} - files
        # A page that it wrote itself before may be written anew.
        changed |= {path for path in files & before.keys() if path.suffix in _DATA}
        for paths, what in (
            (outside, "writes outside the run: `{}`"),
            (after.keys() - before.keys() - files, "writes and does not name: `{}`"),
            (changed, "changes `{}`, which the run holds"),
        ):
            require(not paths, f"{shown(report)} {what.format(min(paths, default=None))}")


def drawing_again_gives_the_same_files(report: Report) -> None:
    """Assert that a run can be drawn again, as it is when another goes on from it: the same files, and no others."""
    for drawn in _twice(report):
        first, second = drawn.first, drawn.second
        same = sorted(first) == sorted(second)
        require(same, f"{shown(report)} writes {shown(first)}, and {shown(second)} the next time")
        require(len(set(first)) == len(first), f"{shown(report)} writes a file twice: {shown(sorted(first))}")


def text_is_no_markup(report: Report) -> None:
    """Assert that no page holds a text of the run as markup: a document may say `<script>`."""
    for file in _files(report):
        what = f"writes a text of the run into `{file.name}` as markup: escape {''.join(file.tags[:1])}>"
        require(not file.tags, f"{shown(report)} {what}")


REPORT_CHECKS: tuple[Check, ...] = (
    *PLUGIN_CHECKS,
    any_run_is_drawn,
    nothing_else_is_touched,
    drawing_again_gives_the_same_files,
    text_is_no_markup,
)
check_report = checker(REPORT_CHECKS)
