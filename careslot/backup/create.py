"""`careslot backup`: everything that an embedded installation stores, in one encrypted file."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from careslot.backup.encrypted_stream import EncryptingWriter
from careslot.backup.snapshots import copy_state, pin_states
from shared.contracts.values import format_instant
from shared.kit.clock import Clock, system_clock

DOCUMENTS = ("secrets.json", "demo.json")
MAIL = "mail"
MANIFEST = "backup.json"
FORMAT_VERSION = 1
ProgressCallback = Callable[[str, int, int], None]
"""Called with the name of the last file copied, how many files are copied, and how many there are."""


class NoInstallation(Exception):
    """The folder has no embedded installation."""


def create_backup(folder: Path, target: Path, passphrase: str, report: ProgressCallback, now: Clock = system_clock) -> None:
    """Write a backup of a folder, in which the product may run. The target appears complete, or not at all; only its owner can read it.

    Raises NoInstallation, FileExistsError, or OSError when the target cannot be written.
    """
    files = sorted(folder.glob("*.db"))
    if not files or not (folder / "secrets.json").is_file():
        raise NoInstallation(f"{folder} has no data of an embedded installation")
    if target.exists():
        raise FileExistsError(f"{target} exists already")
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as output:
            with EncryptingWriter(cast(Any, output), passphrase) as encrypted:
                _write_archive(folder, files, encrypted, report, now)
            output.flush()
            os.fsync(output.fileno())
        _publish(draft, target)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


def _publish(draft: Path, target: Path) -> None:
    """Give the finished backup its name. Raises FileExistsError if a file has appeared there; where links are unknown, it is replaced."""
    try:
        os.link(draft, target)
    except FileExistsError:
        raise
    except OSError:
        os.replace(draft, target)


def _write_archive(folder: Path, files: list[Path], encrypted: EncryptingWriter, report: ProgressCallback, now: Clock) -> None:
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".backup-") as copies,
        tarfile.open(fileobj=cast(Any, encrypted), mode="w|") as archive,
    ):
        with pin_states(files, lambda: (now(), _read_documents(folder))) as (readers, (taken_at, documents)):
            manifest = {"format": FORMAT_VERSION, "taken_at": format_instant(taken_at), "databases": [file.name for file in files]}
            _add_bytes(archive, MANIFEST, json.dumps(manifest).encode())
            for name, content in documents.items():
                _add_bytes(archive, name, content)
            for number, (file, reader) in enumerate(readers.items(), start=1):
                copy = Path(copies) / file.name
                copy_state(reader, copy)
                _add_file(archive, file.name, copy)
                copy.unlink()
                report(file.name, number, len(files))
        for mail in sorted((folder / MAIL).glob("*.eml")):
            with suppress(FileNotFoundError):  # the development mailbox may be emptied meanwhile
                _add_file(archive, f"{MAIL}/{mail.name}", mail)


def _read_documents(folder: Path) -> dict[str, bytes]:
    """Return the files with the secrets, without which the databases cannot be read."""
    return {name: (folder / name).read_bytes() for name in DOCUMENTS if (folder / name).is_file()}


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    archive.addfile(entry, io.BytesIO(content))


def _add_file(archive: tarfile.TarFile, name: str, file: Path) -> None:
    with file.open("rb") as content:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = os.fstat(content.fileno()).st_size, 0o600
        archive.addfile(entry, content)
