"""The reports count what a recount of the appointments counts.

The reports count the visits in admin-service, so these are compared with the appointments. They are a copy that follows the events of the
appointments: a difference is work under way until the last change of the appointment is longer ago than an event may wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_svc.domain.report_visits import UNKNOWN_CHANNEL, channel_of
from admin_svc.repository.tables import REPORT_REBUILDS, REPORT_VISITS
from careslot.auditor.appointment_store import AppointmentFacts
from careslot.auditor.checks.history import list_merged_or_erased
from careslot.auditor.checks.read_models import is_settled
from careslot.auditor.checks.reservations import SHORTEST_RETENTION
from careslot.auditor.findings import Finding, Key, differing_names
from careslot.auditor.stores import Stores
from shared.contracts.identity import Service
from shared.contracts.values import format_instant

MINUTE = timedelta(minutes=1)
LONGEST_REBUILD = timedelta(days=1)
"""While a rebuild runs, missing and wrong visits are work under way; one that was requested longer ago does not run any more."""


@dataclass(frozen=True, slots=True)
class ReportCheck:
    """Compares the visits of the reports with the appointments."""

    name = "reports equal a recount"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the ids of all appointments, then those of all visits of the reports."""
        async for page in stores.appointments.pages():
            yield [(str(appointment_id),) for appointment_id in page]
        async for visits in stores.sql[Service.ADMIN].values(REPORT_VISITS.c.appointment_id):
            yield [(str(appointment_id),) for appointment_id in visits]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return the visits that differ from their appointments."""
        ids, now = list({UUID(key[0]) for key in keys}), stores.now()
        before = await stores.appointments.find(ids)
        async with stores.sql[Service.ADMIN].snapshot() as connection:
            of_appointments = select(REPORT_VISITS).where(REPORT_VISITS.c.appointment_id.in_(ids))
            rows = {row.appointment_id: row for row in await connection.execute(of_appointments)}
            is_rebuilding = await _is_rebuilding(connection, now)
        after = await stores.appointments.find(ids)
        async with stores.sql[Service.PATIENT].snapshot() as connection:
            replaced = await list_merged_or_erased(connection, {appointment.patient_id for appointment in after.values()})
        findings = list[Finding]()
        for appointment_id in ids:
            earlier, later, row = before.get(appointment_id), after.get(appointment_id), rows.get(appointment_id)
            since = now if is_rebuilding else None
            if earlier is None and later is None and row is not None:
                findings += judge_lone_visit(row, since=since, now=now)
            elif later is not None and is_settled(earlier, later):
                findings += judge_report_visit(
                    later, row, since=since or later.changed_at, may_patient_differ=later.patient_id in replaced, now=now
                )
        return findings


async def _is_rebuilding(connection: AsyncConnection, now: datetime) -> bool:
    """Return whether a rebuild of the reports is under way."""
    rebuilds = REPORT_REBUILDS.c
    requested_at = await connection.scalar(select(func.max(rebuilds.requested_at)).where(rebuilds.finished_at.is_(None)))
    return requested_at is not None and now - requested_at < LONGEST_REBUILD


def judge_report_visit(
    appointment: AppointmentFacts, row: Any, *, since: datetime, may_patient_differ: bool, now: datetime
) -> list[Finding]:
    """Return the finding of a visit that is missing in the reports or differs from its appointment, or no finding.

    `since` is the time from which on a difference may be work under way. `may_patient_differ`: the patient of the appointment was merged or
    erased, so that the visit may have another one.
    """
    if not appointment.is_announced or appointment.doctor_id is None:
        return []
    key, ids = (str(appointment.id),), {"appointment": str(appointment.id), "starts_at": format_instant(appointment.starts_at)}
    if row is None:
        is_kept = now - appointment.starts_at < SHORTEST_RETENTION
        return [Finding("report_visit_missing", key, ids, (appointment.edition,), since)] if is_kept else []
    pairs = _pairs(appointment, row)
    differing = differing_names(pairs, ignored=("patient",) if may_patient_differ else ())
    if not differing:
        return []
    shown = tuple(actual for _, actual in pairs.values())
    return [Finding("report_visit_differs", key, ids | {"differs": " ".join(differing)}, (appointment.edition, *shown), since)]


def _pairs(appointment: AppointmentFacts, row: Any) -> dict[str, tuple[Any, Any]]:
    """Return what the visit should have and what it has, by name. Events of earlier releases lack booker and booking time."""
    pairs: dict[str, tuple[Any, Any]] = {
        "status": (appointment.status, row.status),
        "patient": (appointment.patient_id, row.patient_id),
        "doctor": (appointment.doctor_id, row.doctor_id),
        "service": (appointment.service_id, row.service_id),
        "start": (format_instant(appointment.starts_at), format_instant(row.starts_at)),
        "minutes": ((appointment.ends_at - appointment.starts_at) // MINUTE, row.minutes),
        "group": (appointment.capacity > 1, row.is_group),
        "confirmed": (appointment.is_confirmed, row.is_confirmed),
    }
    if row.lead_days is not None:
        pairs["lead_days"] = (max(0, (appointment.starts_at - appointment.created_at).days), row.lead_days)
    booked_by = appointment.events[-1].booked_by if appointment.events else None
    if booked_by is not None and row.channel != UNKNOWN_CHANNEL:
        pairs["channel"] = (channel_of(booked_by), row.channel)
    return pairs


def judge_lone_visit(row: Any, *, since: datetime | None, now: datetime) -> list[Finding]:
    """Return the finding of a visit without an appointment, or no finding if the visit is so old that the appointment may be deleted."""
    if now - row.starts_at > SHORTEST_RETENTION:
        return []
    ids = {"appointment": str(row.appointment_id)}
    return [Finding("report_visit_without_appointment", (str(row.appointment_id),), ids, since=since)]
