"""The reports equal a recount of the appointments: each row of their read model says what its appointment says.

The reports count rows, so that a row for each appointment, with the right fields, makes every figure right. A row follows the events of its
appointment: what differs is under way for as long as an event of the last change may be. While a rebuild runs, rows may be missing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from admin_svc.domain.report_visits import UNKNOWN_CHANNEL, channel_of
from admin_svc.repository.tables import REPORT_REBUILDS, REPORT_VISITS
from careslot.auditor.appointment_store import AppointmentFacts
from careslot.auditor.checks.read_models import is_settled
from careslot.auditor.checks.reservations import SHORTEST_RETENTION
from careslot.auditor.findings import Finding, Key
from careslot.auditor.sql_store import select_in
from careslot.auditor.stores import Stores
from shared.contracts.identity import Service
from shared.contracts.values import format_instant


@dataclass(frozen=True, slots=True)
class ReportCheck:
    """Compares the visits that the reports count with the appointments."""

    name = "reports equal a recount"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the ids of all appointments, then those of all rows."""
        async for page in stores.appointments.pages():
            yield [(str(appointment_id),) for appointment_id in page]
        async for counted in stores.sql[Service.ADMIN].values(REPORT_VISITS.c.appointment_id):
            yield [(str(appointment_id),) for appointment_id in counted]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return the rows that differ from their appointments."""
        ids = list({UUID(key[0]) for key in keys})
        before = await stores.appointments.find(ids)
        async with stores.sql[Service.ADMIN].snapshot() as connection:
            stored = await select_in(connection, select(REPORT_VISITS), REPORT_VISITS.c.appointment_id, ids)
            unfinished = select(func.count()).select_from(REPORT_REBUILDS).where(REPORT_REBUILDS.c.finished_at.is_(None))
            is_rebuilding = bool(await connection.scalar(unfinished))
        after, rows = await stores.appointments.find(ids), {row.appointment_id: row for row in stored}
        now, findings = stores.now(), list[Finding]()
        for appointment_id in ids:
            earlier, later, row = before.get(appointment_id), after.get(appointment_id), rows.get(appointment_id)
            if earlier is None and later is None and row is not None and not is_rebuilding:
                findings += judge_lone_row(row, now)
            elif later is not None and is_settled(earlier, later):
                findings += judge_row(later, row, is_rebuilding=is_rebuilding, now=now)
        return findings


def judge_row(appointment: AppointmentFacts, row: Any, *, is_rebuilding: bool, now: datetime) -> list[Finding]:
    """Return whether the row of an appointment is missing or differs."""
    key, ids = (str(appointment.id),), {"appointment": str(appointment.id), "starts_at": format_instant(appointment.starts_at)}
    if not appointment.is_announced or appointment.doctor_id is None:
        return []
    if row is None:
        is_kept = not is_rebuilding and now - appointment.ends_at < SHORTEST_RETENTION
        missing = Finding("report_visit_missing", key, ids, (appointment.edition,), since=appointment.changed_at)
        return [missing] if is_kept else []
    differing = _differing_fields(appointment, row)
    if not differing:
        return []
    ids, evidence = ids | {"differs": " ".join(differing)}, (appointment.edition, row.version, *differing)
    return [Finding("report_visit_differs", key, ids, evidence, since=appointment.changed_at)]


def _differing_fields(appointment: AppointmentFacts, row: Any) -> list[str]:
    """Return in what a row and its appointment differ. Events of earlier releases do not say who booked and when."""
    length = appointment.ends_at - appointment.starts_at
    lead_days = max(0, (appointment.starts_at - appointment.created_at).days)
    pairs = {
        "status": (appointment.status, row.status),
        "patient": (appointment.patient_id, row.patient_id),
        "doctor": (appointment.doctor_id, row.doctor_id),
        "service": (appointment.service_id, row.service_id),
        "start": (format_instant(appointment.starts_at), format_instant(row.starts_at)),
        "minutes": (length // timedelta(minutes=1), row.minutes),
        "group": (appointment.capacity > 1, row.is_group),
        "confirmed": (appointment.is_confirmed, row.is_confirmed),
        "channel": (channel_of(appointment.booked_by) if row.channel != UNKNOWN_CHANNEL else UNKNOWN_CHANNEL, row.channel),
        "lead_time": (lead_days if row.lead_days is not None else None, row.lead_days),
    }
    return [name for name, (expected, actual) in pairs.items() if expected != actual]


def judge_lone_row(row: Any, now: datetime) -> list[Finding]:
    """Return whether a row should have an appointment; that of an old one may be deleted before."""
    if now - row.starts_at > SHORTEST_RETENTION:
        return []
    ids = {"appointment": str(row.appointment_id), "starts_at": format_instant(row.starts_at)}
    return [Finding("report_visit_without_appointment", (str(row.appointment_id),), ids, (row.version,))]
