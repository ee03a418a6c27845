"""The list of erased patients that is kept outside the data folder, so that a restored backup forgets them again.

It has one line for each erasure: the time (RFC 3339, UTC) and the patient's id. A line is on disk before the event of the erasure counts as
handled. The same erasure can have several lines. A line that was cut off, by a power failure or a full disk, is repeated, because its event
is delivered again.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from shared.contracts.events import PatientErased
from shared.contracts.values import format_instant
from shared.kit.bus import Bus

QUEUE = "erasure-list"


def default_list_path(folder: Path) -> Path:
    """Return the path of the list beside a data folder. A list on another disk survives the loss of the folder's disk, too."""
    return folder.with_name(f"{folder.name}.erasures")


@dataclass(frozen=True, slots=True)
class ErasureList:
    """Appends to the list."""

    path: Path

    async def subscribe(self, bus: Bus) -> None:
        """Append every erasure from now on, also those that were made while no list was open."""
        await bus.subscribe(QUEUE, {PatientErased: self.append})

    async def append(self, event: PatientErased) -> None:
        """Append one erasure. Raises OSError if it cannot be written: the event is delivered again."""
        await asyncio.to_thread(self._append, f"{format_instant(event.occurred_at)} {event.patient_id}\n")

    def _append(self, line: str) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            text = ("" if _ends_with_newline(descriptor) else "\n").encode() + line.encode()
            if os.write(descriptor, text) < len(text):
                raise OSError(errno.ENOSPC, "The list of erasures has no room for a whole line", str(self.path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_erased_patients(path: Path) -> Sequence[UUID]:
    """Return the erased patients in the order of the list, each once. Lines that were cut off are left out. Raises OSError."""
    erased = dict[UUID, None]()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError):
            erased[UUID(line.rpartition(" ")[2])] = None
    return list(erased)


def _ends_with_newline(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
