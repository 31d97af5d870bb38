"""A run as a page."""

from dataclasses import dataclass
from pathlib import Path

from neurosieve import ConfigError, Report, load

__all__ = ["Html"]


@dataclass(frozen=True)
class Html(Report):
    """A page to look at, `report.html`: one file that needs no network, with charts to point at and zoom.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "run.json").write_text('{"format": 2, "command": "detect", "warnings": ["`wait` shows nowhere"]}')
    >>> [page] = Html().write(folder)
    >>> page.name, "shows nowhere" in page.read_text()
    ('report.html', True)
    """

    best: int = 100
    """How many neurons of each behaviour the ranking lists."""
    points: int = 30_000
    """How many neurons are drawn as points, at most; where more would lie on each other, the outermost are."""

    def __post_init__(self) -> None:
        for name in ("best", "points"):
            if getattr(self, name) < 1:
                raise ConfigError(f"reports.html.{name} is {getattr(self, name)}: give at least 1")

    def write(self, folder: Path) -> list[Path]:
        """Write the page of the run in `folder`, and of the runs below it."""
        from neurosieve_plugins.reports.page import page
        from neurosieve_plugins.reports.sections import sections
        from neurosieve_plugins.reports.writing import written

        run = load(folder)
        made = page(run, sections(run, self.best, self.points))
        # A lone half of a character pair, which no file can hold, shows as the sign for what cannot be shown.
        return [written(folder / "report.html", made.encode("utf-8", "xmlcharrefreplace"))]
