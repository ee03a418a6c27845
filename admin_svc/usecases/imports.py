"""Importing doctors and patients: storing a file, creating its rows one after the other, and listing their outcomes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from admin_svc.domain.audit import AuditLine
from admin_svc.domain.import_files import FileRow, read_file
from admin_svc.domain.import_refusals import NoSuchImport, RowRefusal, TooManyImports
from admin_svc.domain.imports import (
    KEEP_OUTCOMES,
    MAX_UNFINISHED,
    NOT_ANSWERED,
    NOT_DECRYPTED,
    RETRY_AFTER,
    Import,
    ImportKind,
    ImportProgress,
    ImportRow,
    RowResult,
    RowStatus,
    RowUnreadable,
    StoredRow,
)
from admin_svc.ports.imports import ImportStore, ProfileImporter, RowEncryption
from admin_svc.usecases.audit import append_to_chain
from shared.contracts.events import AuditRecorded
from shared.contracts.http import Actor
from shared.contracts.identity import Caller, Service
from shared.contracts.refusals import Refusal, TooMany, Unauthenticated, Unavailable
from shared.kit.audit import audit_event
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort

ROWS_AT_ONCE, CALLS_AT_ONCE = 20, 4
DELETED_AT_ONCE = 10
TEMPORARY = (Unavailable, TooMany, Unauthenticated)
"""The families of refusals after which a row is tried again later."""


@dataclass(frozen=True, slots=True)
class ImportOutcomes:
    """An import, and a page of its rows."""

    progress: ImportProgress
    rows: Sequence[RowResult]


@dataclass(frozen=True, slots=True)
class Imports:
    """Files of doctors and patients. A file is stored with the request; `create_waiting` creates its rows."""

    store: ImportStore
    encryption: RowEncryption
    now: Clock
    wake: Callable[[], None]

    async def upload(self, import_id: UUID, kind: ImportKind, content: bytes, by: Caller, *, dry_run: bool) -> ImportProgress:
        """Store a file whose rows are then created, or only checked with `dry_run`; an import that has this id stays as it is.

        Raises the refusals of `read_file`, or TooManyImports.
        """
        rows = await asyncio.to_thread(self._read, import_id, kind, content)  # up to 8 MiB are read
        progress = await self._insert(Import(import_id, kind, dry_run, Actor.from_caller(by), self.now()), rows)
        self.wake()
        return progress

    def _read(self, import_id: UUID, kind: ImportKind, content: bytes) -> list[StoredRow]:
        return [stored_row(import_id, row, self.encryption) for row in read_file(kind, content)]

    @retry_on_abort
    async def _insert(self, imported: Import, rows: Sequence[StoredRow]) -> ImportProgress:
        async with self.store.begin() as tx:
            is_new = await tx.insert_import(imported, rows)
            if is_new and await tx.count_unfinished_imports() > MAX_UNFINISHED:
                raise TooManyImports
            if is_new:
                await append_to_chain(tx, AuditLine.from_event(_audit_event(imported, len(rows)), self.now()))
            await tx.finish_if_done(imported.id, self.now())
        return await self._find(imported.id)

    @retry_on_abort
    async def list_imports(self, limit: int, after: tuple[str, ...] | None) -> Sequence[ImportProgress]:
        """Return up to `limit + 1` imports, newest first; the extra one tells that there is a next page. Raises BadCursor."""
        return await self.store.list_imports(limit + 1, after)

    @retry_on_abort
    async def list_outcomes(self, import_id: UUID, status: RowStatus | None, limit: int, after: tuple[str, ...] | None) -> ImportOutcomes:
        """Return an import with up to `limit + 1` of its rows. Raises NoSuchImport or BadCursor."""
        return ImportOutcomes(await self._find(import_id), await self.store.list_outcomes(import_id, status, limit + 1, after))

    async def _find(self, import_id: UUID) -> ImportProgress:
        progress = await self.store.find_progress(import_id)
        if progress is None:
            raise NoSuchImport
        return progress


@dataclass(frozen=True, slots=True)
class ImportRunner:
    """Creates the rows of imports, the oldest import first. A run that is stopped is continued: nobody is created twice.

    A row whose target does not exist is marked before it is created. So a repetition knows that this import has created it.
    """

    store: ImportStore
    encryption: RowEncryption
    importers: Mapping[ImportKind, ProfileImporter]
    now: Clock

    async def create_waiting(self) -> int:
        """Create up to ROWS_AT_ONCE rows of one import; return how many do not wait any more."""
        imported = await self._find_due()
        if imported is None:
            return 0
        stored = await self._list_waiting(imported.id)
        rows, unreadable = self._decrypt(imported.id, stored)
        begun, outcomes = await self._check(imported, rows)
        outcomes += unreadable + await self._create(imported, begun)
        if imported.has_expired(self.now()):
            decided = {outcome.line for outcome in outcomes}
            outcomes += [RowResult.failed(row.line, NOT_ANSWERED) for row in rows if row.line not in decided]
        if await self._save(imported.id, outcomes, is_postponed=len(outcomes) < len(stored)):
            await self.store.empty_log()
            log_event("import_finished", import_id=str(imported.id), kind=imported.kind)
        return len(outcomes)

    def _decrypt(self, import_id: UUID, stored: Sequence[StoredRow]) -> tuple[list[ImportRow], list[RowResult]]:
        """Return the rows with their fields, and the outcomes of those that cannot be read."""
        rows, unreadable = list[ImportRow](), list[RowResult]()
        for row in stored:
            try:
                rows.append(waiting_row(import_id, row, self.encryption))
            except RowUnreadable:
                unreadable.append(RowResult.failed(row.line, NOT_DECRYPTED))
        return rows, unreadable

    async def _check(self, imported: Import, rows: Sequence[ImportRow]) -> tuple[list[ImportRow], list[RowResult]]:
        """Return the rows to create, and the outcomes of the others that are decided. The rows to create are marked."""
        pending = [row for row in rows if row.status is RowStatus.PENDING]
        checked = await call_all([partial(self._check_row, imported, row) for row in pending])
        outcomes = [outcome for outcome in checked if isinstance(outcome, RowResult)]
        begun = [row for row, outcome in zip(pending, checked, strict=True) if outcome is True]
        if begun and imported.dry_run:
            return [], outcomes + [RowResult(row.line, RowStatus.CREATED) for row in begun]
        if begun:
            await self._mark_creating(imported.id, [row.line for row in begun])
        return [row for row in rows if row.status is RowStatus.CREATING] + begun, outcomes

    async def _check_row(self, imported: Import, row: ImportRow) -> RowResult | bool:
        """Return the outcome, True if the row is to be created, or False if the service does not answer."""
        try:
            exists = await self.importers[imported.kind].check(row.target_id, row.fields, imported.by, dry_run=imported.dry_run)
        except TEMPORARY:
            return False
        except Refusal as refusal:
            return RowResult.failed(row.line, RowRefusal.of(refusal))
        return RowResult(row.line, RowStatus.UNCHANGED, row.target_id) if exists else True

    async def _create(self, imported: Import, rows: Sequence[ImportRow]) -> list[RowResult]:
        created = await call_all([partial(self._create_row, imported, row) for row in rows])
        return [outcome for outcome in created if isinstance(outcome, RowResult)]

    async def _create_row(self, imported: Import, row: ImportRow) -> RowResult | bool:
        """Return the outcome, or False if the service does not answer."""
        try:
            await self.importers[imported.kind].create(row.target_id, row.fields, imported.by)
        except TEMPORARY as refusal:
            log_event("import_row_waits", logging.WARNING, import_id=str(imported.id), line=row.line, code=refusal.code)
            return False
        except Refusal as refusal:
            return RowResult.failed(row.line, RowRefusal.of(refusal))
        return RowResult(row.line, RowStatus.CREATED, row.target_id)

    @retry_on_abort
    async def _find_due(self) -> Import | None:
        return await self.store.find_due_import(self.now())

    @retry_on_abort
    async def _list_waiting(self, import_id: UUID) -> list[StoredRow]:
        return await self.store.list_waiting_rows(import_id, ROWS_AT_ONCE)

    @retry_on_abort
    async def _mark_creating(self, import_id: UUID, lines: Sequence[int]) -> None:
        async with self.store.begin() as tx:
            await tx.mark_creating(import_id, lines)

    @retry_on_abort
    async def _save(self, import_id: UUID, outcomes: Sequence[RowResult], *, is_postponed: bool) -> bool:
        """Store the outcomes; return whether the import has ended."""
        async with self.store.begin() as tx:
            await tx.save_outcomes(import_id, outcomes)
            if is_postponed:
                await tx.postpone(import_id, self.now() + RETRY_AFTER)
            return await tx.finish_if_done(import_id, self.now())


@dataclass(frozen=True, slots=True)
class ImportRetention:
    """Deletes imports, of which only ids and codes are left, KEEP_OUTCOMES after their end."""

    store: ImportStore
    now: Clock

    @retry_on_abort
    async def delete_old(self) -> int:
        """Delete up to DELETED_AT_ONCE imports; return how many."""
        return await self.store.delete_imports(self.now() - KEEP_OUTCOMES, DELETED_AT_ONCE)


def stored_row(import_id: UUID, row: FileRow, encryption: RowEncryption) -> StoredRow:
    """Return a row of a file as it is stored: with encrypted fields, or with the reason why it cannot be used."""
    if row.refusal is not None:
        return StoredRow(row.line, None, RowStatus.FAILED, None, row.refusal)
    return StoredRow(row.line, row.id, RowStatus.PENDING, encryption.encrypt(import_id, row.line, row.fields))


def waiting_row(import_id: UUID, row: StoredRow, encryption: RowEncryption) -> ImportRow:
    """Return a row that waits, with its fields. Raises RowUnreadable."""
    if row.target_id is None or row.encrypted is None:
        raise RowUnreadable
    return ImportRow(row.line, row.target_id, row.status, encryption.decrypt(import_id, row.line, row.encrypted))


def _audit_event(imported: Import, rows: int) -> AuditRecorded:
    """Return the line about an uploaded file."""
    state = {"kind": imported.kind.value, "rows": str(rows), "dry_run": str(imported.dry_run).lower()}
    return audit_event(Service.ADMIN, imported.by, "import.start", imported.id, at=imported.created_at, after=state, row_id=imported.id)


async def call_all(calls: Sequence[Callable[[], Awaitable[RowResult | bool]]]) -> list[RowResult | bool]:
    """Return the results of calls, of which CALLS_AT_ONCE are under way at a time."""
    slots = asyncio.Semaphore(CALLS_AT_ONCE)

    async def call(number: int) -> RowResult | bool:
        async with slots:
            return await calls[number]()

    return list(await asyncio.gather(*(call(number) for number in range(len(calls)))))
