"""Frozen: the copy of the clinic's settings, as the migrations create it. Nothing in this module may change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql


def create_clinic_settings_copy() -> None:
    """Create the table with the copy of the clinic's settings."""
    op.create_table(
        "clinic_settings_copy",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("settings", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
    )


def drop_clinic_settings_copy() -> None:
    """Drop what `create_clinic_settings_copy` creates."""
    op.drop_table("clinic_settings_copy")
