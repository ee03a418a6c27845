"""The tables that every SQL service has: outbox, inbox, leases, kept answers."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects import mysql

from shared.kit.sql import Id, LongText, UtcDateTime, exact

Sequence = BigInteger().with_variant(Integer, "sqlite")


@dataclass(frozen=True, slots=True)
class Plumbing:
    outbox: Table
    inbox: Table
    leases: Table
    answers: Table


def plumbing(metadata: MetaData) -> Plumbing:
    """Adds the tables to a service's own metadata."""
    outbox = Table(
        "outbox",
        metadata,
        Column("seq", Sequence, primary_key=True, autoincrement=True),
        Column("event_id", Id, nullable=False, unique=True),
        Column("topic", exact(100), nullable=False),
        Column("body", LongText, nullable=False),
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
        Column("name", exact(64), primary_key=True),
        Column("holder", exact(64), nullable=False),
        Column("until", UtcDateTime, nullable=False),
    )
    answers = Table(
        "answers",
        metadata,
        Column("key_id", Id, primary_key=True),
        Column("fingerprint", exact(64), nullable=False),
        Column("claimed_at", UtcDateTime, nullable=False, index=True),
        Column("status", Integer),
        Column("headers", Text),
        Column("body", LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")),
    )
    return Plumbing(outbox, inbox, leases, answers)
