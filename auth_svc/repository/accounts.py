"""Accounts in SQL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Executable, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain.accounts import Account, AccountStatus, PendingProfile, PreviousFields
from auth_svc.domain.refusals import NoSuchAccount
from auth_svc.repository.tables import ACCOUNTS, PENDING_PROFILES
from shared.contracts.identity import Role
from shared.contracts.relayed_refusals import EmailTaken
from shared.kit.keyset_pagination import rows_after
from shared.kit.outbox import SqlTransaction
from shared.kit.paging import parse_sort_key
from shared.kit.pending import first_retry_at, take_due_rows
from shared.kit.sql import Database
from shared.kit.unreadable import read_rows

PREVIOUS_FIELDS = TypeAdapter(PreviousFields)


def account_from_row(row: Any) -> Account:
    """Return the account of a row of ACCOUNTS."""
    fields = dict(row._mapping)
    return Account(**fields | {"role": Role(fields["role"]), "status": AccountStatus(fields["status"])})


def pending_profile_from_row(row: Any) -> PendingProfile:
    """Return the pending profile of a row of PENDING_PROFILES."""
    return PendingProfile(row.id, PREVIOUS_FIELDS.validate_json(row.previous) if row.previous else None)


class AccountReads:
    """The part of SqlAuthStore that reads accounts."""

    __slots__ = ()
    database: Database

    async def get_account(self, account_id: UUID) -> Account:
        return _require_account(await self.find_account(account_id))

    async def find_account(self, account_id: UUID) -> Account | None:
        async with self.database.read() as connection:
            return await _find_account(connection, select(ACCOUNTS).where(ACCOUNTS.c.id == account_id))

    async def find_account_by_email(self, email: str) -> Account | None:
        async with self.database.read() as connection:
            return await _find_account(connection, select(ACCOUNTS).where(ACCOUNTS.c.email == email))

    async def list_accounts_by_id(self, ids: Collection[UUID]) -> list[Account]:
        async with self.database.read() as connection:
            return await _list_accounts(connection, select(ACCOUNTS).where(ACCOUNTS.c.id.in_(ids)))

    async def list_accounts(
        self, *, role: Role | None, status: str | None, text: str | None, limit: int, after: tuple[str, ...] | None
    ) -> list[Account]:
        query = select(ACCOUNTS).where(ACCOUNTS.c.status != AccountStatus.PENDING).order_by(ACCOUNTS.c.email).limit(limit)
        if role is not None:
            query = query.where(ACCOUNTS.c.role == role)
        if status is not None:
            query = query.where(ACCOUNTS.c.status == status)
        if text:
            searched = (ACCOUNTS.c.email, ACCOUNTS.c.full_name)
            query = query.where(or_(*(func.lower(column).contains(text.lower(), autoescape=True) for column in searched)))
        if after is not None:
            query = query.where(rows_after([ACCOUNTS.c.email], parse_sort_key(after, str)))
        async with self.database.read() as connection:
            return await _list_accounts(connection, query)

    async def find_pending_profile(self, account_id: UUID) -> PendingProfile | None:
        query = select(PENDING_PROFILES).where(PENDING_PROFILES.c.id == account_id)
        async with self.database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return pending_profile_from_row(row) if row else None

    async def has_admin(self) -> bool:
        admins = select(func.count()).select_from(ACCOUNTS).where(ACCOUNTS.c.role == Role.ADMIN)
        async with self.database.read() as connection:
            return bool(await connection.scalar(admins))


class AccountWrites(SqlTransaction):
    """The part of SqlAuthTransaction that writes accounts."""

    async def get_account(self, account_id: UUID) -> Account:
        return _require_account(await self.find_account(account_id))

    async def find_account(self, account_id: UUID) -> Account | None:
        return await _find_account(self.connection, select(ACCOUNTS).where(ACCOUNTS.c.id == account_id).with_for_update())

    async def insert_account(self, account: Account) -> None:
        await self._write_account(insert(ACCOUNTS).values(asdict(account)))

    async def update_account(self, account: Account) -> None:
        await self._write_account(update(ACCOUNTS).where(ACCOUNTS.c.id == account.id).values(asdict(account)))

    async def delete_pending_account(self, account_id: UUID) -> None:
        is_pending = (ACCOUNTS.c.id == account_id) & (ACCOUNTS.c.status == AccountStatus.PENDING)
        await self.connection.execute(delete(ACCOUNTS).where(is_pending))

    async def delete_account(self, account_id: UUID) -> None:
        await self.connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.id == account_id))

    async def insert_pending_profile(self, pending: PendingProfile, requested_at: datetime) -> None:
        previous = PREVIOUS_FIELDS.dump_json(pending.previous).decode() if pending.previous else None
        times = {"requested_at": requested_at, "retry_at": first_retry_at(requested_at)}
        await self.connection.execute(insert(PENDING_PROFILES).values(id=pending.account_id, previous=previous, **times))

    async def delete_pending_profile(self, account_id: UUID) -> bool:
        deleted = await self.connection.execute(delete(PENDING_PROFILES).where(PENDING_PROFILES.c.id == account_id))
        return bool(deleted.rowcount)

    async def take_due_profiles(self, now: datetime, limit: int) -> list[PendingProfile]:
        rows = await take_due_rows(self.connection, PENDING_PROFILES, now=now, limit=limit, requested_at_column="requested_at")
        return read_rows("pending_profile", rows, pending_profile_from_row, lambda row: row.id)

    async def count_other_active_admins(self, account_id: UUID) -> int:
        is_active_admin = (ACCOUNTS.c.role == Role.ADMIN) & (ACCOUNTS.c.status == AccountStatus.ACTIVE)
        admin_ids = await self.connection.scalars(select(ACCOUNTS.c.id).where(is_active_admin).with_for_update())
        return sum(admin_id != account_id for admin_id in admin_ids)

    async def _write_account(self, statement: Executable) -> None:
        try:
            await self.connection.execute(statement)
        except IntegrityError:
            raise EmailTaken(pointer="/email") from None


def _require_account(account: Account | None) -> Account:
    if account is None:
        raise NoSuchAccount
    return account


async def _find_account(connection: AsyncConnection, query: Executable) -> Account | None:
    row = (await connection.execute(query)).one_or_none()
    return account_from_row(row) if row else None


async def _list_accounts(connection: AsyncConnection, query: Executable) -> list[Account]:
    return [account_from_row(row) for row in await connection.execute(query)]
