"""The keys of patients and the master keys that encrypt them, in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_svc.repository.record_cipher import NotDecrypted, RecordCipher, RecordKeyring, WrappedKey, unreadable
from patient_svc.repository.tables import MASTER_KEYS, RECORD_KEYS
from shared.kit.retry import TransactionAborted, retry_transaction
from shared.kit.settings import InvalidSettings
from shared.kit.sql import Database, insert_if_absent

VARIABLE = "PATIENT_RECORD_KEYS"
BATCH = 200
SELECT_KEY = select(RECORD_KEYS.c.master_key, RECORD_KEYS.c.wrapped_key).where(RECORD_KEYS.c.patient_id == bindparam("patient"))
REWRAP_KEY = (
    update(RECORD_KEYS)
    .where(RECORD_KEYS.c.patient_id == bindparam("patient"), RECORD_KEYS.c.wrapped_key == bindparam("wrapped_before"))
    .values(master_key=bindparam("new_master_key"), wrapped_key=bindparam("new_wrapped_key"))
)


async def find_cipher(connection: AsyncConnection, keyring: RecordKeyring, patient_id: UUID) -> RecordCipher | None:
    """Return the cipher of a patient, or None for one without a key. Raises RecordsUnreadable."""
    row = (await connection.execute(SELECT_KEY, {"patient": patient_id})).one_or_none()
    if row is None:
        return None
    try:
        return RecordCipher(patient_id, keyring.unwrap(patient_id, WrappedKey(*row)))
    except NotDecrypted as error:
        raise unreadable(patient_id, patient_id, f"key {row.master_key}", error) from None


async def find_or_create_cipher(connection: AsyncConnection, keyring: RecordKeyring, patient_id: UUID) -> RecordCipher:
    """Return the cipher of a patient, and create the key of one who has none. The caller has locked the patient."""
    if cipher := await find_cipher(connection, keyring, patient_id):
        return cipher
    key, wrapped = keyring.create_key(patient_id)
    if not await insert_if_absent(connection, insert(RECORD_KEYS).values(patient_id=patient_id, **asdict(wrapped))):
        raise TransactionAborted
    return RecordCipher(patient_id, key)


async def check_master_keys(database: Database, keyring: RecordKeyring) -> None:
    """Remember new master keys. Raises InvalidSettings if one is not the key that had its name before, or if a needed one is missing."""
    await retry_transaction(lambda: _remember_master_keys(database, keyring))
    async with database.read() as connection:
        check_values = {row.name: row.check_value for row in await connection.execute(select(MASTER_KEYS))}
        needed = (await connection.scalars(select(RECORD_KEYS.c.master_key).distinct())).all()
    changed = [name for name in keyring.names if not keyring.has_key(name, check_values[name])]
    missing = sorted(set(needed) - set(keyring.names))
    if changed or missing:
        faults = [f"`{name}` is not the key that had this name before" for name in changed]
        faults += [f"the key `{name}` is missing, and medical histories need it" for name in missing]
        raise InvalidSettings(f"{VARIABLE}: {'; '.join(faults)}")


async def _remember_master_keys(database: Database, keyring: RecordKeyring) -> None:
    async with database.write() as connection:
        known = set(await connection.scalars(select(MASTER_KEYS.c.name)))
        for name in keyring.names:
            if name not in known:
                row = {"name": name, "check_value": keyring.check_value(name)}
                await insert_if_absent(connection, insert(MASTER_KEYS).values(row))


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many keys of patients a batch has encrypted with the first master key, and the patients whose key cannot be decrypted."""

    count: int
    unreadable: Sequence[UUID]


class KeyRotation:
    """Encrypts the keys of patients with the first master key. Other instances may read and add keys meanwhile."""

    def __init__(self, database: Database, keyring: RecordKeyring) -> None:
        self.database, self.keyring = database, keyring
        self._is_outdated = RECORD_KEYS.c.master_key != keyring.encrypting_name

    async def count_outdated(self) -> int:
        """Return how many keys of patients are encrypted with another master key than the first."""
        async with self.database.read() as connection:
            return int(await connection.scalar(select(func.count()).select_from(RECORD_KEYS).where(self._is_outdated)) or 0)

    async def rewrap(self) -> AsyncIterator[Rewrapped]:
        """Encrypt all outdated keys anew, in batches with a transaction each; yield after every batch.

        It begins again until it finds none: an instance that does not have the order of the keys yet may add some meanwhile.
        """
        unreadable_ids, is_finished = set[UUID](), False
        while not is_finished:
            is_finished = True
            async for batch in self._rewrap_once(unreadable_ids):
                is_finished = is_finished and not batch.count
                unreadable_ids |= set(batch.unreadable)
                yield batch

    async def _rewrap_once(self, known_unreadable: Collection[UUID]) -> AsyncIterator[Rewrapped]:
        """Encrypt the outdated keys by the ids of their patients. Those that are known to be unreadable are not yielded again."""
        last: UUID | None = None
        while rows := await self._list_outdated(last):
            last = rows[-1].patient_id
            changes, failed = list[dict[str, Any]](), list[UUID]()
            for row in rows:
                try:
                    changes.append(self._rewrapping_parameters(row))
                except NotDecrypted:
                    failed.append(row.patient_id)
            await retry_transaction(lambda changes=changes: self._save(changes))  # type: ignore[misc]
            yield Rewrapped(len(changes), [patient_id for patient_id in failed if patient_id not in known_unreadable])

    async def _list_outdated(self, last: UUID | None) -> Sequence[Any]:
        query = select(RECORD_KEYS).where(self._is_outdated).order_by(RECORD_KEYS.c.patient_id).limit(BATCH)
        if last is not None:
            query = query.where(RECORD_KEYS.c.patient_id > last)
        async with self.database.read() as connection:
            return (await connection.execute(query)).all()

    def _rewrapping_parameters(self, row: Any) -> dict[str, Any]:
        key = self.keyring.unwrap(row.patient_id, WrappedKey(row.master_key, row.wrapped_key))
        wrapped = self.keyring.wrap(row.patient_id, key)
        new_values = {"new_master_key": wrapped.master_key, "new_wrapped_key": wrapped.wrapped_key}
        return {"patient": row.patient_id, "wrapped_before": row.wrapped_key} | new_values

    async def _save(self, changes: list[dict[str, Any]]) -> None:
        """Store the keys, each only where it is still the one that was read: an erased patient stays erased."""
        if changes:
            async with self.database.write() as connection:
                await connection.execute(REWRAP_KEY, changes)
