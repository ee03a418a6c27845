"""The audit trail becomes a chain: each line has the hash of the line before it, and each recording day that ended has a head.

Lines that exist are chained in the order in which they were recorded. On SQLite, which knows no users, triggers keep lines and heads as
they are; on MySQL the privileges of the users do, because a trigger needs a privilege there that migrations need not have.
"""

import hashlib
import json
from datetime import UTC, datetime, time, timedelta

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime, binary_string

revision = "0012"
down_revision = "0011"
FIRST_HASH = "0" * 64
BATCH = 1000
LINES = sa.table(
    "audit_lines",
    sa.column("id", Id),
    sa.column("at", UtcDateTime),
    sa.column("actor_id", Id),
    sa.column("actor_role"),
    sa.column("action"),
    sa.column("subject_id", Id),
    sa.column("relation"),
    sa.column("outcome"),
    sa.column("row_id", Id),
    sa.column("request_id"),
    sa.column("source"),
    sa.column("recorded_at", UtcDateTime),
    sa.column("day", sa.Date),
    sa.column("position", sa.BigInteger),
    sa.column("hash"),
)
HEADS = sa.table(
    "audit_heads",
    sa.column("day", sa.Date),
    sa.column("line_count"),
    sa.column("hash"),
    sa.column("previous_hash"),
    sa.column("closed_at", UtcDateTime),
)
CHAIN = sa.table(
    "audit_chain",
    sa.column("id"),
    sa.column("day", sa.Date),
    sa.column("line_count"),
    sa.column("hash"),
    sa.column("previous_hash"),
    sa.column("recorded_at", UtcDateTime),
    sa.column("is_closed", sa.Boolean),
)
TRIGGERS = {
    "audit_lines_stay_as_they_are": """BEFORE UPDATE ON audit_lines
        BEGIN SELECT RAISE(ABORT, 'lines of the audit trail are not changed'); END""",
    "audit_lines_stay": """BEFORE DELETE ON audit_lines
        WHEN NOT EXISTS (SELECT 1 FROM audit_heads WHERE day = OLD.day AND lines_deleted_at IS NOT NULL)
        BEGIN SELECT RAISE(ABORT, 'lines of the audit trail are deleted only after their time'); END""",
    "audit_heads_stay": "BEFORE DELETE ON audit_heads BEGIN SELECT RAISE(ABORT, 'heads of the audit trail are not deleted'); END",
    "audit_heads_stay_as_they_are": """BEFORE UPDATE ON audit_heads
        WHEN NEW.day IS NOT OLD.day OR NEW.line_count IS NOT OLD.line_count OR NEW.hash IS NOT OLD.hash
            OR NEW.previous_hash IS NOT OLD.previous_hash OR NEW.closed_at IS NOT OLD.closed_at
            OR (OLD.signature IS NOT NULL AND (NEW.signature IS NOT OLD.signature OR NEW.key_id IS NOT OLD.key_id))
            OR (NEW.lines_deleted_at IS NOT OLD.lines_deleted_at AND (OLD.lines_deleted_at IS NOT NULL OR OLD.signature IS NULL))
        BEGIN SELECT RAISE(ABORT, 'heads of the audit trail are not changed'); END""",
}


def upgrade() -> None:
    _create_chain_tables()
    with op.batch_alter_table("audit_lines") as table:
        table.add_column(sa.Column("state_before", sa.Text))
        table.add_column(sa.Column("state_after", sa.Text))
        table.add_column(sa.Column("day", sa.Date))
        table.add_column(sa.Column("position", sa.BigInteger))
        table.add_column(sa.Column("hash", binary_string(64)))
    op.create_index("audit_lines_in_order", "audit_lines", ["recorded_at", "id"])
    _chain_lines(op.get_bind())
    op.drop_index("audit_lines_in_order", "audit_lines")
    with op.batch_alter_table("audit_lines") as table:
        table.alter_column("day", existing_type=sa.Date, nullable=False)
        table.alter_column("position", existing_type=sa.BigInteger, nullable=False)
        table.alter_column("hash", existing_type=binary_string(64), nullable=False)
    op.create_index("audit_lines_by_position", "audit_lines", ["day", "position"], unique=True)
    if op.get_bind().dialect.name == "sqlite":
        for name, trigger in TRIGGERS.items():
            op.execute(f"CREATE TRIGGER {name} {trigger}")


