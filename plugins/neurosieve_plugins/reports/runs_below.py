"""The runs in the folder of another one: what each is called, and the section that leads to them."""

from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from neurosieve import Cell, Header, Result, Run, Table
from neurosieve_plugins.reports.any_sections import question
from neurosieve_plugins.reports.blocks import Section

__all__ = ["called", "parts", "second_ranking", "went_on_from"]


def second_ranking(run: Run) -> Result | None:
    """Return the ranking by another reading that stands beside a run, where there is one."""
    return run.beside if isinstance(run, Result) else None


def went_on_from(run: Run) -> list[Run]:
    """Return the runs below a run, by path, without the ranking beside it and those that went on from that one."""
    beside = second_ranking(run)
    return [part for part in run.parts() if beside is None or not part.folder.is_relative_to(beside.folder)]


def called(run: Run) -> list[tuple[str, Run]]:
    """Return the runs below a run, each with a short name: its command, numbered where there are several.

    The ranking beside it, and what went on from that one, go by what was read there: `ablate by attribution`.
    """
    names = _numbered(went_on_from(run))
    if (beside := second_ranking(run)) is not None:
        by = f"by {beside.cells.name}"
        names += [(by, beside), *((f"{name} {by}", part) for name, part in _numbered(beside.parts()))]
    return names


def _numbered(below: Sequence[Run]) -> list[tuple[str, Run]]:
    times, so_far = Counter(part.command for part in below), Counter[str]()
    names: list[tuple[str, Run]] = []
    for part in below:
        so_far[part.command] += 1
        number = f" {so_far[part.command]}" if times[part.command] > 1 else ""
        names.append((f"{part.command}{number}", part))
    return names


def parts(run: Run) -> Section | None:
    """Return the runs that went on from this one, with the way to their own pages."""
    below = called(run)
    if not below:
        return None
    rows = []
    for name, part in below:
        folder = part.folder.relative_to(run.folder)
        # From `./` on, no name of a folder can be taken for another kind of address.
        page = f"./{quote(folder.as_posix())}/report.html" if (part.folder / "report.html").is_file() else ""
        rows.append((Cell(name), Cell(question(part)), Cell(str(folder), link=page)))
    headers = (Header("run"), Header("its question"), Header("folder"))
    lead = "Runs that went on from this one, each in a folder of its own."
    return Section("What went on from here", lead, (Table(headers, rows, "Runs below this one"),))
