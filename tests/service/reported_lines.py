"""The lines of the audit trail that a running service has reported, as they stand in its outbox."""

from __future__ import annotations

import sqlalchemy as sa

from shared.contracts.events import AuditRecorded, Event
from shared.kit.infrastructure_tables import infrastructure_tables
from shared.kit.sql import Database
from shared.kit.strict_json import parse_json

OUTBOX = infrastructure_tables(sa.MetaData()).outbox


async def read_reported(database_url: str) -> list[AuditRecorded]:
    """Return the events of the audit trail in the outbox of a database, in the order of their commits."""
    query = sa.select(OUTBOX.c.body).where(OUTBOX.c.topic == AuditRecorded.topic).order_by(OUTBOX.c.seq)
    async with Database(database_url) as database, database.read() as connection:
        bodies = (await connection.scalars(query)).all()
    events = [Event.from_cloudevent(parse_json(body.encode())) for body in bodies]
    return [event for event in events if isinstance(event, AuditRecorded)]
