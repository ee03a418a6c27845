"""The tables of doctor-service."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table

from shared.kit.schema import plumbing
from shared.kit.sql import Id, exact

METADATA = MetaData()
PLUMBING = plumbing(METADATA)

SERVICES = Table(
    "services",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("name", exact(200), nullable=False),
    Column("specialty", exact(200)),
    Column("mode", exact(16), nullable=False),
    Column("duration_minutes", Integer, nullable=False),
    Column("buffer_before_minutes", Integer, nullable=False),
    Column("buffer_after_minutes", Integer, nullable=False),
    Column("slot_step_minutes", Integer, nullable=False),
    Column("min_notice_minutes", Integer, nullable=False),
    Column("horizon_days", Integer, nullable=False),
    Column("cancel_cutoff_minutes", Integer, nullable=False),
    Column("reschedule_cutoff_minutes", Integer, nullable=False),
    Column("requires_approval", Boolean, nullable=False),
    Column("price_amount", Integer),
    Column("price_currency", exact(3)),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Index("services_by_name", "name", "id"),
)
