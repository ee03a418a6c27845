"""Copies of all databases of a running installation, as they are at one instant.

All write locks are taken, in the order of the file names, so that two backups cannot wait for each other. While they are held nothing
changes, and a reader of each file pins its present state. Then the locks are given back, a few milliseconds later, and the pinned states
are copied while the product goes on. A lock that is not free soon makes the backup give all others back and begin again, because a service
waits for its own database five seconds at most.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
LOCK_TIMEOUT_SECONDS = 1.0
PAUSE_SECONDS = 0.5
MAX_ATTEMPTS = 60


class DatabasesBusy(Exception):
    """The write locks of all databases were never free at the same time."""


@contextmanager
def pin_states(
    files: Sequence[Path], read_documents: Callable[[], T], attempts: int = MAX_ATTEMPTS
) -> Iterator[tuple[dict[Path, sqlite3.Connection], T]]:
    """Yield a connection for each file that sees the same instant, and what `read_documents` returned at that instant.

    Raises DatabasesBusy after `attempts`.
    """
    with ExitStack() as stack:
        with _hold_locks(sorted(files), attempts):
            readers = {file: stack.enter_context(closing(_connect(file))) for file in sorted(files)}
            for reader in readers.values():
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # a transaction sees its state from the first read on
            documents = read_documents()
        yield readers, documents


def copy_state(reader: sqlite3.Connection, target: Path) -> None:
    """Copy the state that a connection has pinned into a new file, which only its owner can read."""
    target.touch(mode=0o600)
    with closing(sqlite3.connect(target)) as copy:
        reader.backup(copy)


@contextmanager
def _hold_locks(files: Sequence[Path], attempts: int) -> Iterator[None]:
    """Hold the write locks of all files. Raises DatabasesBusy."""
    for attempt in range(attempts):
        time.sleep(PAUSE_SECONDS if attempt else 0)
        with ExitStack() as locks:
            if _lock_all(files, locks):
                yield
                return
    raise DatabasesBusy("The databases are too busy for a backup: another program holds a write lock for long.")


def _lock_all(files: Sequence[Path], locks: ExitStack) -> bool:
    """Take all locks, which `locks` gives back. Return False if one is not free."""
    with suppress(sqlite3.OperationalError):
        for file in files:
            locks.enter_context(closing(_connect(file))).execute("BEGIN IMMEDIATE")
        return True
    return False


def _connect(file: Path) -> sqlite3.Connection:
    """Open a file that exists, without beginning a transaction."""
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None)
