"""Reminders match appointments: notification-service knows of a visit what the appointment says, and plans its reminders accordingly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from careslot.auditor.appointment_store import AppointmentFacts
from careslot.auditor.checks.messages import MESSAGES_STAY_FOR
from careslot.auditor.checks.read_models import HandledEvents, is_settled, read_handled
from careslot.auditor.findings import Finding, Key, differing_names
from careslot.auditor.sql_store import select_in
from careslot.auditor.stores import Stores
from notify_svc.domain.reminders import ReminderStatus
from notify_svc.repository.tables import MERGED_PATIENTS, MESSAGES, REMINDERS, VISITS
from shared.contracts.appointments import AppointmentStatus
from shared.contracts.identity import Service
from shared.contracts.values import format_instant

STATUS_OF_OLD_ROWS = "unknown"


@dataclass(frozen=True, slots=True)
class ReminderCheck:
    """Compares visits and planned reminders of notification-service with the appointments."""

    name = "reminders match appointments"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the ids of all appointments, and of all visits and reminders."""
        async for page in stores.appointments.pages():
            yield [(str(appointment_id),) for appointment_id in page]
        for column in (VISITS.c.appointment_id, REMINDERS.c.appointment_id):
            async for known in stores.sql[Service.NOTIFICATION].values(column):
                yield [(str(appointment_id),) for appointment_id in known]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return what differs from these appointments."""
        ids = list({UUID(key[0]) for key in keys})
        before = await stores.appointments.find(ids)
        planned = defaultdict[UUID, list[Any]](list)
        async with stores.sql[Service.NOTIFICATION].snapshot() as connection:
            visits = {row.appointment_id: row for row in await connection.execute(select(VISITS).where(VISITS.c.appointment_id.in_(ids)))}
            reminders = (await connection.execute(select(REMINDERS).where(REMINDERS.c.appointment_id.in_(ids)))).all()
            for row in reminders:
                if row.status == ReminderStatus.PLANNED:
                    planned[row.appointment_id].append(row)
            unsent = await _list_without_message(connection, reminders, stores.now())
            handled = await read_handled(stores, Service.NOTIFICATION, connection, before.values())
            patients = {item.patient_id for item in before.values()} | {row.patient_id for row in visits.values()}
            merged = select(MERGED_PATIENTS.c.patient_id).where(MERGED_PATIENTS.c.patient_id.in_(patients))
            merged_ids = set((await connection.execute(merged)).scalars()) if patients else set[UUID]()
        after = await stores.appointments.find(ids)
        findings = [_missing_message_finding(row) for row in unsent]
        for appointment_id in ids:
            earlier, later = before.get(appointment_id), after.get(appointment_id)
            visit, waiting = visits.get(appointment_id), planned[appointment_id]
            if earlier is None and later is None:
                findings += _judge_missing_appointment(appointment_id, waiting)
            elif earlier is not None and later is not None and is_settled(earlier, later):
                state = VisitState(visit, waiting, is_ahead=later.ends_at > stores.now(), is_patient_merged=later.patient_id in merged_ids)
                findings += judge_reminders(later, state, handled)
        return findings


async def _list_without_message(connection: AsyncConnection, reminders: Iterable[Any], now: datetime) -> list[Any]:
    """Return the reminders that were queued and have no message.

    Left out are those whose message may have been deleted, and those that came to the recipient by a merge.
    """
    queued = {row.id: row for row in reminders if row.status == ReminderStatus.QUEUED and now - row.due_at < MESSAGES_STAY_FOR}
    if not queued:
        return []
    present = {row.id for row in await select_in(connection, select(MESSAGES.c.id), MESSAGES.c.id, queued)}
    recipients = {row.recipient_id for row in queued.values()}
    targets = await select_in(connection, select(MERGED_PATIENTS.c.into_id), MERGED_PATIENTS.c.into_id, recipients)
    merge_targets = {row.into_id for row in targets}
    return [row for row in queued.values() if row.id not in present and row.recipient_id not in merge_targets]


def _missing_message_finding(row: Any) -> Finding:
    ids = {"appointment": str(row.appointment_id), "reminder": str(row.id), "due_at": format_instant(row.due_at)}
    return Finding("reminder_without_message", (str(row.appointment_id), str(row.id)), ids, (row.id,))


@dataclass(frozen=True, slots=True)
class VisitState:
    """What notification-service has of an appointment: the row of the visit if there is one, and its planned reminders.

    `is_ahead`: the visit is not over yet. `is_patient_merged`: the patient was merged into another one, and the rows follow later.
    """

    row: Any
    planned: Sequence[Any]
    is_ahead: bool
    is_patient_merged: bool


def judge_reminders(appointment: AppointmentFacts, visit: VisitState, handled: HandledEvents) -> list[Finding]:
    """Return what differs from an appointment: the visit, or the reminders that are planned for it."""
    if not appointment.is_announced or visit.is_patient_merged or not handled.include_all_of(appointment):
        return []
    key, ids = (str(appointment.id),), {"appointment": str(appointment.id), "starts_at": format_instant(appointment.starts_at)}
    is_booked, findings = appointment.status == AppointmentStatus.BOOKED, list[Finding]()
    if visit.row is None and is_booked and visit.is_ahead:
        findings.append(Finding("notified_visit_missing", key, ids, (appointment.edition,)))
    if visit.row is not None and visit.row.status != STATUS_OF_OLD_ROWS and visit.is_ahead:
        differing = _differing_fields(appointment, visit.row)
        if differing:
            differences = ids | {"differs": " ".join(differing)}
            findings.append(Finding("notified_visit_differs", key, differences, (appointment.edition, visit.row.version, *differing)))
    start = format_instant(appointment.starts_at)
    wrong = sorted(row.id for row in visit.planned if not is_booked or format_instant(row.starts_at) != start)
    if wrong:
        named = ids | {"status": appointment.status, "reminders": " ".join(map(str, wrong))}
        findings.append(Finding("reminder_without_visit", key, named, (appointment.edition, *wrong)))
    return findings


def _differing_fields(appointment: AppointmentFacts, visit: Any) -> list[str]:
    pairs = {
        "status": (appointment.status, visit.status),
        "patient": (appointment.patient_id, visit.patient_id),
        "doctor": (appointment.doctor_id, visit.doctor_id),
        "start": (format_instant(appointment.starts_at), format_instant(visit.starts_at)),
        "end": (format_instant(appointment.ends_at), format_instant(visit.ends_at)),
    }
    return differing_names(pairs)


def _judge_missing_appointment(appointment_id: UUID, planned: Sequence[Any]) -> list[Finding]:
    """Return the reminders of an appointment that does not exist."""
    if not planned:
        return []
    ids = {"appointment": str(appointment_id), "reminders": " ".join(sorted(str(row.id) for row in planned))}
    return [Finding("reminder_without_visit", (str(appointment_id),), ids, tuple(sorted(row.id for row in planned)))]
