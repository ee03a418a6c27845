"""The stored rules of doctors and services, in SQL."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from uuid import UUID

from sqlalchemy import Table, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.repository.tables import DOCTORS, LEARNED, OFFERS, SERVICES
from shared.contracts.http import DoctorRules, ServiceTypeRules
from shared.kit.clock import Clock
from shared.kit.retry import TransactionAborted
from shared.kit.sql import insert_if_absent

ALL_RULES = "all rules"

SELECT_SERVICE = select(SERVICES.c.rules).where(SERVICES.c.id == bindparam("service"))
SELECT_DOCTORS = select(DOCTORS.c.rules).where(DOCTORS.c.id.in_(bindparam("doctors", expanding=True)))
SELECT_OFFERING = (
    select(DOCTORS.c.rules).join(OFFERS, OFFERS.c.doctor_id == DOCTORS.c.id).where(OFFERS.c.service_id == bindparam("service"))
)


class RuleReader:
    """Reads the terms of doctors and services."""

    connection: AsyncConnection

    async def find_service(self, service_id: UUID) -> ServiceTerms | None:
        """Return the terms of a service, None if its rules are not stored."""
        text = await self.connection.scalar(SELECT_SERVICE, {"service": service_id})
        return _service_terms(text) if text is not None else None

    async def list_doctors(self, ids: Collection[UUID]) -> list[DoctorTerms]:
        """Return those of the doctors whose rules are stored."""
        return [_doctor_terms(text) for text in await self.connection.scalars(SELECT_DOCTORS, {"doctors": list(ids)})]

    async def list_doctors_offering(self, service_id: UUID) -> list[DoctorTerms]:
        """Return the doctors who offer a service."""
        return [_doctor_terms(text) for text in await self.connection.scalars(SELECT_OFFERING, {"service": service_id})]


class RuleWriter(RuleReader):
    """Stores the rules of doctors and services, the newest version of each."""

    now: Clock

    async def save_service_rules(self, rules: ServiceTypeRules) -> bool:
        """Store the rules of a service if they are newer than the stored ones; return True if they were."""
        return await self._save_newer(SERVICES, rules)

    async def save_doctor_rules(self, rules: DoctorRules) -> bool:
        """Store the rules of a doctor if they are newer than the stored ones; return True if they were."""
        if not await self._save_newer(DOCTORS, rules):
            return False
        await self.connection.execute(delete(OFFERS).where(OFFERS.c.doctor_id == rules.id))
        offers = [{"service_id": service_id, "doctor_id": rules.id} for service_id in sorted(set(rules.services))]
        if offers:
            await self.connection.execute(insert(OFFERS).values(offers))
        return True

    async def mark_all_rules_saved(self) -> None:
        """Record that all rules were fetched once."""
        await insert_if_absent(self.connection, insert(LEARNED).values(what=ALL_RULES, at=self.now()))

    async def _save_newer(self, table: Table, rules: DoctorRules | ServiceTypeRules) -> bool:
        """Store rules if they are newer; raise TransactionAborted if another transaction stores the first version at the same time."""
        row = {"id": rules.id, "version": rules.version, "rules": rules.model_dump_json()}
        older = update(table).where(table.c.id == rules.id, table.c.version < rules.version).values(row)
        if (await self.connection.execute(older)).rowcount:
            return True
        if (await self.connection.execute(select(table.c.id).where(table.c.id == rules.id))).one_or_none():
            return False
        if not await insert_if_absent(self.connection, insert(table).values(row)):
            raise TransactionAborted
        return True


async def list_all_doctors(connection: AsyncConnection, limit: int, after: UUID | None) -> list[DoctorTerms]:
    """Return all doctors whose rules are stored, in the order of their ids."""
    doctors = select(DOCTORS.c.rules).order_by(DOCTORS.c.id).limit(limit)
    return [_doctor_terms(text) for text in await connection.scalars(doctors.where(DOCTORS.c.id > after) if after else doctors)]


async def list_active_services(connection: AsyncConnection, limit: int, after: UUID | None) -> list[ServiceTerms]:
    """Return up to `limit` active services whose rules are stored, in the order of their ids. Whether one is active stands in its rules."""
    found: list[ServiceTerms] = []
    while len(found) < limit:
        query = select(SERVICES.c.id, SERVICES.c.rules).order_by(SERVICES.c.id).limit(limit)
        rows = (await connection.execute(query.where(SERVICES.c.id > after) if after else query)).all()
        found += [terms for row in rows if (terms := _service_terms(row.rules)).active]
        if len(rows) < limit:
            break
        after = rows[-1].id
    return found[:limit]


async def list_doctor_ids(connection: AsyncConnection, limit: int, after: UUID | None) -> list[UUID]:
    """Return the ids of all doctors whose rules are stored, in order."""
    ids = select(DOCTORS.c.id).order_by(DOCTORS.c.id).limit(limit)
    return list(await connection.scalars(ids.where(DOCTORS.c.id > after) if after else ids))


async def has_all_rules(connection: AsyncConnection) -> bool:
    """Return True if all rules were fetched once."""
    return (await connection.execute(select(LEARNED.c.at).where(LEARNED.c.what == ALL_RULES))).one_or_none() is not None


# Every request reads rules, and they change rarely, so the terms are cached by the JSON text.
@lru_cache(maxsize=4096)
def _doctor_terms(text: str) -> DoctorTerms:
    return DoctorTerms.from_rules(DoctorRules.model_validate_json(text))


@lru_cache(maxsize=1024)
def _service_terms(text: str) -> ServiceTerms:
    return ServiceTerms.from_rules(ServiceTypeRules.model_validate_json(text))
