"""What the use cases of imports need from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from admin_svc.domain.imports import Import, ImportProgress, RowResult, RowStatus, StoredRow
from admin_svc.ports.store import ChainTransaction
from shared.contracts.http import Actor


class ImportTransaction(ChainTransaction, Protocol):
    """A transaction with imports: it commits on leaving and rolls back on any exception."""

    async def count_unfinished_imports(self) -> int:
        """Return how many imports have rows that wait."""

    async def insert_import(self, imported: Import, rows: Sequence[StoredRow]) -> bool:
        """Insert an import with its rows; return False if the id is stored already, which then stays as it is."""

    async def mark_creating(self, import_id: UUID, lines: Sequence[int]) -> None:
        """Record that the creation of these rows begins."""

    async def save_outcomes(self, import_id: UUID, outcomes: Sequence[RowResult]) -> None:
        """Store what became of rows that wait, and delete their fields. Rows that do not wait any more stay as they are."""

    async def postpone(self, import_id: UUID, retry_at: datetime) -> None:
        """Have the rest of an import tried again at an instant."""

    async def finish_if_done(self, import_id: UUID, now: datetime) -> bool:
        """Record the end of an import none of whose rows waits; return whether it has ended."""


class ImportStore(Protocol):
    """The imports in the database of admin-service."""

    def begin(self) -> AbstractAsyncContextManager[ImportTransaction]:
        """Open a transaction."""

    async def find_due_import(self, now: datetime) -> Import | None:
        """Return the oldest import with rows that wait and are due, or None."""

    async def list_waiting_rows(self, import_id: UUID, limit: int) -> list[StoredRow]:
        """Return up to `limit` rows that wait, in the order of their lines."""

    async def find_progress(self, import_id: UUID) -> ImportProgress | None:
        """Return an import with the counts of its rows, or None."""

    async def list_imports(self, limit: int, after: tuple[str, ...] | None) -> list[ImportProgress]:
        """Return up to `limit` imports, newest first, after the one whose instant and id are the sort key `after`. Raises BadCursor."""

    async def list_outcomes(self, import_id: UUID, status: RowStatus | None, limit: int, after: tuple[str, ...] | None) -> list[RowResult]:
        """Return up to `limit` rows in the order of their lines, after the line that is the sort key `after`. Raises BadCursor."""

    async def delete_imports(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` imports that ended before an instant, with their rows; return how many."""

    async def empty_log(self) -> None:
        """Empty what the database keeps of deleted data for the moment."""


class RowEncryption(Protocol):
    """Encrypts the fields of rows while they wait. They are what a clinic knows of people, and nobody needs to read them there."""

    def encrypt(self, import_id: UUID, line: int, fields: Mapping[str, Any]) -> str:
        """Return the fields of a row as they are stored."""

    def decrypt(self, import_id: UUID, line: int, encrypted: str) -> Mapping[str, Any]:
        """Return the fields of a row. Raises RowUnreadable."""


class ProfileImporter(Protocol):
    """The service that owns the profiles of one kind of file."""

    async def check(self, target_id: UUID, fields: Mapping[str, Any], by: Actor, *, dry_run: bool) -> bool:
        """Return whether somebody with this id exists. Raises what a creation with these fields would raise, as far as it is known.

        Only with `dry_run` it is also asked what only the creation itself finds out otherwise.
        """

    async def create(self, target_id: UUID, fields: Mapping[str, Any], by: Actor) -> None:
        """Create a profile. Repeating the call changes nothing. Raises the refusals of the POST."""
