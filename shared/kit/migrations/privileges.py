"""Privileges of MySQL users: migrations have a user of their own, and the user of a service gets what the service needs, table by table.

MySQL can give privileges on a table only once it exists, so they are given after each migration.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from shared.kit.migrations import synchronous_url

READ_AND_WRITE = ("SELECT", "INSERT", "UPDATE", "DELETE")
NO_SUCH_GRANT = 1141
TablePrivileges = Mapping[str, tuple[str, ...]]
"""The privileges of a user by table, such as `("SELECT", "UPDATE (signed_at)")`."""


def account_of(url: str) -> str:
    """Return the account as which the server knows the user of a URL: `'admin'@'%'`. The user may have no privilege yet."""
    engine = sa.create_engine(sa.make_url(synchronous_url(url)).set(database=""))
    try:
        with engine.connect() as connection:
            name, _, host = str(connection.scalar(sa.text("SELECT CURRENT_USER()"))).rpartition("@")
    finally:
        engine.dispose()
    return f"'{name}'@'{host}'"


def grant_privileges(migration_url: str, account: str, restricted: TablePrivileges, *, others: tuple[str, ...] = READ_AND_WRITE) -> None:
    """Give an account its privileges on all tables of the database of `migration_url`, and take away what it has on the whole database.

    `restricted` are the tables on which it has other privileges than `others`. The user of `migration_url` needs all privileges on the
    database, with the option to grant them.
    """
    engine = sa.create_engine(synchronous_url(migration_url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            database = connection.scalar(sa.text("SELECT DATABASE()"))
            for table in sa.inspect(connection).get_table_names():
                privileges = restricted.get(table, others)
                if privileges:
                    connection.execute(sa.text(f"GRANT {', '.join(privileges)} ON `{database}`.`{table}` TO {account}"))
            _revoke_on_database(connection, str(database), account)
    finally:
        engine.dispose()


def _revoke_on_database(connection: sa.Connection, database: str, account: str) -> None:
    """Take away privileges on the whole database, which the user of a service has where it was set up by an earlier release."""
    try:
        connection.execute(sa.text(f"REVOKE ALL PRIVILEGES ON `{database}`.* FROM {account}"))
    except DBAPIError as error:
        if error.orig is None or error.orig.args[0] != NO_SUCH_GRANT:
            raise
