"""Copies of all databases of a running installation, as they are at one instant.

All write locks are taken, in the order of the file names, so that two backups cannot wait for each other. While they are held nothing
changes, and a reader of each file pins its present state. Then the locks are given back, a few milliseconds later, and the pinned states
are copied while the product goes on. A service that wants to write meanwhile waits; its own limit is five seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
LOCK_TIMEOUT_SECONDS = 60.0


@contextmanager
def pinned_states(files: list[Path], read_documents: Callable[[], T]) -> Iterator[tuple[dict[Path, sqlite3.Connection], T]]:
    """Yield a connection for each file that sees the same instant, and what `read_documents` returned at that instant.

    Raises sqlite3.OperationalError if a write lock is not free within LOCK_TIMEOUT_SECONDS.
    """
    with ExitStack() as stack:
        with ExitStack() as locks:
            for file in sorted(files):
                _lock(locks.enter_context(closing(_connect(file))))
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


def _connect(file: Path) -> sqlite3.Connection:
    """Open a file that exists, without beginning a transaction."""
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None)


def _lock(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
