"""Run a script in another process, and end it where it does not answer in time.

A thread cannot be stopped. A signal reaches the main thread alone, and no computation that never returns to Python.
Another process can always be ended.
"""

import atexit
import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Lock, Timer
from typing import Any

__all__ = ["SilentError", "Subprocess"]

_STARTING = 120.0


class SilentError(Exception):
    """The program gave no answer; the message says why."""


class Subprocess:
    """A Python script that answers each line of JSON with one; it starts at the first question."""

    def __init__(self, script: Path) -> None:
        self.script = script
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0
        atexit.register(self.end)

    def ask(self, question: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Return the answer to a question. Threads take turns.

        Raises:
            SilentError: it took longer than `seconds`, or the program ended.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None or self._owner != os.getpid():
                self._start()
            answer: dict[str, Any] = json.loads(self._line(json.dumps(question), seconds))
            return answer

    def end(self) -> None:
        """End the program, if it runs."""
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.communicate()

    def _start(self) -> None:
        self.end()
        # -P: the script's folder has a `math_verify.py` of its own, which must not be taken for the library.
        command = [sys.executable, "-P", str(self.script)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, encoding="ascii")
        self._owner = os.getpid()
        self._line("", _STARTING)

    def _line(self, question: str, seconds: float) -> str:
        process, late = self._process, Event()
        if process is None or process.stdin is None or process.stdout is None:
            raise SilentError("the program did not start")

        def stop() -> None:
            late.set()
            process.kill()

        timer = Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            if question:
                process.stdin.write(question + "\n")
                process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        except BaseException:  # Ctrl-C too: the answer that was not read must not be taken for the next question's.
            self.end()
            raise
        finally:
            timer.cancel()
            timer.join()  # So that a timer which is just going off is not taken for the next question's.
        if late.is_set() or not answer:
            code = process.wait()
            self.end()
            if not answer:
                raise SilentError(
                    f"the comparison had not ended after {seconds:g} seconds, and was stopped"
                    if late.is_set()
                    else f"the comparison ended without an answer (exit code {code})"
                )
        return answer
