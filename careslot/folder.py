"""The data folder of an embedded installation: databases, mails, the event bus, and the secrets generated at the first start."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.contracts.identity import Service

RECORD_KEYS = "PATIENT_RECORD_KEYS"
RECORD_KEY_BYTES = 32


def new_record_key(name: str) -> str:
    """Return a random key for medical histories, as `PATIENT_RECORD_KEYS` takes it."""
    return f"{name}:{base64.b64encode(secrets.token_bytes(RECORD_KEY_BYTES)).decode()}"


class FolderInUse(SystemExit):
    """Raised when another process uses the same data folder; ends this one."""


class Folder:
    """The data of one installation. Only its owner can read it."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.mail = self.path / "mail"
        self.mail.mkdir(exist_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder's lock. Raises FolderInUse when another process holds it."""
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderInUse(f"{self.path} is in use by another careslot") from None
            yield

    def database_url(self, service: Service) -> str:
        """Return the URL of a service's SQLite file."""
        return f"sqlite+aiosqlite:///{self.path / service.prefix.lower()}.db"

    def secret(self, name: str) -> str:
        """Return a random value that is the same at every start."""
        return str(self.update_document("secrets", lambda stored: {name: secrets.token_urlsafe(48)} | stored)[name])

    def record_keys(self) -> str:
        """Return the list of the keys that protect medical histories, with one key at the first start."""
        return str(self.update_document("secrets", lambda stored: {RECORD_KEYS: new_record_key("1")} | stored)[RECORD_KEYS])

    def add_record_key(self) -> str:
        """Put a new key before the others of the list, and return the list."""

        def add(stored: dict[str, Any]) -> dict[str, Any]:
            keys = [key for key in str(stored.get(RECORD_KEYS, "")).split(",") if key]
            number = 1 + max((int(key.partition(":")[0]) for key in keys), default=0)
            return stored | {RECORD_KEYS: ",".join([new_record_key(str(number)), *keys])}

        return str(self.update_document("secrets", add)[RECORD_KEYS])

    def remove_old_record_keys(self) -> None:
        """Leave only the first key of the list, once the others are not needed any more."""
        self.update_document("secrets", lambda stored: stored | {RECORD_KEYS: str(stored[RECORD_KEYS]).split(",")[0]})

    def update_document(self, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        """Pass the JSON document `name` (an empty dict if there is none) to `change`, store the result atomically, and return it."""
        path = self.path / f"{name}.json"
        stored = json.loads(path.read_text()) if path.exists() else {}
        changed = change(stored)
        if changed != stored:
            draft = path.with_suffix(".draft")
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(changed, indent=1))
            os.replace(draft, path)
        return changed
