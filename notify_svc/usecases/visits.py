"""Recording visits when events about them arrive."""

from __future__ import annotations

from datetime import datetime

from notify_svc.domain.notifications import is_amendment
from notify_svc.domain.visits import Visit
from notify_svc.ports import NotificationTransaction
from notify_svc.usecases.merged_patients import follow_amended_patient
from shared.contracts.events import AppointmentEvent


async def record_visit(tx: NotificationTransaction, event: AppointmentEvent, now: datetime) -> bool:
    """Record the visit as it is after the event; return False if a newer state was recorded before.

    The version of an amendment is not recorded, so that a confirmation that arrives after it is still sent. Reminders that wait are removed
    unless the visit stays booked for the same start.
    """
    if is_amendment(event):
        await tx.raise_sequence(event.appointment_id, event.sequence)
        if "patient" in event.changed:
            await follow_amended_patient(tx, await tx.lock_visit(event.appointment_id), event, now)
        return not await tx.has_newer_version(event.appointment_id, event.version)
    is_first = event.event_number == 1  # then the visit is almost certainly new, and is not looked up first
    known = None if is_first else await tx.lock_visit(event.appointment_id)
    if known is None and await tx.insert_visit(Visit.from_event(event, now)):
        return True
    known = known or await tx.lock_visit(event.appointment_id)
    if known is None or known.version >= event.version:
        return False
    await tx.replace_visit(known.follow(event, now))
    if not known.keeps_reminders_after(event):
        await tx.remove_planned_reminders([event.appointment_id])
    return True
