"""Migrations: indexes in MongoDB, Alembic revisions in SQLite."""

from __future__ import annotations


def migrate(url: str) -> None:
    """Create or update the schema; may be repeated."""
    if url.startswith("mongodb"):
        from appointment_svc.repository import mongo

        mongo.migrate(url)
        return
    from shared.kit import migrations

    if not migrations.is_up_to_date("appointment_svc", url):
        migrations.migrate("appointment_svc", url)
