"""Accounts in SQL."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain.accounts import Account, Status
from auth_svc.domain.refusals import EmailTaken, NoSuchAccount
from auth_svc.repository.tables import ACCOUNTS
from shared.contracts.identity import Role


def from_row(row: Any) -> Account:
    fields = dict(row._mapping)
    return Account(**fields | {"role": Role(fields["role"]), "status": Status(fields["status"])})


async def one(connection: AsyncConnection, query: Select[Any]) -> Account | None:
    row = (await connection.execute(query)).one_or_none()
    return from_row(row) if row else None


async def by_id(connection: AsyncConnection, account_id: UUID, *, lock: bool = False) -> Account | None:
    query = select(ACCOUNTS).where(ACCOUNTS.c.id == account_id)
    return await one(connection, query.with_for_update() if lock else query)


async def known(connection: AsyncConnection, account_id: UUID, *, lock: bool = False) -> Account:
    account = await by_id(connection, account_id, lock=lock)
    if account is None:
        raise NoSuchAccount
    return account


async def by_email(connection: AsyncConnection, email: str) -> Account | None:
    return await one(connection, select(ACCOUNTS).where(ACCOUNTS.c.email == email))


async def add(connection: AsyncConnection, account: Account) -> None:
    try:
        await connection.execute(insert(ACCOUNTS).values(asdict(account)))
    except IntegrityError:
        raise EmailTaken(pointer="/email") from None


async def save(connection: AsyncConnection, account: Account) -> None:
    try:
        await connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.id == account.id).values(asdict(account)))
    except IntegrityError:
        raise EmailTaken(pointer="/email") from None


async def drop(connection: AsyncConnection, account_id: UUID) -> None:
    await connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.id == account_id, ACCOUNTS.c.status == Status.PENDING))


async def other_active_admins(connection: AsyncConnection, account_id: UUID) -> int:
    others = select(ACCOUNTS.c.id).where(ACCOUNTS.c.role == Role.ADMIN, ACCOUNTS.c.status == Status.ACTIVE).with_for_update()
    return sum(found != account_id for found in await connection.scalars(others))


async def has_admin(connection: AsyncConnection) -> bool:
    return bool(await connection.scalar(select(func.count()).select_from(ACCOUNTS).where(ACCOUNTS.c.role == Role.ADMIN)))


async def pending(connection: AsyncConnection, before: datetime, limit: int) -> list[Account]:
    query = select(ACCOUNTS).where(ACCOUNTS.c.status == Status.PENDING, ACCOUNTS.c.created_at < before)
    query = query.order_by(ACCOUNTS.c.created_at).limit(limit)
    return [from_row(row) for row in await connection.execute(query)]


async def listed(
    connection: AsyncConnection, *, role: Role | None, status: str | None, text: str | None, limit: int, after: tuple[str, ...] | None
) -> list[Account]:
    query = select(ACCOUNTS).where(ACCOUNTS.c.status != Status.PENDING).order_by(ACCOUNTS.c.email).limit(limit)
    if role is not None:
        query = query.where(ACCOUNTS.c.role == role)
    if status is not None:
        query = query.where(ACCOUNTS.c.status == status)
    if text:
        wanted = text.lower()
        query = query.where(
            or_(*(func.lower(column).contains(wanted, autoescape=True) for column in (ACCOUNTS.c.email, ACCOUNTS.c.full_name)))
        )
    if after is not None:
        query = query.where(ACCOUNTS.c.email > after[0])
    return [from_row(row) for row in await connection.execute(query)]
