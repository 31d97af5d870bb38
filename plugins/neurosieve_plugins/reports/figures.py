"""A run's figures, for papers."""

from dataclasses import dataclass
from pathlib import Path

from neurosieve import ConfigError, Report, load

__all__ = ["Figures"]

_FORMATS = ("png", "svg")


@dataclass(frozen=True)
class Figures(Report):
    """Every figure of the page as a file of its own, in the folder `figures`: PNG and SVG, on white paper.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "run.json").write_text('{"format": 2, "command": "detect"}')
    >>> list(Figures().write(folder))
    []
    """

    formats: tuple[str, ...] = _FORMATS
    """What each figure is written as: `png`, `svg`."""
    dots_per_inch: int = 200
    """How fine a PNG is."""
    points: int = 6_000
    """How many neurons are drawn as points, at most; where more would lie on each other, the outermost are."""

    def __post_init__(self) -> None:
        unknown = [one for one in self.formats if one not in _FORMATS]
        if unknown or not self.formats:
            raise ConfigError(f"reports.figures.formats is {list(self.formats)}: take png, svg or both")
        for name in ("dots_per_inch", "points"):
            if getattr(self, name) < 1:
                raise ConfigError(f"reports.figures.{name} is {getattr(self, name)}: give at least 1")

    def write(self, folder: Path) -> list[Path]:
        """Write every figure of the run in `folder`, and of the runs below it."""
        from neurosieve_plugins.reports.paper import on_paper, picture
        from neurosieve_plugins.reports.sections import drawn, sections
        from neurosieve_plugins.reports.writing import written

        run, files = load(folder), []
        for name, figure in drawn(sections(run, 1, self.points)):
            (folder / "figures").mkdir(exist_ok=True)
            made = on_paper(figure)
            for ending in self.formats:
                drawing = picture(made, ending, self.dots_per_inch)
                files.append(written(folder / "figures" / f"{name}.{ending}", drawing))
        return files
