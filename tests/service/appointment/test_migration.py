"""A SQLite database of an earlier release is migrated with its rows."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from appointment_svc.migrations import migrate
from appointment_svc.repository.tables import METADATA
from shared.kit.migrations import alembic_config, synchronous_url


def test_a_database_of_the_first_release_is_migrated_and_keeps_its_rows(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'old.db'}"
    command.upgrade(alembic_config("appointment_svc", url), "0001")
    names = ("id", "edition", "status", "doctor_id", "patient_id", "service_id", "document")
    numbers = ("starts_us", "ends_us", "created_us", "changed_us", "unsettled_us", "unsent")
    rows = dict.fromkeys(names, "1") | dict.fromkeys(numbers, 1) | {"document": "{}"}
    with contextlib.closing(sqlite3.connect(tmp_path / "old.db")) as old, old:
        old.execute(f"INSERT INTO appointments ({', '.join(rows)}) VALUES ({', '.join('?' * len(rows))})", list(rows.values()))
        indexes = old.execute("SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name").fetchall()
    migrate(url)
    with contextlib.closing(sqlite3.connect(tmp_path / "old.db")) as new, new:
        new.execute("UPDATE appointments SET doctor_id = NULL")
        assert new.execute("SELECT id, starts_us, document FROM appointments").fetchall() == [("1", 1, "{}")]
        added = [
            ("by_change",),
            ("by_end",),
            *((f"dead_letters_by_{name}",) for name in ("status", "time", "topic")),
            ("sqlite_autoindex_dead_letters_1",),
            ("ix_visit_links_appointment_id",),
            ("sqlite_autoindex_visit_links_1",),
            ("ix_doctors_followed",),
            ("ix_merged_patients_followed",),
            ("sqlite_autoindex_merged_patients_1",),
            ("sqlite_autoindex_doctors_1",),
            ("sqlite_autoindex_places_1",),
        ]
        assert new.execute("SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name").fetchall() == sorted(indexes + added)
    engine = create_engine(synchronous_url(url))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()
    assert differences == []
    command.downgrade(alembic_config("appointment_svc", url), "0001")
