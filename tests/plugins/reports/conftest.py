"""What the tests of reports share: runs of every command, drawn once, and a browser to look at their pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Page, browser, why_not

from neurosieve import Run
from neurosieve.testing.runs import written_runs
from neurosieve_plugins.reports.html import Html


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Runs of every command by the folder that they are in, each with its page; their texts are awkward."""
    folder = tmp_path_factory.mktemp("runs")
    written = written_runs(folder)
    # Those that went on from a run first: its page leads to theirs.
    for run in sorted(written, key=lambda run: -len(run.folder.parts)):
        list(Html().write(run.folder))
    return {str(run.folder.relative_to(folder)): run for run in written}


@pytest.fixture(scope="session")
def pages(runs: dict[str, Run]) -> dict[str, Path]:
    """The pages of these runs."""
    return {name: run.folder / "report.html" for name, run in runs.items()}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Page]:
    """A browser, opened once."""
    if why_not():
        pytest.skip(why_not())
    with browser() as page:
        yield page


@pytest.fixture
def page(chromium: Page) -> Page:
    """The browser as it was opened: light, of a desktop's size, with nothing said or asked for."""
    chromium.reset()
    return chromium
