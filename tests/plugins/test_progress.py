import io
import time
from pathlib import Path

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


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it, and no terminal."""
    seconds = [1000.0]
    monkeypatch.setattr(progress, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=io.StringIO(), force_terminal=False))
    monkeypatch.setattr(progress, "_lines", progress._Lines())
    return seconds


def test_without_a_terminal_one_line_a_minute_says_how_far_the_stage_has_come(clock, capsys):
    progress.run_started("find", Path("run"))
    for second in range(150):
        clock[0] = 1000.0 + second
        progress.stage_progressed("reading", 100 * second, 20_000, "positions")
    assert capsys.readouterr() == ("", "reading: 6,000 of 20,000 positions\nreading: 12,000 of 20,000 positions\n")


def test_a_line_counts_units_where_their_total_is_not_known_and_goes_on_over_stages(clock, capsys):
    progress.stage_progressed("reading", 10, 10, "positions")
    clock[0] += 59
    progress.stage_progressed("detecting", 1, None, "documents")
    assert capsys.readouterr().err == ""
    clock[0] += 2
    progress.stage_progressed("detecting", 2000, None, "documents")
    assert capsys.readouterr().err == "detecting: 2,000 documents\n"


def test_a_run_of_less_than_a_minute_prints_no_line(clock, capsys):
    progress.stage_progressed("reading", 0, 10, "positions")
    clock[0] += 3600
    progress.run_started("find", Path("run"))
    clock[0] += 59
    progress.stage_progressed("reading", 10, 10, "positions")
    assert capsys.readouterr().err == ""
