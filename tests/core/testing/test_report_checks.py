import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pytest

from neurosieve import Report, load
from neurosieve.testing import PLUGIN_CHECKS, REPORT_CHECKS, check_report

pytestmark = pytest.mark.usefixtures("copied_runs")


@dataclass(frozen=True)
class Sound(Report):
    """All that a run says of itself, on a page."""

    name: str = "page.html"

    def write(self, folder: Path) -> Iterable[Path]:
        page = folder / self.name
        page.write_text(f"<pre>{escape(json.dumps(load(folder).run))}</pre>", encoding="utf-8")
        return [page]


@dataclass(frozen=True)
class Naive(Sound):
    """A page that takes texts for markup."""

    def write(self, folder: Path) -> Iterable[Path]:
        page = folder / self.name
        page.write_text(f"<pre>{load(folder).run['warnings']}</pre>", encoding="utf-8")
        return [page]


@dataclass(frozen=True)
class Boasting(Sound):
    """A page, and one that is not there."""

    def write(self, folder: Path) -> Iterable[Path]:
        return [*super().write(folder), folder / "other.svg"]


@dataclass(frozen=True)
class Straying(Sound):
    """A page beside the run."""

    def write(self, folder: Path) -> Iterable[Path]:
        beside = folder.parent / "beside.html"
        beside.write_text("…")
        return [beside]


@dataclass(frozen=True)
class Hoarding(Sound):
    """A page, and a file that nobody hears of."""

    def write(self, folder: Path) -> Iterable[Path]:
        (folder / "secret.txt").write_text("…")
        return super().write(folder)


@dataclass(frozen=True)
class Meddling(Sound):
    """A page, and a word into the run itself."""

    def write(self, folder: Path) -> Iterable[Path]:
        told = load(folder).run
        (folder / "run.json").write_text(json.dumps({**told, "seen": True}))
        return super().write(folder)


@dataclass(frozen=True)
class Growing(Sound):
    """Another page each time."""

    def write(self, folder: Path) -> Iterable[Path]:
        name = f"page{len(list(folder.glob('page*')))}.html"
        return Sound(name).write(folder)


@dataclass(frozen=True)
class Picky(Sound):
    """A page of runs that have a ranking."""

    def write(self, folder: Path) -> Iterable[Path]:
        load(folder).table("neurons")
        return super().write(folder)


@dataclass(frozen=True)
class Naming(Sound):
    """A page, named in a string."""

    def write(self, folder: Path) -> Iterable[Any]:
        return [str(page) for page in super().write(folder)]


ALL = {check.__name__ for check in REPORT_CHECKS if check not in PLUGIN_CHECKS}

BROKEN = [
    (Naive(), {"text_is_no_markup"}, "writes a text of the run into `page.html` as markup: escape <script id=planted>"),
    (Boasting(), {"any_run_is_drawn"}, "returns `other.svg`, which it did not write"),
    (Straying(), {"nothing_else_is_touched"}, "writes outside the run: `.*beside.html`"),
    (Hoarding(), {"nothing_else_is_touched"}, "writes and does not name: `.*secret.txt`"),
    (Meddling(), {"nothing_else_is_touched"}, "changes `.*run.json`, which the run holds"),
    (Growing(), {"drawing_again_gives_the_same_files"}, r"page0.html.*, and .*page1.html.* the next time"),
    (Picky(), ALL, "raises DataError on a run of `show` with the tables"),
    (Naming(), ALL, "as a file that it wrote: return a `Path`"),
]


@pytest.mark.parametrize(("report", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_a_report_that_breaks_a_promise_fails_the_checks_of_that_promise(
    report: Report, checks: set[str], message: str, failures: Any
) -> None:
    failed = failures(REPORT_CHECKS, report)
    assert failed.keys() == checks
    assert all(re.search(message, text) for text in failed.values()), failed


def test_every_check_has_a_report_that_fails_it() -> None:
    assert set().union(*(checks for _, checks, _ in BROKEN)) == ALL


def test_a_report_that_keeps_its_promises_passes_and_one_that_does_not_is_told() -> None:
    check_report(Sound())
    with pytest.raises(AssertionError, match="as markup"):
        check_report(Naive())
