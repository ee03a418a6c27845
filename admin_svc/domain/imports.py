"""Imports: files of doctors or patients whose rows are created one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from admin_svc.domain.import_refusals import RowRefusal
from shared.contracts.http import Actor

MAX_UNFINISHED = 5
GIVE_UP_AFTER = timedelta(days=1)
"""How long after the upload a row is tried while the service that owns the profile does not answer."""
RETRY_AFTER = timedelta(seconds=30)
KEEP_OUTCOMES = timedelta(days=90)
NOT_ANSWERED = RowRefusal("unavailable", "The service that owns the profile did not answer for a day.")
NOT_DECRYPTED = RowRefusal("row_unreadable", "The key with which the row was encrypted is not there any more. Send the file again.")
STOPPED_BY_RESTORE = RowRefusal("restored", "The row still waited when the clinic was restored from a backup. Send the file again.")


class RowUnreadable(Exception):
    """Raised for a row that was encrypted with another key, or was changed since."""


class ImportKind(StrEnum):
    """What the rows of a file are."""

    DOCTORS = "doctors"
    PATIENTS = "patients"


class RowStatus(StrEnum):
    """What became of a row. `creating`: nobody with this id existed before, and the creation has begun.

    `unchanged`: whoever the row is about exists already, and was not changed.
    """

    PENDING = "pending"
    CREATING = "creating"
    CREATED = "created"
    UNCHANGED = "unchanged"
    FAILED = "failed"


UNFINISHED = (RowStatus.PENDING, RowStatus.CREATING)


@dataclass(frozen=True, slots=True)
class Import:
    """An upload. With `dry_run` its rows are only checked. Instants are UTC; `finished_at` is None while rows wait."""

    id: UUID
    kind: ImportKind
    dry_run: bool
    by: Actor
    created_at: datetime
    finished_at: datetime | None = None

    def has_expired(self, now: datetime) -> bool:
        """True when rows that still wait are given up."""
        return now - self.created_at >= GIVE_UP_AFTER


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row as it is stored: who it is about, and its fields, encrypted; or why it cannot be used."""

    line: int
    target_id: UUID | None
    status: RowStatus
    encrypted: str | None
    refusal: RowRefusal | None = None


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A row that waits: who it is about, and its fields as JSON."""

    line: int
    target_id: UUID
    status: RowStatus
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of a row: its status, why it failed, and whom it is about."""

    line: int
    status: RowStatus
    target_id: UUID | None = None
    refusal: RowRefusal | None = None

    @classmethod
    def failed(cls, line: int, refusal: RowRefusal) -> RowResult:
        """Return the outcome of a row that could not be used."""
        return cls(line, RowStatus.FAILED, None, refusal)


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """An import, and how many of its rows have which status."""

    imported: Import
    counts: Mapping[RowStatus, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """The number of rows."""
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """The number of rows that do not wait any more."""
        return self.total - sum(self.counts.get(status, 0) for status in UNFINISHED)

    @property
    def status(self) -> str:
        """`queued`, `running` or `done`."""
        if self.imported.finished_at is not None:
            return "done"
        return "running" if self.done else "queued"
