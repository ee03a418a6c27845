"""Entries of medical histories, and accesses by break-glass, in SQL.

Every text is encrypted, and so are kind, status and whether an entry is retracted. Lists and counts therefore read the entries of the
patient, whose number is bounded, and decrypt these three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, insert, select, update

from patient_svc.domain.break_glass import BreakGlass
from patient_svc.domain.codes import CodeSystem, MedicalCode
from patient_svc.domain.records import ClinicalStatus, EntryCounts, EntryFilter, MedicalEntry, MedicalEntryKind, ReportedBy, Severity
from patient_svc.ports import SortKey
from patient_svc.repository.record_cipher import NotDecrypted, RecordCipher, RecordKeyring, unreadable
from patient_svc.repository.record_keys import find_cipher, find_or_create_cipher
from patient_svc.repository.tables import BREAK_GLASS, ENCRYPTED_FIELDS, MEDICAL_ENTRIES, MEDICAL_VERSIONS, STATE_FIELDS
from shared.kit.keyset_pagination import rows_after
from shared.kit.outbox import SqlTransaction
from shared.kit.paging import parse_instant, parse_sort_key

ENTRY_COLUMNS = (MEDICAL_ENTRIES.c.id, MEDICAL_ENTRIES.c.patient_id, MEDICAL_ENTRIES.c.created_at)
VERSION_COLUMNS = [column for column in MEDICAL_VERSIONS.c if column.name != "entry_id"]
IS_VERSION_OF_ENTRY = MEDICAL_VERSIONS.c.entry_id == MEDICAL_ENTRIES.c.id
IS_CURRENT = MEDICAL_VERSIONS.c.version == MEDICAL_ENTRIES.c.version
BREAK_GLASS_REASON = "break_glass_reason"
READ_AT_ONCE = 200
RETRACTED = "retracted"


@dataclass(kw_only=True)
class RecordWrites(SqlTransaction):
    """The part of SqlPatientTransaction that reads and writes medical histories."""

    keyring: RecordKeyring

    async def find_entry(self, patient_id: UUID, entry_id: UUID, version: int | None = None) -> MedicalEntry | None:
        is_wanted = IS_CURRENT if version is None else MEDICAL_VERSIONS.c.version == version
        entries = await self._read(patient_id, _entries_of(patient_id).where(MEDICAL_ENTRIES.c.id == entry_id, is_wanted))
        return entries[0] if entries else None

    async def list_entries(self, patient_id: UUID, wanted: EntryFilter, *, limit: int, after: SortKey) -> list[MedicalEntry]:
        entries = list[MedicalEntry]()
        last = parse_sort_key(after, parse_instant, UUID) if after is not None else None
        while len(entries) < limit and (rows := await self._list_current(patient_id, last)):
            cipher = await self._require_cipher(patient_id)
            entries += [_entry_from_row(row, cipher) for row in rows if _is_wanted(row, cipher, wanted)]
            last = rows[-1].created_at, rows[-1].id
        return entries[:limit]

    async def list_entry_versions(self, patient_id: UUID, entry_id: UUID, *, limit: int, after: SortKey) -> list[MedicalEntry]:
        version = MEDICAL_VERSIONS.c.version
        query = _entries_of(patient_id).where(MEDICAL_ENTRIES.c.id == entry_id).order_by(version.desc()).limit(limit)
        if after is not None:
            query = query.where(version < parse_sort_key(after, int)[0])
        return await self._read(patient_id, query)

    async def count_entries(self, patient_id: UUID, kind: MedicalEntryKind) -> EntryCounts:
        rows = (await self.connection.execute(_states_of(patient_id))).all()
        if not rows:
            return EntryCounts(current=0, stored=0)
        cipher = await self._require_cipher(patient_id)
        of_kind = [row for row in rows if _kind_and_status(row, cipher)[0] is kind]
        return EntryCounts(current=sum(not _is_retracted(row, cipher) for row in of_kind), stored=len(of_kind))

    async def insert_entry(self, entry: MedicalEntry) -> None:
        row = {"id": entry.id, "patient_id": entry.patient_id, "created_at": entry.created_at, "version": entry.version}
        await self.connection.execute(insert(MEDICAL_ENTRIES).values(row))
        await self._insert_version(entry)

    async def insert_entry_version(self, entry: MedicalEntry) -> None:
        await self.connection.execute(update(MEDICAL_ENTRIES).where(MEDICAL_ENTRIES.c.id == entry.id).values(version=entry.version))
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
        names = ("version", "author_id", "recorded_at")
        row = {"entry_id": entry.id} | {name: getattr(entry, name) for name in names}
        texts = {name: cipher.encrypt(text, entry.id, entry.version, name) for name, text in _texts_of(entry).items()}
        await self.connection.execute(insert(MEDICAL_VERSIONS).values(row | texts))

    async def _list_current(self, patient_id: UUID, last: tuple[Any, ...] | None) -> Sequence[Any]:
        """Return the next READ_AT_ONCE entries after `last`, the latest first, still encrypted."""
        order = (MEDICAL_ENTRIES.c.created_at, MEDICAL_ENTRIES.c.id)
        query = _entries_of(patient_id).where(IS_CURRENT).order_by(*(column.desc() for column in order)).limit(READ_AT_ONCE)
        if last is not None:
            query = query.where(rows_after(order, last, descending=True))
        rows: Sequence[Any] = (await self.connection.execute(query)).all()
        return rows

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


def _states_of(patient_id: UUID) -> Select[Any]:
    """Return the query of what STATE_FIELDS say of all entries of a patient."""
    columns = (MEDICAL_ENTRIES.c.id, MEDICAL_ENTRIES.c.patient_id, MEDICAL_ENTRIES.c.version)
    states = select(*columns, *(MEDICAL_VERSIONS.c[name] for name in STATE_FIELDS))
    return states.join(MEDICAL_VERSIONS, IS_VERSION_OF_ENTRY & IS_CURRENT).where(MEDICAL_ENTRIES.c.patient_id == patient_id)


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


def _texts_of(entry: MedicalEntry) -> dict[str, str]:
    """Return the columns of ENCRYPTED_FIELDS with their texts, before encryption. A value that is missing is an empty text."""
    return {
        "kind": entry.kind,
        "status": entry.status or "",
        "retracted": RETRACTED if entry.retracted else "",
        "reported_by": entry.reported_by,
        "title": entry.title,
        "details": entry.details or "",
        "onset_on": entry.onset_on.isoformat() if entry.onset_on else "",
        "severity": entry.severity or "",
        "dose": entry.dose or "",
        "code_system": entry.code.system if entry.code else "",
        "code": entry.code.code if entry.code else "",
        "retraction_reason": entry.retraction_reason or "",
    }


def _decrypt_field(row: Any, cipher: RecordCipher, name: str) -> str:
    """Return the text of a field, empty where there is none. Raises RecordsUnreadable, also for a ciphertext that is missing."""
    ciphertext = getattr(row, name)
    if ciphertext is None:
        raise unreadable(row.patient_id, row.id, name, NotDecrypted("text_missing"))
    return cipher.decrypt(ciphertext, row.id, row.version, name)


def _kind_and_status(row: Any, cipher: RecordCipher) -> tuple[MedicalEntryKind, ClinicalStatus | None]:
    status = _decrypt_field(row, cipher, "status")
    return MedicalEntryKind(_decrypt_field(row, cipher, "kind")), ClinicalStatus(status) if status else None


def _is_retracted(row: Any, cipher: RecordCipher) -> bool:
    return _decrypt_field(row, cipher, "retracted") == RETRACTED


def _is_wanted(row: Any, cipher: RecordCipher, wanted: EntryFilter) -> bool:
    return wanted.has(*_kind_and_status(row, cipher), is_retracted=_is_retracted(row, cipher))


def _entry_from_row(row: Any, cipher: RecordCipher) -> MedicalEntry:
    texts = {name: text for name in ENCRYPTED_FIELDS if (text := _decrypt_field(row, cipher, name))}
    return MedicalEntry(
        id=row.id,
        patient_id=row.patient_id,
        kind=MedicalEntryKind(texts["kind"]),
        title=texts["title"],
        author_id=row.author_id,
        reported_by=ReportedBy(texts["reported_by"]),
        created_at=row.created_at,
        recorded_at=row.recorded_at,
        details=texts.get("details"),
        onset_on=date.fromisoformat(texts["onset_on"]) if "onset_on" in texts else None,
        status=ClinicalStatus(texts["status"]) if "status" in texts else None,
        severity=Severity(texts["severity"]) if "severity" in texts else None,
        dose=texts.get("dose"),
        code=MedicalCode(CodeSystem(texts["code_system"]), texts["code"]) if "code" in texts else None,
        version=row.version,
        retracted="retracted" in texts,
        retraction_reason=texts.get("retraction_reason"),
    )
