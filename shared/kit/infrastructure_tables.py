"""The tables that every SQL service has: outbox, inbox, leases, idempotency keys and dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Insert,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Text,
    bindparam,
    insert,
    select,
    type_coerce,
)
from sqlalchemy.dialects import mysql

from shared.kit.sql import Id, MediumText, UtcDateTime, binary_string

RowNumber = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database increments; SQLite increments only an INTEGER."""


@dataclass(frozen=True)
class InfrastructureTables:
    """The tables as the code uses them. The migrations create them with `shared.kit.migrations`."""

    outbox: Table
    inbox: Table
    leases: Table
    idempotency_keys: Table
    dead_letters: Table

    @cached_property
    def insert_event(self) -> Insert:
        """Return the statement that adds a row to the outbox."""
        return insert(self.outbox)

    @cached_property
    def list_waiting_events(self) -> Select[Any]:
        """Return the query of the first `max_rows` events that were not published, oldest first.

        Their ids are not read as UUIDs here, so that a row that cannot be read fails alone.
        """
        outbox = self.outbox.c
        columns = (outbox.seq, outbox.topic, outbox.body, type_coerce(outbox.event_id, String).label("event_id"))
        return select(*columns).where(outbox.published_at.is_(None)).order_by(outbox.seq).limit(bindparam("max_rows"))

    @cached_property
    def insert_handled(self) -> Insert:
        """Return the statement that adds a row to the inbox."""
        return insert(self.inbox)


def infrastructure_tables(metadata: MetaData) -> InfrastructureTables:
    """Add the tables to a service's metadata and return them.

    A change of these tables needs a revision in every service: `tests/contract/test_migrations.py` compares both.
    """
    outbox = Table(
        "outbox",
        metadata,
        Column("seq", RowNumber, primary_key=True, autoincrement=True),
        Column("event_id", Id, nullable=False, unique=True),
        Column("topic", binary_string(100), nullable=False),
        Column("body", MediumText, nullable=False),
        Column("created_at", UtcDateTime, nullable=False),
        Column("published_at", UtcDateTime),
        Index("outbox_waiting", "published_at", "seq"),
    )
    inbox = Table(
        "inbox",
        metadata,
        Column("event_id", Id, primary_key=True),
        Column("handled_at", UtcDateTime, nullable=False, index=True),
    )
    leases = Table(
        "leases",
        metadata,
        Column("name", binary_string(64), primary_key=True),
        Column("holder", binary_string(64), nullable=False),
        Column("until", UtcDateTime, nullable=False),
    )
    idempotency_keys = Table(
        "answers",
        metadata,
        Column("key_id", Id, primary_key=True),
        Column("fingerprint", binary_string(64), nullable=False),
        Column("claimed_at", UtcDateTime, nullable=False, index=True),
        Column("status", Integer),
        Column("headers", Text),
        Column("body", LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")),
        Column("operation_id", Id),
    )
    dead_letters = Table(
        "dead_letters",
        metadata,
        Column("id", Id, primary_key=True),
        Column("message_id", binary_string(100), nullable=False),
        Column("event_id", Id),
        Column("topic", binary_string(100)),
        Column("subject", binary_string(64)),
        Column("body", LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
        Column("error", binary_string(500), nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("replays", Integer, nullable=False),
        Column("died_at", UtcDateTime, nullable=False),
        Column("status", binary_string(16), nullable=False),
        Column("replayed_at", UtcDateTime),
        Index("dead_letters_by_time", "died_at", "id"),
        Index("dead_letters_by_topic", "topic", "died_at", "id"),
        Index("dead_letters_by_status", "status", "replayed_at"),
    )
    return InfrastructureTables(outbox, inbox, leases, idempotency_keys, dead_letters)
