"""JSON files that only the user can read. They are replaced as a whole, so that no reader sees half a file."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from careslot.client.failures import UsageFault


def make_private_folder(path: Path) -> None:
    """Create a folder that only the user can open, or restrict an existing one to the user. Raises UsageFault if it cannot be created."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
    except OSError as error:
        raise UsageFault(f"The folder {path} cannot be created: {error.strerror}.") from None


def read_document(path: Path) -> dict[str, Any] | None:
    """Return the JSON object of a file, or None if there is no file. Raises UsageFault if it cannot be read as one."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageFault(f"{path} cannot be read ({type(error).__name__}). Delete it and sign in again.") from None
    if not isinstance(document, dict):
        raise UsageFault(f"{path} is not a JSON object. Delete it and sign in again.")
    return document


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Replace a file by a JSON object, with mode 0600 from its first byte on. Raises UsageFault if the folder cannot be written."""
    make_private_folder(path.parent)
    draft: str | None = None
    try:
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")  # mkstemp makes files of mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        if draft is not None:
            Path(draft).unlink(missing_ok=True)
        raise UsageFault(f"{path} cannot be written: {error.strerror}.") from None
