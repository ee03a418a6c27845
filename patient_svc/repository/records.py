"""Entries of medical histories, and accesses by break-glass, in SQL. Every text is encrypted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select, update

from patient_svc.domain.break_glass import BreakGlass
from patient_svc.domain.codes import CodeSystem, MedicalCode
from patient_svc.domain.records import ClinicalStatus, EntryCounts, EntryFilter, MedicalEntry, MedicalEntryKind, ReportedBy, Severity
from patient_svc.ports import SortKey
from patient_svc.repository.record_cipher import NotDecrypted, RecordCipher, RecordKeyring, unreadable
from patient_svc.repository.record_keys import find_cipher, find_or_create_cipher
from patient_svc.repository.tables import BREAK_GLASS, ENCRYPTED_FIELDS, MEDICAL_ENTRIES, MEDICAL_VERSIONS
from shared.kit.keyset_pagination import rows_after
from shared.kit.outbox import SqlTransaction
from shared.kit.paging import parse_instant, parse_sort_key

ENTRY_COLUMNS = (MEDICAL_ENTRIES.c.id, MEDICAL_ENTRIES.c.patient_id, MEDICAL_ENTRIES.c.kind, MEDICAL_ENTRIES.c.created_at)
VERSION_COLUMNS = [column for column in MEDICAL_VERSIONS.c if column.name != "entry_id"]
IS_VERSION_OF_ENTRY = MEDICAL_VERSIONS.c.entry_id == MEDICAL_ENTRIES.c.id
IS_CURRENT = MEDICAL_VERSIONS.c.version == MEDICAL_ENTRIES.c.version
BREAK_GLASS_REASON = "break_glass_reason"


@dataclass(kw_only=True)
class RecordWrites(SqlTransaction):
    """The part of SqlPatientTransaction that reads and writes medical histories."""

    keyring: RecordKeyring

    async def find_entry(self, patient_id: UUID, entry_id: UUID, version: int | None = None) -> MedicalEntry | None:
        is_wanted = IS_CURRENT if version is None else MEDICAL_VERSIONS.c.version == version
        entries = await self._read(patient_id, _entries_of(patient_id).where(MEDICAL_ENTRIES.c.id == entry_id, is_wanted))
        return entries[0] if entries else None

    async def list_entries(self, patient_id: UUID, wanted: EntryFilter, *, limit: int, after: SortKey) -> list[MedicalEntry]:
        order = (MEDICAL_ENTRIES.c.created_at, MEDICAL_ENTRIES.c.id)
        query = _entries_of(patient_id).where(IS_CURRENT).order_by(*(column.desc() for column in order)).limit(limit)
        if wanted.kinds:
            query = query.where(MEDICAL_ENTRIES.c.kind.in_(wanted.kinds))
        if wanted.statuses:
            query = query.where(MEDICAL_ENTRIES.c.status.in_(wanted.statuses))
        if wanted.retracted is not None:
            query = query.where(MEDICAL_ENTRIES.c.retracted == wanted.retracted)
        if after is not None:
            query = query.where(rows_after(order, parse_sort_key(after, parse_instant, UUID), descending=True))
        return await self._read(patient_id, query)

    async def list_entry_versions(self, patient_id: UUID, entry_id: UUID, *, limit: int, after: SortKey) -> list[MedicalEntry]:
        version = MEDICAL_VERSIONS.c.version
        query = _entries_of(patient_id).where(MEDICAL_ENTRIES.c.id == entry_id).order_by(version.desc()).limit(limit)
        if after is not None:
            query = query.where(version < parse_sort_key(after, int)[0])
        return await self._read(patient_id, query)

    async def count_entries(self, patient_id: UUID, kind: MedicalEntryKind) -> EntryCounts:
        is_counted = (MEDICAL_ENTRIES.c.patient_id == patient_id) & (MEDICAL_ENTRIES.c.kind == kind)
        query = select(MEDICAL_ENTRIES.c.retracted, func.count()).where(is_counted).group_by(MEDICAL_ENTRIES.c.retracted)
        counts = {bool(retracted): count for retracted, count in await self.connection.execute(query)}
        return EntryCounts(current=counts.get(False, 0), stored=sum(counts.values()))

    async def insert_entry(self, entry: MedicalEntry) -> None:
        row = {"id": entry.id, "patient_id": entry.patient_id, "kind": entry.kind, "created_at": entry.created_at}
        await self.connection.execute(insert(MEDICAL_ENTRIES).values(row | _current_state(entry)))
        await self._insert_version(entry)

    async def insert_entry_version(self, entry: MedicalEntry) -> None:
        await self.connection.execute(update(MEDICAL_ENTRIES).where(MEDICAL_ENTRIES.c.id == entry.id).values(_current_state(entry)))
        await self._insert_version(entry)

    async def find_break_glass(self, break_glass_id: UUID) -> BreakGlass | None:
        row = (await self.connection.execute(select(BREAK_GLASS).where(BREAK_GLASS.c.id == break_glass_id))).one_or_none()
        return _break_glass_from_row(row, await self._require_cipher(row.patient_id)) if row else None

    async def list_break_glass(self, patient_id: UUID, *, limit: int, after: SortKey) -> list[BreakGlass]:
        rows = (await self.connection.execute(break_glass_of(patient_id, limit, after))).all()
        if not rows:
            return []
        cipher = await self._require_cipher(patient_id)
        return [_break_glass_from_row(row, cipher) for row in rows]

    async def insert_break_glass(self, opened: BreakGlass) -> None:
        cipher = await find_or_create_cipher(self.connection, self.keyring, opened.patient_id)
        row = {name: getattr(opened, name) for name in ("id", "admin_id", "patient_id", "opened_at", "expires_at")}
        reason = cipher.encrypt(opened.reason, opened.id, 1, BREAK_GLASS_REASON)
        await self.connection.execute(insert(BREAK_GLASS).values(row | {"reason": reason}))

    async def _insert_version(self, entry: MedicalEntry) -> None:
        cipher = await find_or_create_cipher(self.connection, self.keyring, entry.patient_id)
        names = ("version", "author_id", "reported_by", "recorded_at", "status", "retracted")
        row = {"entry_id": entry.id} | {name: getattr(entry, name) for name in names}
        texts = {name: cipher.encrypt(text, entry.id, entry.version, name) for name, text in _texts_of(entry) if text is not None}
        await self.connection.execute(insert(MEDICAL_VERSIONS).values(row | texts))

    async def _read(self, patient_id: UUID, query: Select[Any]) -> list[MedicalEntry]:
        rows = (await self.connection.execute(query)).all()
        if not rows:
            return []
        cipher = await self._require_cipher(patient_id)
        return [_entry_from_row(row, cipher) for row in rows]

    async def _require_cipher(self, patient_id: UUID) -> RecordCipher:
        cipher = await find_cipher(self.connection, self.keyring, patient_id)
        if cipher is None:
            raise unreadable(patient_id, patient_id, "key", NotDecrypted("key_missing"))
        return cipher


def _entries_of(patient_id: UUID) -> Select[Any]:
    """Return the query of all versions of all entries of a patient."""
    join = MEDICAL_ENTRIES.join(MEDICAL_VERSIONS, IS_VERSION_OF_ENTRY)
    return select(*ENTRY_COLUMNS, *VERSION_COLUMNS).select_from(join).where(MEDICAL_ENTRIES.c.patient_id == patient_id)


def break_glass_of(patient_id: UUID, limit: int, after: SortKey) -> Select[Any]:
    """Return the query of a page of the accesses that admins opened to a patient, the latest first. Raise BadCursor."""
    order = (BREAK_GLASS.c.opened_at, BREAK_GLASS.c.id)
    query = select(BREAK_GLASS).where(BREAK_GLASS.c.patient_id == patient_id).order_by(*(column.desc() for column in order)).limit(limit)
    if after is not None:
        query = query.where(rows_after(order, parse_sort_key(after, parse_instant, UUID), descending=True))
    return query


def _break_glass_from_row(row: Any, cipher: RecordCipher) -> BreakGlass:
    reason = cipher.decrypt(row.reason, row.id, 1, BREAK_GLASS_REASON)
    return BreakGlass(row.id, row.admin_id, row.patient_id, row.opened_at, row.expires_at, reason)


def _current_state(entry: MedicalEntry) -> dict[str, Any]:
    return {"version": entry.version, "status": entry.status, "retracted": entry.retracted}


def _texts_of(entry: MedicalEntry) -> Iterable[tuple[str, str | None]]:
    """Return the columns of ENCRYPTED_FIELDS with their texts, before encryption."""
    texts = {
        "title": entry.title,
        "details": entry.details,
        "onset_on": entry.onset_on.isoformat() if entry.onset_on else None,
        "severity": entry.severity,
        "dose": entry.dose,
        "code_system": entry.code.system if entry.code else None,
        "code": entry.code.code if entry.code else None,
        "retraction_reason": entry.retraction_reason,
    }
    return texts.items()


def _entry_from_row(row: Any, cipher: RecordCipher) -> MedicalEntry:
    if row.title is None:
        raise unreadable(row.patient_id, row.id, "title", NotDecrypted("text_missing"))
    texts: dict[str, str] = {
        name: cipher.decrypt(ciphertext, row.id, row.version, name)
        for name in ENCRYPTED_FIELDS
        if (ciphertext := getattr(row, name)) is not None
    }
    return MedicalEntry(
        id=row.id,
        patient_id=row.patient_id,
        kind=MedicalEntryKind(row.kind),
        title=texts["title"],
        author_id=row.author_id,
        reported_by=ReportedBy(row.reported_by),
        created_at=row.created_at,
        recorded_at=row.recorded_at,
        details=texts.get("details"),
        onset_on=date.fromisoformat(texts["onset_on"]) if "onset_on" in texts else None,
        status=ClinicalStatus(row.status) if row.status else None,
        severity=Severity(texts["severity"]) if "severity" in texts else None,
        dose=texts.get("dose"),
        code=MedicalCode(CodeSystem(texts["code_system"]), texts["code"]) if "code" in texts else None,
        version=row.version,
        retracted=row.retracted,
        retraction_reason=texts.get("retraction_reason"),
    )