def _create_chain_tables() -> None:
    op.create_table(
        "audit_chain",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("day", sa.Date),
        sa.Column("line_count", sa.BigInteger, nullable=False),
        sa.Column("hash", binary_string(64), nullable=False),
        sa.Column("previous_hash", binary_string(64), nullable=False),
        sa.Column("recorded_at", UtcDateTime),
        sa.Column("is_closed", sa.Boolean, nullable=False),
    )
    op.create_table(
        "audit_heads",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("line_count", sa.BigInteger, nullable=False),
        sa.Column("hash", binary_string(64), nullable=False),
        sa.Column("previous_hash", binary_string(64), nullable=False),
        sa.Column("closed_at", UtcDateTime, nullable=False),
        sa.Column("key_id", binary_string(64)),
        sa.Column("signature", sa.Text),
        sa.Column("signed_at", UtcDateTime, index=True),
        sa.Column("lines_deleted_at", UtcDateTime),
    )


def _chain_lines(connection: sa.Connection) -> None:
    """Chain all lines, BATCH at a time, and store the heads of their days and the end of the chain."""
    day, count, last_hash, previous_hash, last = None, 0, FIRST_HASH, FIRST_HASH, None
    while rows := connection.execute(_next_lines(last)).all():
        places = []
        for row in rows:
            if row.recorded_at.date() != day:
                if day is not None:
                    connection.execute(sa.insert(HEADS), _head(day, count, last_hash, previous_hash))
                day, count, previous_hash = row.recorded_at.date(), 0, last_hash
            count += 1
            last_hash = _line_hash(dict(row._mapping) | {"day": day, "position": count}, last_hash)
            places.append({"line_id": row.id, "new_day": day, "new_position": count, "new_hash": last_hash})
        place = {"day": sa.bindparam("new_day"), "position": sa.bindparam("new_position"), "hash": sa.bindparam("new_hash")}
        connection.execute(sa.update(LINES).where(LINES.c.id == sa.bindparam("line_id", type_=Id)).values(place), places)
        last = rows[-1]
    end = {"id": 1, "day": day, "line_count": count, "hash": last_hash, "previous_hash": previous_hash, "is_closed": False}
    connection.execute(sa.insert(CHAIN), end | {"recorded_at": last.recorded_at if last is not None else None})


def _next_lines(last: sa.Row | None) -> sa.Select:
    columns = [column for column in LINES.c if column.name not in ("day", "position", "hash")]
    query = sa.select(*columns).order_by(LINES.c.recorded_at, LINES.c.id).limit(BATCH)
    if last is None:
        return query
    is_after = sa.or_(LINES.c.recorded_at > last.recorded_at, sa.and_(LINES.c.recorded_at == last.recorded_at, LINES.c.id > last.id))
    return query.where(LINES.c.recorded_at >= last.recorded_at, is_after)


def _head(day, count: int, last_hash: str, previous_hash: str) -> dict:
    closed_at = datetime.combine(day + timedelta(days=1), time())
    return {"day": day, "line_count": count, "hash": last_hash, "previous_hash": previous_hash, "closed_at": closed_at}


def _line_hash(fields: dict, previous_hash: str) -> str:
    present = {name: _json_value(value) for name, value in fields.items() if value is not None}
    text = json.dumps(present, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256((previous_hash + text).encode()).hexdigest()


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat(timespec="microseconds")
    return value if isinstance(value, int) else str(value)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in TRIGGERS:
            op.execute(f"DROP TRIGGER {name}")
    op.drop_index("audit_lines_by_position", "audit_lines")
    with op.batch_alter_table("audit_lines") as table:
        for name in ("state_before", "state_after", "day", "position", "hash"):
            table.drop_column(name)
    op.drop_table("audit_heads")
    op.drop_table("audit_chain")
