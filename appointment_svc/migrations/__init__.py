"""Brings the store up to date: indexes in MongoDB, Alembic's history in SQLite."""

from __future__ import annotations


def migrate(url: str) -> None:
    """Harmless to repeat."""
    if url.startswith("mongodb"):
        from appointment_svc.repository import mongo

        mongo.migrate(url)
        return
    from shared.kit import migrations

    if not migrations.is_up_to_date("appointment_svc", url):
        migrations.migrate("appointment_svc", url)
