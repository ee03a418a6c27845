"""API clients in SQL."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from auth_svc.domain.api_clients import ApiClient
from auth_svc.repository.tables import API_CLIENTS
from shared.contracts.identity import Scope
from shared.kit.cursors import parse_instant_and_id
from shared.kit.keyset_pagination import rows_after
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database, insert_if_absent

IS_NOT_DELETED = API_CLIENTS.c.deleted_at.is_(None)


class ApiClientReads:
    """The part of SqlAuthStore that reads API clients."""

    __slots__ = ()
    database: Database

    async def find_api_client(self, client_id: UUID) -> ApiClient | None:
        async with self.database.read() as connection:
            row = (await connection.execute(select(API_CLIENTS).where(API_CLIENTS.c.id == client_id, IS_NOT_DELETED))).one_or_none()
        return _client_from_row(row) if row else None

    async def list_api_clients(self, limit: int, after: tuple[str, ...] | None) -> list[ApiClient]:
        key = (API_CLIENTS.c.created_at, API_CLIENTS.c.id)
        query = select(API_CLIENTS).where(IS_NOT_DELETED).order_by(*key).limit(limit)
        if after is not None:
            query = query.where(rows_after(key, parse_instant_and_id(after)))
        async with self.database.read() as connection:
            return [_client_from_row(row) for row in await connection.execute(query)]


class ApiClientWrites(SqlTransaction):
    """The part of SqlAuthTransaction that writes API clients."""

    async def insert_api_client(self, client: ApiClient) -> bool:
        return await insert_if_absent(self.connection, insert(API_CLIENTS).values(_row(client)))

    async def get_registered_api_client(self, client_id: UUID) -> ApiClient:
        query = select(API_CLIENTS).where(API_CLIENTS.c.id == client_id).with_for_update()
        return _client_from_row((await self.connection.execute(query)).one())

    async def find_api_client(self, client_id: UUID) -> ApiClient | None:
        query = select(API_CLIENTS).where(API_CLIENTS.c.id == client_id, IS_NOT_DELETED).with_for_update()
        row = (await self.connection.execute(query)).one_or_none()
        return _client_from_row(row) if row else None

    async def update_api_client(self, client: ApiClient) -> None:
        await self.connection.execute(update(API_CLIENTS).where(API_CLIENTS.c.id == client.id).values(_row(client)))


def _row(client: ApiClient) -> dict[str, Any]:
    return asdict(client) | {"scopes": " ".join(sorted(client.scopes))}


def _client_from_row(row: Any) -> ApiClient:
    fields = dict(row._mapping)
    known = [scope for scope in fields["scopes"].split() if scope in set(Scope)]  # a newer release may have written others
    return ApiClient(**fields | {"scopes": frozenset(map(Scope, known))})
