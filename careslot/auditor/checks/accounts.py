"""The account of a patient or doctor and the profile with the same id exist both or neither.

The service that creates both stores its part as pending before it has the other part created, so a pending account or profile may be alone.
A doctor who has become a patient keeps an inactive profile, also when the account was erased later. The account is read before and after
the profiles: an account that was the same both times is not being created or erased.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from auth_svc.domain.accounts import AccountStatus
from auth_svc.repository.tables import ACCOUNTS, PENDING_PROFILES
from careslot.auditor.findings import Finding, Key
from careslot.auditor.stores import Stores
from doctor_svc.repository.tables import DOCTORS
from patient_svc.repository.tables import ERASURES, PATIENTS
from shared.contracts.identity import Role, Service


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """Compares the accounts with the profiles of patients and doctors."""

    name = "accounts have their profiles"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the ids of accounts, then those of profiles that have one."""
        for service, column, conditions in (
            (Service.AUTH, ACCOUNTS.c.id, ()),
            (Service.PATIENT, PATIENTS.c.id, (PATIENTS.c.has_account.is_(True),)),
            (Service.DOCTOR, DOCTORS.c.id, (DOCTORS.c.has_doctor_account.is_(True),)),
        ):
            async for page in stores.sql[service].values(column, *conditions):
                yield [(str(person_id),) for person_id in page]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return the accounts without profile, and the profiles without account."""
        ids = list({UUID(key[0]) for key in keys})
        before, _ = await _read_accounts(stores, ids)
        patients = await _read_rows(stores, Service.PATIENT, PATIENTS.c.id, [PATIENTS.c.id, PATIENTS.c.has_account], ids)
        erased = await _read_rows(stores, Service.PATIENT, ERASURES.c.patient_id, [ERASURES.c.patient_id, ERASURES.c.requested_at], ids)
        doctors = await _read_rows(
            stores, Service.DOCTOR, DOCTORS.c.id, [DOCTORS.c.id, DOCTORS.c.has_doctor_account.label("has_account")], ids
        )
        after, pending = await _read_accounts(stores, ids)
        findings = list[Finding]()
        for person_id in ids:
            if before.get(person_id) == after.get(person_id):
                profiles = Profiles(patients.get(person_id), doctors.get(person_id), erased.get(person_id))
                findings += judge_account(person_id, after.get(person_id), profiles, is_pending=person_id in pending)
        return findings


@dataclass(frozen=True, slots=True)
class Profiles:
    """The rows that other services have for an account: of the patient, of the doctor, and of the erasure of the patient."""

    patient: Any
    doctor: Any
    erasure: Any


def judge_account(person_id: UUID, account: Any, profiles: Profiles, *, is_pending: bool) -> list[Finding]:
    """Return whether the account or the profile is missing. `is_pending`: the profile may not exist yet."""
    key, ids = (str(person_id),), {"account": str(person_id)}
    if account is None:
        if profiles.doctor is not None and profiles.doctor.has_account:
            return [Finding("doctor_without_account", key, ids)]
        lacks_account = profiles.patient is not None and profiles.patient.has_account
        return [Finding("patient_without_account", key, ids)] if lacks_account else []
    ids |= {"role": account.role, "status": account.status}
    if account.status == AccountStatus.PENDING or is_pending:
        return []
    if account.role == Role.PATIENT and profiles.patient is None:
        since: datetime | None = profiles.erasure.requested_at if profiles.erasure is not None else None
        return [Finding("account_without_patient", key, ids, (account.version,), since=since)]
    if account.role == Role.DOCTOR and profiles.doctor is None:
        return [Finding("account_without_doctor", key, ids, (account.version,))]
    return []


async def _read_accounts(stores: Stores, ids: Sequence[UUID]) -> tuple[dict[UUID, Any], set[UUID]]:
    """Return the accounts by id, and the ids of those whose profile may not exist yet."""
    async with stores.sql[Service.AUTH].snapshot() as connection:
        columns = (ACCOUNTS.c.id, ACCOUNTS.c.role, ACCOUNTS.c.status, ACCOUNTS.c.version)
        accounts = {row.id: row for row in await connection.execute(select(*columns).where(ACCOUNTS.c.id.in_(ids)))}
        waiting = select(PENDING_PROFILES.c.id).where(PENDING_PROFILES.c.id.in_(ids))
        return accounts, set((await connection.execute(waiting)).scalars())


async def _read_rows(stores: Stores, service: Service, column: Any, columns: Sequence[Any], ids: Sequence[UUID]) -> dict[UUID, Any]:
    return {row[0]: row for row in await stores.sql[service].fetch_in(columns, column, ids)}
