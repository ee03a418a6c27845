"""Checking, when a reminder or digest is about to be sent, whether it is still true and wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from notify_svc.domain.digests import DigestDay
from notify_svc.domain.messages import NOT_A_RECIPIENT, QUIET_HOURS, Message
from notify_svc.domain.notifications import MessageKind
from notify_svc.domain.recipients import recipient_ids
from notify_svc.domain.reminders import ReminderDefaults, reminder_facts
from notify_svc.domain.visits import Visit
from notify_svc.ports import Contacts, ReminderStore
from shared.kit.clock import Clock


class Outdated(Exception):
    """The message is no longer true, or no longer wanted. The argument is the problem that is stored with it."""


class Postponed(Exception):
    """The message may not be sent before `until`. The argument is the problem that is stored with it."""

    def __init__(self, problem: str, until: datetime) -> None:
        super().__init__(problem)
        self.until = until


@dataclass(frozen=True, slots=True)
class MessageCheck:
    """Checks messages that were not caused by an event, against the visits and preferences of this moment."""

    store: ReminderStore
    contacts: Contacts
    defaults: Callable[[], ReminderDefaults]
    now: Clock

    async def refresh(self, message: Message) -> Message:
        """Return a message with the facts of this moment; messages about events stay as they are.

        Raises Outdated, Postponed, or the refusal of the service that knows the recipient.
        """
        if message.kind is MessageKind.REMINDER:
            return await self._refresh_reminder(message)
        if message.kind is MessageKind.DIGEST:
            return await self._refresh_digest(message)
        return message

    async def _refresh_reminder(self, message: Message) -> Message:
        visit = await self.store.find_visit(message.subject_id)
        if visit is None or not visit.is_booked or visit.starts_at != message.valid_until:
            raise Outdated("outdated")
        if await self.store.has_nearer_reminder(message.id, self.now()):
            raise Outdated("nearer_reminder")
        await self._check_recipient(message, visit)
        return replace(message, facts=reminder_facts(visit, message.facts["offset_minutes"]))

    async def _check_recipient(self, message: Message, visit: Visit) -> None:
        """Raise Outdated or Postponed unless the recipient is to be reminded now."""
        people = await self.contacts.find_patients({visit.patient_id, message.recipient_id})
        patient, recipient = people.get(visit.patient_id), people.get(message.recipient_id)
        if patient is None or recipient is None or not recipient.active or recipient.id not in recipient_ids(patient):
            raise Outdated(NOT_A_RECIPIENT)
        if not patient.reminders_consent:
            raise Outdated("not_wanted")
        service = (await self.contacts.find_services({visit.service_id})).get(visit.service_id)
        if message.facts["offset_minutes"] not in self.defaults().recipient(recipient, service).offsets:
            raise Outdated("not_wanted")
        sent_at = self.defaults().clock_of(recipient).time_to_send(visit.starts_at, self.now())
        if sent_at is None:
            raise Outdated(QUIET_HOURS)
        if sent_at > self.now():
            raise Postponed(QUIET_HOURS, sent_at)

    async def _refresh_digest(self, message: Message) -> Message:
        doctor_id = message.recipient_id
        if not await self.store.wants_digest(doctor_id):
            raise Outdated("not_wanted")
        day = DigestDay.of(date.fromisoformat(message.facts["date"]), message.facts["time_zone"])
        starts = await self.store.list_day_starts(doctor_id, day.starts_at, day.ends_at)
        if not starts:
            raise Outdated("outdated")
        return replace(message, facts=day.facts(doctor_id, starts))
