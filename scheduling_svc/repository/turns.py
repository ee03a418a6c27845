"""Turns: what only one transaction may do at a time, so that what it counts stays true."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import bindparam, insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.ports import Overtaken
from scheduling_svc.repository.tables import TURNS

TAKE = update(TURNS).where(TURNS.c.id == bindparam("key")).values(taken=TURNS.c.taken + 1)


async def alone(connection: AsyncConnection, keys: Collection[UUID]) -> None:
    """In one order, so that nobody waits for one who waits for them."""
    for key in sorted(keys):
        if not (await connection.execute(TAKE, {"key": key})).rowcount:
            try:
                await connection.execute(insert(TURNS), {"id": key, "taken": 1})
            except IntegrityError:
                raise Overtaken from None
