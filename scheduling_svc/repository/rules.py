"""The rules of doctors and services, as their owner told them last."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from sqlalchemy import Table, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.terms import Doctor, Service
from scheduling_svc.repository.tables import DOCTORS, LEARNED, OFFERS, SERVICES
from shared.contracts.http import DoctorRules, ServiceTypeRules
from shared.kit.retry import TransactionAborted
from shared.kit.sql import insert_if_absent

ALL = "all rules"

SERVICE = select(SERVICES.c.rules).where(SERVICES.c.id == bindparam("service"))
SOME_DOCTORS = select(DOCTORS.c.rules).where(DOCTORS.c.id.in_(bindparam("doctors", expanding=True)))
DOCTORS_OF = select(DOCTORS.c.rules).join(OFFERS, OFFERS.c.doctor_id == DOCTORS.c.id).where(OFFERS.c.service_id == bindparam("service"))


# Rules are read with every question and change once in a while: what a text means is remembered.
@lru_cache(maxsize=4096)
def _doctor(text: str) -> Doctor:
    return Doctor.of(DoctorRules.model_validate_json(text))


@lru_cache(maxsize=1024)
def _service(text: str) -> Service:
    return Service.of(ServiceTypeRules.model_validate_json(text))


async def service(connection: AsyncConnection, service_id: UUID) -> Service | None:
    text = await connection.scalar(SERVICE, {"service": service_id})
    return _service(text) if text is not None else None


async def doctors(connection: AsyncConnection, ids: Collection[UUID]) -> list[Doctor]:
    return [_doctor(text) for text in await connection.scalars(SOME_DOCTORS, {"doctors": list(ids)})]


async def doctors_of(connection: AsyncConnection, service_id: UUID) -> list[Doctor]:
    return [_doctor(text) for text in await connection.scalars(DOCTORS_OF, {"service": service_id})]


async def doctors_after(connection: AsyncConnection, limit: int, after: UUID | None) -> list[Doctor]:
    those = select(DOCTORS.c.rules).order_by(DOCTORS.c.id).limit(limit)
    return [_doctor(text) for text in await connection.scalars(those.where(DOCTORS.c.id > after) if after else those)]


async def learn_service(connection: AsyncConnection, rules: ServiceTypeRules) -> bool:
    return await _newest(connection, SERVICES, rules)


async def learn_doctor(connection: AsyncConnection, rules: DoctorRules) -> bool:
    if not await _newest(connection, DOCTORS, rules):
        return False
    await connection.execute(delete(OFFERS).where(OFFERS.c.doctor_id == rules.id))
    offers = [{"service_id": service_id, "doctor_id": rules.id} for service_id in sorted(set(rules.services))]
    if offers:
        await connection.execute(insert(OFFERS).values(offers))
    return True


async def _newest(connection: AsyncConnection, table: Table, rules: DoctorRules | ServiceTypeRules) -> bool:
    """Keeps the rules if they are newer than what is known; whether they were. Who learns them first at the same time does it again."""
    row = {"id": rules.id, "version": rules.version, "rules": rules.model_dump_json()}
    older = update(table).where(table.c.id == rules.id, table.c.version < rules.version).values(row)
    if (await connection.execute(older)).rowcount:
        return True
    if (await connection.execute(select(table.c.id).where(table.c.id == rules.id))).one_or_none():
        return False
    if not await insert_if_absent(connection, insert(table).values(row)):
        raise TransactionAborted
    return True


async def note_all_learned(connection: AsyncConnection, at: datetime) -> None:
    await insert_if_absent(connection, insert(LEARNED).values(what=ALL, at=at))


async def all_learned(connection: AsyncConnection) -> bool:
    return (await connection.execute(select(LEARNED.c.at).where(LEARNED.c.what == ALL))).one_or_none() is not None
