"""Answers on disk: each is kept at once, found by what was asked, and the first to a request is the one that stays."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from neurosieve import StoreError, atomic_write, cache_folder, content_address
from neurosieve_plugins.judge.answers import Answer
from neurosieve_plugins.judge.prompt import Request

__all__ = ["KeptAnswers", "kept_answers"]

_FORMAT = 1
"""Answers of another format are others."""
_WAIT = 60.0
"""Seconds in which another process that writes is waited for."""

_HAS_TABLE = "SELECT 1 FROM sqlite_master WHERE name = 'answers'"
"""Another process may have made the file, and not yet what it holds."""


class KeptAnswers:
    """The answers of one model at one address.

    The address is part of it: two servers may call different models, or a model in another precision, by one name.
    """

    def __init__(self, folder: Path, base_url: str, model: str) -> None:
        self._about = {"model": model, "base_url": base_url}
        self.folder = folder / content_address({"format": _FORMAT, **self._about})
        self._file = self.folder / "answers.sqlite"
        self._lock = Lock()
        self._database: sqlite3.Connection | None = None
        self._inode = 0
        self._made = False

    def __del__(self) -> None:
        if self._database is not None:
            self._database.close()

    def find(self, request: Request) -> Answer | None:
        """Return the answer to a request; None where there is none.

        Raises:
            StoreError: the file cannot be read.
        """
        rows = self._run("SELECT answer FROM answers WHERE key = ?", _key(request))
        with self._failures():
            return Answer(**json.loads(rows[0][0])) if rows else None

    def keep(self, request: Request, answer: Answer) -> Answer:
        """Keep the answer to a request, and return the one that stays: another process may have been first.

        Raises:
            StoreError: the disk is full, or the file cannot be written.
        """
        text = json.dumps(answer._asdict(), ensure_ascii=True)
        self._run("INSERT OR IGNORE INTO answers VALUES (?, ?)", _key(request), text, writes=True)
        kept = self.find(request)
        return answer if kept is None else kept

    def check_can_keep(self) -> None:
        """Raise where no answer could be kept, before one is paid for.

        Raises:
            StoreError: the folder or the file cannot be written.
        """
        self._run("BEGIN IMMEDIATE", writes=True)
        self._run("ROLLBACK", writes=True)

    def __len__(self) -> int:
        rows = self._run("SELECT count(*) FROM answers")
        return int(rows[0][0]) if rows else 0

    def _run(self, statement: str, *values: str, writes: bool = False) -> list[tuple[Any, ...]]:
        """Return the rows that a statement gives; none where nothing was ever kept."""
        with self._failures(), self._lock:
            inode = self._file.stat().st_ino if self._file.exists() else 0
            if not inode and not writes:
                return []
            if inode != self._inode:  # It may have been cleared meanwhile.
                self._close()
            if writes and not self._made:
                self._make()
            if self._database is None:
                self._database = self._opened()
                self._inode = self._file.stat().st_ino
            if not self._made and not self._database.execute(_HAS_TABLE).fetchall():
                return []
            return self._database.execute(statement, values).fetchall()

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database, self._inode, self._made = None, 0, False

    def _make(self) -> None:
        """Write the file and its table, where there are none. To read must not: a shared cache may be read-only."""
        self.folder.mkdir(parents=True, exist_ok=True)
        about = json.dumps(self._about, indent=1) + "\n"
        atomic_write(self.folder / "answers.json", lambda path: path.write_text(about, encoding="utf-8"))
        self._file.touch()
        if self._database is None:
            self._database = self._opened()
            self._inode = self._file.stat().st_ino
        self._database.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        self._made = True

    def _opened(self) -> sqlite3.Connection:
        # Neither made, nor written where it is write-protected: SQLite then opens it for reading.
        # Without a level of isolation each statement is a transaction of its own, on disk when it returns.
        database = sqlite3.connect(
            f"{self._file.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=_WAIT,
            isolation_level=None,
            check_same_thread=False,
        )
        database.execute("PRAGMA synchronous = FULL")
        return database

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error, ValueError, TypeError) as error:
            raise StoreError(
                f"cannot keep or read a judge's answers in `{self._file}` ({error}): make room or the folder writable; "
                f"if the file is damaged, `neurosieve cache --clear {self.folder.name}` removes it"
            ) from error


def kept_answers(base_url: str, model: str) -> KeptAnswers:
    """Return the answers of a model at an address that are kept in the user's cache."""
    return _at(cache_folder() / "answers", base_url, model, os.getpid())


@lru_cache(maxsize=64)
def _at(folder: Path, base_url: str, model: str, _process: int) -> KeptAnswers:
    # A process that was forked opens the file anew.
    return KeptAnswers(folder, base_url, model)


def _key(request: Request) -> str:
    """Return the address of a request: a hash of all that decides what is asked."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
