"""Merging patients in SQL: everything that belongs to one patient becomes another's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, bindparam, delete, func, insert, select, update

from patient_svc.domain.merges import Merge, MovedCounts
from patient_svc.repository.record_cipher import RecordCipher
from patient_svc.repository.record_keys import find_or_create_cipher
from patient_svc.repository.records import BREAK_GLASS_REASON, IS_VERSION_OF_ENTRY, RecordWrites
from patient_svc.repository.tables import (
    BREAK_GLASS,
    ENCRYPTED_FIELDS,
    GUARDIANS,
    MEDICAL_ENTRIES,
    MEDICAL_VERSIONS,
    MERGES,
    PATIENTS,
    RECORD_KEYS,
    VISITS,
)
from shared.kit.keyset_pagination import rows_after

BATCH = 200
VERSION_KEY = (MEDICAL_VERSIONS.c.entry_id, MEDICAL_VERSIONS.c.version)
ENCRYPT_VERSION = (
    update(MEDICAL_VERSIONS)
    .where(MEDICAL_VERSIONS.c.entry_id == bindparam("entry"), MEDICAL_VERSIONS.c.version == bindparam("entry_version"))
    .values({name: bindparam(f"new_{name}") for name in ENCRYPTED_FIELDS})
)


@dataclass(kw_only=True)
class MergeWrites(RecordWrites):
    """The part of SqlPatientTransaction that merges patients."""

    async def find_merge(self, patient_id: UUID) -> Merge | None:
        row = (await self.connection.execute(select(MERGES).where(MERGES.c.patient_id == patient_id))).one_or_none()
        if row is None:
            return None
        return Merge(**{**row._mapping, "moved": MovedCounts(**row.moved), "filled": tuple(row.filled)})

    async def insert_merge(self, merge: Merge) -> None:
        await self.connection.execute(insert(MERGES).values(asdict(merge) | {"filled": list(merge.filled)}))
        earlier = PATIENTS.c.merged_into == merge.patient_id
        await self.connection.execute(update(PATIENTS).where(earlier).values(merged_into=merge.into_id))

    async def list_former_ids(self, patient_ids: Collection[UUID]) -> Mapping[UUID, UUID]:
        rows = await self.connection.execute(select(PATIENTS.c.id, PATIENTS.c.merged_into).where(PATIENTS.c.merged_into.in_(patient_ids)))
        return {row.id: row.merged_into for row in rows}

    async def count_visits(self, patient_id: UUID) -> int:
        return await self._count(VISITS, patient_id)

    async def count_all_entries(self, patient_id: UUID) -> int:
        return await self._count(MEDICAL_ENTRIES, patient_id)

    async def list_all_dependants(self, guardian_id: UUID) -> list[UUID]:
        query = select(GUARDIANS.c.dependant_id).where(GUARDIANS.c.guardian_id == guardian_id)
        return list(await self.connection.scalars(query.order_by(GUARDIANS.c.dependant_id)))

    async def move_visits(self, source_id: UUID, target_id: UUID) -> None:
        await self.connection.execute(update(VISITS).where(VISITS.c.patient_id == source_id).values(patient_id=target_id))

    async def move_guardianships(self, source_id: UUID, target_id: UUID) -> None:
        for side, other in ((GUARDIANS.c.dependant_id, GUARDIANS.c.guardian_id), (GUARDIANS.c.guardian_id, GUARDIANS.c.dependant_id)):
            known = (await self.connection.scalars(select(other).where(side == target_id))).all()
            await self.connection.execute(delete(GUARDIANS).where(side == source_id, other.in_(known)))
            await self.connection.execute(update(GUARDIANS).where(side == source_id).values({side: target_id}))

    async def move_records(self, source_id: UUID, target_id: UUID, now: datetime) -> None:
        is_sources = RECORD_KEYS.c.patient_id == source_id
        if not await self.connection.scalar(select(func.count()).select_from(RECORD_KEYS).where(is_sources)):
            return
        source = await self._require_cipher(source_id)
        target = await find_or_create_cipher(self.connection, self.keyring, target_id)
        await self._encrypt_versions(source_id, source, target)
        await self.connection.execute(update(MEDICAL_ENTRIES).where(MEDICAL_ENTRIES.c.patient_id == source_id).values(patient_id=target_id))
        await self._move_break_glass(source_id, target_id, source, target, now)
        await self.connection.execute(delete(RECORD_KEYS).where(is_sources))

    async def _encrypt_versions(self, source_id: UUID, source: RecordCipher, target: RecordCipher) -> None:
        last: tuple[UUID, int] | None = None
        while rows := await self._list_versions(source_id, last):
            last = rows[-1].entry_id, rows[-1].version
            await self.connection.execute(ENCRYPT_VERSION, [_reencryption_parameters(row, source, target) for row in rows])

    async def _list_versions(self, patient_id: UUID, after: tuple[UUID, int] | None) -> Sequence[Any]:
        versions = select(MEDICAL_VERSIONS).join(MEDICAL_ENTRIES, IS_VERSION_OF_ENTRY).where(MEDICAL_ENTRIES.c.patient_id == patient_id)
        if after is not None:
            versions = versions.where(rows_after(VERSION_KEY, after))
        return (await self.connection.execute(versions.order_by(*VERSION_KEY).limit(BATCH))).all()

    async def _move_break_glass(self, source_id: UUID, target_id: UUID, source: RecordCipher, target: RecordCipher, now: datetime) -> None:
        """Move the accesses of admins; those that are open end, because the target was not told that they read the target's history."""
        rows = (await self.connection.execute(select(BREAK_GLASS).where(BREAK_GLASS.c.patient_id == source_id))).all()
        for row in rows:
            reason = target.encrypt(source.decrypt(row.reason, row.id, 1, BREAK_GLASS_REASON), row.id, 1, BREAK_GLASS_REASON)
            changes = {"patient_id": target_id, "reason": reason, "expires_at": min(row.expires_at, now)}
            await self.connection.execute(update(BREAK_GLASS).where(BREAK_GLASS.c.id == row.id).values(changes))

    async def _count(self, table: Table, patient_id: UUID) -> int:
        return int(await self.connection.scalar(select(func.count()).select_from(table).where(table.c.patient_id == patient_id)) or 0)


def _reencryption_parameters(row: Any, source: RecordCipher, target: RecordCipher) -> dict[str, Any]:
    """Return the parameters of ENCRYPT_VERSION for a version of an entry."""
    texts = {f"new_{name}": _move_text(getattr(row, name), row, name, source, target) for name in ENCRYPTED_FIELDS}
    return {"entry": row.entry_id, "entry_version": row.version} | texts


def _move_text(ciphertext: bytes | None, row: Any, name: str, source: RecordCipher, target: RecordCipher) -> bytes | None:
    if ciphertext is None:
        return None
    return target.encrypt(source.decrypt(ciphertext, row.entry_id, row.version, name), row.entry_id, row.version, name)
