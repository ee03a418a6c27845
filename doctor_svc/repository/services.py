"""Service types in SQL: two mappers and the verbs of storage."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doctor_svc.domain.refusals import NoSuchService
from doctor_svc.domain.services import ServiceType
from doctor_svc.repository.tables import DOCTORS, SERVICES
from shared.contracts.http import Money
from shared.kit.paging import BadCursor
from shared.kit.retry import TransactionAborted
from shared.kit.sql import insert_if_absent


def to_row(service: ServiceType) -> dict[str, Any]:
    price = {"price_amount": service.price and service.price.amount, "price_currency": service.price and service.price.currency}
    return {name: value for name, value in asdict(service).items() if name != "price"} | price


def from_row(row: Any) -> ServiceType:
    fields = dict(row._mapping)
    amount, currency = fields.pop("price_amount"), fields.pop("price_currency")
    return ServiceType(**fields, price=Money(amount=amount, currency=currency) if currency else None)


async def one(connection: AsyncConnection, service_id: UUID, *, lock: bool = False) -> ServiceType | None:
    query = select(SERVICES).where(SERVICES.c.id == service_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return from_row(row) if row else None


async def known(connection: AsyncConnection, service_id: UUID, *, lock: bool = False) -> ServiceType:
    service = await one(connection, service_id, lock=lock)
    if service is None:
        raise NoSuchService
    return service


async def add(connection: AsyncConnection, service: ServiceType) -> None:
    if not await insert_if_absent(connection, insert(SERVICES).values(to_row(service))):
        raise TransactionAborted


async def save(connection: AsyncConnection, service: ServiceType) -> None:
    await connection.execute(update(SERVICES).where(SERVICES.c.id == service.id).values(to_row(service)))


async def listed(connection: AsyncConnection, active: bool | None, limit: int, after: tuple[str, ...] | None) -> list[ServiceType]:
    query = select(SERVICES).order_by(SERVICES.c.name, SERVICES.c.id).limit(limit)
    if active is not None:
        query = query.where(SERVICES.c.active == active)
    if after is not None:
        query = query.where(beyond(SERVICES.c.name, SERVICES.c.id, after))
    return [from_row(row) for row in await connection.execute(query)]


async def specialties(connection: AsyncConnection) -> list[str]:
    """Those of services on offer and of active doctors, each once."""
    offered = select(SERVICES.c.specialty).where(SERVICES.c.active, SERVICES.c.specialty.is_not(None)).distinct()
    practised = select(DOCTORS.c.specialties).where(DOCTORS.c.active, ~DOCTORS.c.pending)
    found = {*await connection.scalars(offered), *(each for several in await connection.scalars(practised) for each in several)}
    return sorted(found, key=str.casefold)


async def existing(connection: AsyncConnection, ids: Collection[UUID]) -> set[UUID]:
    return set(await connection.scalars(select(SERVICES.c.id).where(SERVICES.c.id.in_(ids))))


def beyond(name: Column[str], one_id: Column[UUID], after: tuple[str, ...]) -> ColumnElement[bool]:
    """Behind the row that a cursor names, in the order of name and id; written out, because a tuple's UUID would lose its column's type."""
    last, last_id = place(after, 2)
    return or_(name > last, and_(name == last, one_id > last_id))


def place(after: tuple[str, ...], parts: int) -> tuple[Any, ...]:
    """The key that a cursor names: texts, then an id."""
    try:
        *texts, one_id = after
        if len(after) != parts:
            raise ValueError(after)
        return (*texts, UUID(one_id))
    except ValueError:
        raise BadCursor(pointer="/after") from None
