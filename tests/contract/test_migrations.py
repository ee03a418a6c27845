"""Every service's history of migrations leads to the tables that its repository uses, on every SQL back end."""

from __future__ import annotations

import importlib

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from shared.kit.migrations import is_up_to_date, migrate, synchronous_url

SQL_SERVICES = ("auth_svc", "patient_svc", "doctor_svc", "scheduling_svc", "admin_svc", "notify_svc")


def metadata_of(package: str) -> sa.MetaData:
    try:
        module = importlib.import_module(f"{package}.repository.tables")
    except ModuleNotFoundError:
        module = importlib.import_module(f"{package}.repository")
    metadata: sa.MetaData = module.METADATA
    return metadata


@pytest.mark.parametrize("package", SQL_SERVICES)
def test_migrations_make_the_tables_that_the_code_uses(package: str, sql_url: str) -> None:
    migrate(package, sql_url)
    assert is_up_to_date(package, sql_url)
    engine = sa.create_engine(synchronous_url(sql_url))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata_of(package))
    engine.dispose()
    assert [difference for difference in differences if matters(difference)] == []


def matters(difference: object) -> bool:
    """Tables, columns and indexes must agree; how a server spells a type need not."""
    kind = difference[0] if isinstance(difference, tuple) else ""
    return str(kind).startswith(("add", "remove")) and "alembic_version" not in str(difference)
