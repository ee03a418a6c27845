"""No message is queued or sent twice, and no booked appointment is without its confirmation.

The messages about an event are written in the transaction that records the event as handled, so they are read in one snapshot with the
inbox. A message that was sent again by a member of staff, one that was skipped and one that failed are no faults.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from appointment_svc.domain.notifying_events import CHANGING_TOPICS, NOTIFYING_TOPICS
from appointment_svc.domain.transitions import RESCHEDULABLE
from careslot.auditor.appointment_store import AppointmentFacts
from careslot.auditor.checks.inboxes import find_known_since
from careslot.auditor.findings import Finding, Key
from careslot.auditor.sql_store import select_in
from careslot.auditor.stores import Stores, infrastructure_of
from notify_svc.domain.messages import MessageStatus
from notify_svc.domain.notifications import Audience, MessageKind, notifications_for
from notify_svc.repository.tables import MERGED_PATIENTS, MESSAGES
from shared.contracts.events import AppointmentEvent
from shared.contracts.identity import Service

MESSAGES_STAY_FOR = timedelta(days=29)
"""Messages are kept this long at least."""
CONFIRMING_KINDS = (MessageKind.BOOKED, MessageKind.REQUESTED, MessageKind.RESCHEDULED)
COLUMNS = (
    *(MESSAGES.c.id, MESSAGES.c.event_id, MESSAGES.c.kind, MESSAGES.c.audience, MESSAGES.c.recipient_id, MESSAGES.c.subject_id),
    *(MESSAGES.c.resent_from, MESSAGES.c.attempt_log),
)


@dataclass(frozen=True, slots=True)
class SingleMessageCheck:
    """Goes through the messages by subject, because two equal messages are about the same subject."""

    name = "no message twice"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the ids of the subjects of messages."""
        async for page in stores.sql[Service.NOTIFICATION].values(MESSAGES.c.subject_id):
            yield [(str(subject_id),) for subject_id in page]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return messages that exist twice, and those that were sent more than once."""
        subjects = [UUID(key[0]) for key in keys]
        async with stores.sql[Service.NOTIFICATION].snapshot() as connection:
            rows = (await connection.execute(select(*COLUMNS).where(MESSAGES.c.subject_id.in_(subjects)))).all()
            recipients = {row.recipient_id for row in rows}
            targets = await select_in(connection, select(MERGED_PATIENTS.c.into_id), MERGED_PATIENTS.c.into_id, recipients)
            merge_targets = {row.into_id for row in targets}
        return [*_find_sent_twice(rows), *_find_queued_twice([row for row in rows if row.recipient_id not in merge_targets])]


def _find_sent_twice(rows: Iterable[Any]) -> list[Finding]:
    """Return the findings of messages that the mail server accepted more than once. A resend is another message."""
    findings = list[Finding]()
    for row in rows:
        count = sum(attempt[1] == MessageStatus.SENT for attempt in row.attempt_log)
        if count > 1:
            ids = {"message": str(row.id), "kind": row.kind, "times": str(count)}
            findings.append(Finding("message_sent_twice", (str(row.subject_id), str(row.id)), ids, (row.id, count)))
    return findings


def _find_queued_twice(rows: Iterable[Any]) -> list[Finding]:
    """Return the findings of messages that exist more than once for the same recipient, event and kind."""
    rows_by_content = defaultdict[tuple[Any, ...], list[Any]](list)
    for row in rows:
        if row.resent_from is None:
            rows_by_content[row.subject_id, row.event_id, row.kind, row.audience, row.recipient_id].append(row)
    return [
        Finding(
            "message_twice",
            (str(subject_id), str(event_id), str(recipient_id)),
            {"messages": " ".join(sorted(str(row.id) for row in duplicates)), "event": str(event_id), "kind": kind},
            tuple(sorted(row.id for row in duplicates)),
        )
        for (subject_id, event_id, kind, _, recipient_id), duplicates in rows_by_content.items()
        if len(duplicates) > 1
    ]


@dataclass(frozen=True, slots=True)
class ConfirmationCheck:
    """Goes through the appointments that are booked, or requested and not yet approved."""

    name = "booked appointments are confirmed"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the ids of all appointments."""
        async for page in stores.appointments.pages():
            yield [(str(appointment_id),) for appointment_id in page]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return the appointments of which patient or doctor was not notified."""
        appointments = await stores.appointments.find({UUID(key[0]) for key in keys})
        booked = [appointment for appointment in appointments.values() if appointment.status in RESCHEDULABLE]
        if not booked:
            return []
        inbox = infrastructure_of(Service.NOTIFICATION).inbox
        events = {event.id for appointment in booked for event in appointment.events}
        async with stores.sql[Service.NOTIFICATION].snapshot() as connection:
            handled = {row.event_id for row in await select_in(connection, select(inbox.c.event_id), inbox.c.event_id, events)}
            about = select(*COLUMNS).where(MESSAGES.c.subject_id.in_([appointment.id for appointment in booked]))
            messages = (await connection.execute(about)).all()
        known_since = await find_known_since(stores, Service.NOTIFICATION)
        handled |= {event.id for item in booked for event in item.events if known_since is not None and event.occurred_at <= known_since}
        oldest = stores.now() - MESSAGES_STAY_FOR
        return [
            finding
            for appointment in booked
            if appointment.created_at > oldest
            for finding in judge_confirmation(appointment, handled, [row for row in messages if row.subject_id == appointment.id])
        ]


def judge_confirmation(appointment: AppointmentFacts, handled: Collection[UUID], messages: Sequence[Any]) -> list[Finding]:
    """Return whose confirmation is missing.

    Patient and doctor are notified of the newest event that changed time or status. While an event waits, no finding is returned. When the
    newest event notifies nobody, or is not stored any more, any confirmation to the patient is enough.
    """
    events = [event for event in appointment.events if event.topic in CHANGING_TOPICS]
    if any(event.id not in handled for event in appointment.events) or not appointment.is_announced:
        return []
    ids = {"appointment": str(appointment.id), "status": appointment.status}
    newest = events[-1] if events else None
    if newest is None or not _must_have_messages(newest):
        confirmed = any(row.kind in CONFIRMING_KINDS and row.audience == Audience.PATIENT for row in messages)
        expected = [] if confirmed else [(Audience.PATIENT, "any")]
    else:
        present = Counter((row.event_id, row.audience, row.kind) for row in messages)
        due = [(item.audience, item.kind) for item in notifications_for(newest)]
        expected = [(audience, kind) for audience, kind in due if not present[newest.id, audience, kind]]
    return [
        Finding("confirmation_missing", (str(appointment.id), audience), ids | {"to": audience, "kind": kind}, (appointment.edition,))
        for audience, kind in expected
    ]


def _must_have_messages(event: AppointmentEvent) -> bool:
    """Return whether people are notified of an event. They are not notified of an undone check-in."""
    return event.topic in NOTIFYING_TOPICS and "check_in" not in event.changed
