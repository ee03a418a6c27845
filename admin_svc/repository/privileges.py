"""What the MySQL users of admin-service may do with the audit trail, and whether they may do more."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.kit.sql import Database

SERVICE_PRIVILEGES = {
    "audit_lines": ("SELECT", "INSERT"),
    "audit_heads": ("SELECT", "INSERT", "UPDATE (key_id, signature, signed_at)"),
}
"""The user of the service appends to the trail, and adds signatures. On all other tables it reads and writes."""
RETENTION_PRIVILEGES = {
    "audit_lines": ("SELECT", "DELETE"),
    "audit_heads": ("SELECT", "UPDATE (lines_deleted_at)"),
}
"""The user of the retention job deletes lines, and records it in the head of their day. It has no privilege on any other table."""

EXPLAINED_CHANGES = ("EXPLAIN UPDATE audit_lines SET action = action WHERE 1 = 0", "EXPLAIN DELETE FROM audit_lines WHERE 1 = 0")
"""Statements that change nothing, and that MySQL refuses to a user who may not do what they explain."""


async def may_change_lines(database_url: str) -> bool:
    """Return whether the user of a MySQL database may change or delete lines of the audit trail.

    Raises the driver's errors when the server does not answer.
    """
    async with Database(database_url) as database:
        return any([await _may_execute(database, statement) for statement in EXPLAINED_CHANGES])


async def _may_execute(database: Database, statement: str) -> bool:
    """Return False when the server denies a statement, or when the table does not exist yet."""
    async with database.read() as connection:
        try:
            await connection.execute(text(statement))
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            return False
    return True
