"""The data folder of an embedded clinic: databases, mailbox, the bus, and secrets that were generated once."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.contracts.identity import Service


class InUse(SystemExit):
    """Another process runs this clinic."""


class Folder:
    """One clinic's data. Readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.mail = self.path / "mail"
        self.mail.mkdir(exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time."""
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse(f"{self.path} is in use by another careslot") from None
            yield

    def database(self, service: Service) -> str:
        return f"sqlite+aiosqlite:///{self.path / service.prefix.lower()}.db"

    def secret(self, name: str) -> str:
        """The same random value at every start."""
        return str(self.kept("secrets", lambda known: {name: secrets.token_urlsafe(48)} | known)[name])

    def kept(self, name: str, change: Any) -> dict[str, Any]:
        """A small JSON document, changed and written whole."""
        path = self.path / f"{name}.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        wanted: dict[str, Any] = change(known)
        if wanted != known:
            draft = path.with_suffix(".draft")
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(wanted, indent=1))
            os.replace(draft, path)
        return wanted
