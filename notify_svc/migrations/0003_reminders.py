"""Visits, reminders and the preferences of doctors. Visits take the place of the table of versions.

The facts of a visit are read from its newest message, so that visits that were booked before have reminders, too.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime, binary_string

revision = "0003"
down_revision = "0002"
ARRANGING_KINDS = ("booked", "rescheduled", "requested", "cancelled", "declined", "expired")
BATCH = 500


def upgrade() -> None:
    op.add_column("messages", sa.Column("valid_until", UtcDateTime))
    op.create_table(
        "visits",
        sa.Column("appointment_id", Id, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("status", binary_string(16), nullable=False),
        sa.Column("starts_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sa.Column("service_id", Id, nullable=False),
        sa.Column("doctor_id", Id, nullable=False),
        sa.Column("patient_id", Id, nullable=False),
        sa.Column("mode", binary_string(16), nullable=False),
        sa.Column("time_zone", binary_string(64), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("wanted_since", UtcDateTime, nullable=False),
        sa.Column("planning_due_at", UtcDateTime),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_index("visits_to_plan", "visits", ["planning_due_at"])
    for name in ("patient", "service", "doctor"):
        op.create_index(f"visits_of_{name}", "visits", [f"{name}_id", "starts_at"])
    op.create_table(
        "visit_recipients",
        sa.Column("appointment_id", Id, primary_key=True),
        sa.Column("recipient_id", Id, primary_key=True),
    )
    op.create_index("visits_of_recipient", "visit_recipients", ["recipient_id"])
    _create_reminders()
    _create_digests()
    _copy_versions()
    _copy_facts_of_messages()
    op.drop_table("appointments_known")


def _create_reminders() -> None:
    op.create_table(
        "reminders",
        sa.Column("id", Id, primary_key=True),
        sa.Column("appointment_id", Id, nullable=False),
        sa.Column("starts_at", UtcDateTime, nullable=False),
        sa.Column("offset_minutes", sa.Integer, nullable=False),
        sa.Column("channel", binary_string(16), nullable=False),
        sa.Column("recipient_id", Id, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("wanted_since", UtcDateTime, nullable=False),
        sa.Column("status", binary_string(16), nullable=False),
    )
    key = ["appointment_id", "starts_at", "recipient_id", "channel", "offset_minutes"]
    op.create_index("reminders_key", "reminders", key, unique=True)
    op.create_index("reminders_due", "reminders", ["status", "due_at"])
    op.create_index("reminders_ended", "reminders", ["starts_at"])
    op.create_table(
        "contact_versions",
        sa.Column("subject_id", Id, primary_key=True),
        sa.Column("aspect", binary_string(16), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )


def _create_digests() -> None:
    op.create_table(
        "doctor_preferences",
        sa.Column("doctor_id", Id, primary_key=True),
        sa.Column("daily_digest", sa.Boolean, nullable=False),
        sa.Column("switched_at", UtcDateTime, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "digests",
        sa.Column("doctor_id", Id, primary_key=True),
        sa.Column("date", sa.Date, primary_key=True),
        sa.Column("decided_at", UtcDateTime, nullable=False),
    )


def _copy_versions() -> None:
    """Copy the versions, with facts that stand for unknown ones."""
    known = sa.table("appointments_known", sa.column("appointment_id"), sa.column("version"))
    unknown = UNKNOWN_FACTS | {"sequence": 0, "revision": 0}
    literals = [sa.literal(value, VISITS.c[name].type) for name, value in unknown.items()]
    rows = sa.select(known.c.appointment_id, known.c.version, *literals)
    op.get_bind().execute(sa.insert(VISITS).from_select(["appointment_id", "version", *unknown], rows))


def _copy_facts_of_messages() -> None:
    """Copy the facts of each visit whose newest version is that of a message; the other visits get theirs from the next event."""
    connection, last = op.get_bind(), 0
    while rows := connection.execute(_messages_of_newest_versions(last)).all():
        for row in rows:
            connection.execute(sa.update(VISITS).where(VISITS.c.appointment_id == row.subject_id).values(_facts_of(row.facts)))
        last = rows[-1].seq


MESSAGES = sa.table(
    "messages",
    sa.column("seq", sa.Integer),
    sa.column("subject_id", Id),
    sa.column("version", sa.Integer),
    sa.column("kind", sa.String),
    sa.column("reader", sa.String),
    sa.column("facts", sa.JSON),
)
INSTANTS = ("starts_at", "ends_at", "wanted_since", "planning_due_at")
IDS = ("appointment_id", "service_id", "doctor_id", "patient_id")
VISITS = sa.table(
    "visits",
    *(sa.column(name, Id) for name in IDS),
    *(sa.column(name, UtcDateTime) for name in INSTANTS),
    *(sa.column(name, sa.String) for name in ("status", "mode", "time_zone")),
    *(sa.column(name, sa.Integer) for name in ("version", "sequence", "revision")),
)
UNKNOWN_FACTS = {
    **dict.fromkeys(("starts_at", "ends_at", "wanted_since"), datetime(1970, 1, 2)),  # noqa: DTZ001 - as the database stores it, in UTC
    **dict.fromkeys(("service_id", "doctor_id", "patient_id"), UUID(int=0)),
    **{"status": "unknown", "mode": "in_person", "time_zone": "UTC"},
}


def _messages_of_newest_versions(last: int) -> sa.Select[Any]:
    is_newest = (VISITS.c.appointment_id == MESSAGES.c.subject_id) & (VISITS.c.version == MESSAGES.c.version)
    is_arranging = MESSAGES.c.kind.in_(ARRANGING_KINDS) & (MESSAGES.c.reader == "patient") & (MESSAGES.c.seq > last)
    query = sa.select(MESSAGES.c.seq, MESSAGES.c.subject_id, MESSAGES.c.facts)
    return query.join(VISITS, is_newest).where(is_arranging).order_by(MESSAGES.c.seq).limit(BATCH)


def _facts_of(facts: dict[str, Any]) -> dict[str, Any]:
    arranged_at = _utc(facts["occurred_at"])
    is_booked = facts["status"] == "booked"
    return {
        **{name: UUID(facts[name]) for name in ("service_id", "doctor_id", "patient_id")},
        **{name: facts[name] for name in ("status", "time_zone", "sequence")},
        "mode": facts.get("mode", "in_person"),
        "starts_at": _utc(facts["starts_at"]),
        "ends_at": _utc(facts["ends_at"]),
        "wanted_since": arranged_at,
        "planning_due_at": arranged_at if is_booked else None,
    }


def _utc(text: str) -> datetime:
    """Return an instant as the database stores it: in UTC, without a zone."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def downgrade() -> None:
    op.create_table(
        "appointments_known",
        sa.Column("appointment_id", Id, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.execute("INSERT INTO appointments_known (appointment_id, version) SELECT appointment_id, version FROM visits")
    for name in ("visits", "visit_recipients", "reminders", "contact_versions", "doctor_preferences", "digests"):
        op.drop_table(name)
    op.drop_column("messages", "valid_until")
