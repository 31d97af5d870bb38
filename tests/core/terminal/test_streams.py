"""Output on terminals and pipes that cannot take it as it is."""

import codecs
import os
import re
import subprocess
import sys

import pytest

from neurosieve.cli import main
from neurosieve.terminal.streams import PIPE_CLOSED, make_printable
from neurosieve.terminal.unexpected import unexpected

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
COMMANDS = {
    "help": ["--help"],
    "a table": ["plugins"],
    "machine-readable": ["plugins", "--json"],
    "a run": ["detect", "source=arithmetic", "source.documents=6", "reports=[]"],
    "analyze": ["analyze", "source=arithmetic", "source.documents=6", "grader=boxed", "reports=[]"],
    "a mistake in other letters": ["detect", "source=arithmetic", "detectors=[étude→中]"],
}


def each(names):
    """Each starts a process; one that imports little is quick."""
    return [pytest.param(name, marks=() if name == "help" else pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", each(COMMANDS))
def test_an_ascii_terminal_gets_ascii_and_no_traceback(name, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "neurosieve", *COMMANDS[name]],
        env={**os.environ, **ASCII},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    wanted = 2 if "mistake" in name else 0
    assert ended.returncode == wanted, ended.stderr
    assert (ended.stdout + ended.stderr).isascii()
    assert b"Traceback" not in ended.stderr
    assert ended.stdout or wanted


def test_characters_of_typography_are_replaced_by_what_looks_like_them():
    make_printable()
    assert codecs.encode("5 – “a” … ×2 → 中é", "ascii", "neurosieve") == b'5 - "a" ... x2 -> \\u4e2d\\xe9'
    assert codecs.encode("a \ud800", "utf-8", "neurosieve") == b"a \\ud800"
    with pytest.raises(UnicodeDecodeError):
        codecs.decode(b"\xff", "utf-8", "neurosieve")


@pytest.mark.parametrize("name", each(["help", "a table", "machine-readable", "a run", "analyze"]))
def test_a_pipe_that_closes_early_ends_without_a_word(name, tmp_path):
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-m", "neurosieve", *COMMANDS[name]],
        stdout=write,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        check=False,
    )
    os.close(write)
    assert (ended.returncode, ended.stderr) == (PIPE_CLOSED, b"")
    assert len(list(tmp_path.rglob("run.json"))) == (name in ("a run", "analyze"))  # What was done stays.


def fails(message):
    raise ZeroDivisionError(message)


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero \x1b[31m"), KeyError(), RuntimeError("a\nb")], ids=repr)
def test_an_unforeseen_error_ends_in_one_message_with_its_traceback_in_a_file(error, monkeypatch, capsys, tmp_path):
    def detect(*arguments):
        raise error

    monkeypatch.setattr("neurosieve_plugins.detectors.phrases.Phrases.detect", detect)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["detect", "source=arithmetic", "source.documents=2"])
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.startswith(f"neurosieve: an unexpected error, {type(error).__name__}: ")
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert "in `detect`, " in said
    assert "This is a bug in neurosieve, a plugin or a library" in said
    [file] = tmp_path.iterdir()  # And no run folder.
    assert str(file) in said
    assert file.read_text(encoding="utf-8").startswith("Traceback (most recent call last):\n")


def test_an_unforeseen_error_is_raised_where_the_traceback_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr("neurosieve_plugins.detectors.phrases.Phrases.detect", lambda *_: fails("by zero"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ZeroDivisionError, match="by zero"):
        main(["detect", "source=arithmetic", "source.documents=2"])


def test_where_no_file_can_be_written_the_message_holds_the_traceback(monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    try:
        fails("by zero")
    except ZeroDivisionError as error:
        message = unexpected(error)
    first, *rest = message.splitlines()
    assert re.search(r"in `fails`, .*test_streams.py:\d+\. This is a bug", first)
    assert rest[0] == "Traceback (most recent call last):"
    assert rest[-1] == "ZeroDivisionError: by zero"
