import io
import time

import pytest
from rich.console import Console

from neurosieve_plugins import progress


@pytest.fixture
def terminal(monkeypatch):
    screen = io.StringIO()
    made = Console(file=screen, force_terminal=True, width=120)
    monkeypatch.setattr(progress, "Console", lambda **_: made)
    yield screen
    for bar in progress._bars.values():
        bar.stop()
    progress._bars.clear()


def test_a_bar_tells_how_many_units_are_done_in_a_second(terminal):
    for done in range(0, 60, 20):
        progress.stage_progressed("generating", done, 100, "tokens")
        time.sleep(0.05)
    [bar] = progress._bars.values()
    bar.refresh()
    assert "generating (tokens)" in terminal.getvalue()
    assert "tokens/s" in terminal.getvalue()
    assert "40/100" in terminal.getvalue()


def test_a_total_that_shrinks_ends_the_bar_where_it_is_met(terminal):
    progress.stage_progressed("generating", 8, 100, "tokens")
    assert progress._bars
    progress.stage_progressed("generating", 9, 9, "tokens")
    assert not progress._bars


def test_a_pipe_gets_no_bar(monkeypatch):
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=io.StringIO(), force_terminal=False))
    progress.stage_progressed("generating", 1, 100, "tokens")
    assert not progress._bars
