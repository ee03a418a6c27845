"""Queueing the messages of reminders whose time has come."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from notify_svc.domain.reminders import Reminder, ReminderStatus
from notify_svc.ports import ReminderStore
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

MAX_REMINDERS_AT_ONCE = 200
KEPT_AFTER_START = timedelta(days=30)
"""How long reminders are kept after the visit began. None is sent then, and the messages stay."""


@dataclass(frozen=True, slots=True)
class ReminderQueue:
    """Turns due reminders into messages. Several instances share the work; `wake_sender` has the messages sent at once."""

    store: ReminderStore
    now: Clock
    wake_sender: Callable[[], None]

    @retry_on_abort
    async def queue_due(self) -> int:
        """Queue or skip up to MAX_REMINDERS_AT_ONCE due reminders that no other instance has locked; return how many."""
        now = self.now()
        if not await self.store.has_due_reminders(now):
            return 0
        async with self.store.begin() as tx:
            due = await tx.claim_due_reminders(now, MAX_REMINDERS_AT_ONCE)
            appointment_ids = {reminder.appointment_id for reminder in due}
            visits = await tx.list_visits(appointment_ids)
            competing = by_appointment(await tx.list_competing_reminders(appointment_ids, now))
            queued, skipped = list[Reminder](), list[Reminder]()
            for reminder in due:
                appointment_id = reminder.appointment_id
                status = reminder.status_when_due(visits.get(appointment_id), competing.get(appointment_id, ()), now)
                (queued if status is ReminderStatus.QUEUED else skipped).append(reminder)
            await tx.insert_messages([reminder.message(visits[reminder.appointment_id], now) for reminder in queued])
            await tx.set_reminder_status([reminder.id for reminder in queued], ReminderStatus.QUEUED)
            await tx.set_reminder_status([reminder.id for reminder in skipped], ReminderStatus.SKIPPED)
        self.wake_sender()
        return len(due)

    @retry_on_abort
    async def delete_ended(self) -> int:
        """Delete up to MAX_REMINDERS_AT_ONCE reminders of visits that began more than KEPT_AFTER_START ago; return how many."""
        async with self.store.begin() as tx:
            return await tx.delete_ended_reminders(self.now() - KEPT_AFTER_START, MAX_REMINDERS_AT_ONCE)


def by_appointment(reminders: Iterable[Reminder]) -> dict[UUID, list[Reminder]]:
    """Return reminders by the id of their appointment."""
    grouped = dict[UUID, list[Reminder]]()
    for reminder in reminders:
        grouped.setdefault(reminder.appointment_id, []).append(reminder)
    return grouped
