"""What becomes of visits, reminders and messages when their patient was merged into another one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from notify_svc.domain.messages import NOT_A_RECIPIENT, POSSIBLY_DELIVERED, SENT_TO_GUARDIANS, Message, MessageStatus
from notify_svc.domain.reminders import Reminder, ReminderStatus
from notify_svc.domain.visits import Visit
from shared.contracts.derived_ids import derive_id

LOST_PROBLEMS = frozenset({"no_address", NOT_A_RECIPIENT})
"""The problems of messages that are not sent because patient-service does not know the patient any more."""
CLOCK_DIFFERENCE = timedelta(minutes=1)
"""The clocks of two services differ by less."""


@dataclass(frozen=True, slots=True)
class PatientMove:
    """`source_id` was merged at `merged_at` (UTC), and `target_id` is the patient who has the data now."""

    source_id: UUID
    target_id: UUID
    merged_at: datetime

    def visit_after(self, visit: Visit, now: datetime) -> Visit:
        """Return the visit as that of the target. If it is ahead, its reminders are planned again for the target.

        Offsets that only the target has count since the merge, so that a reminder that was due before it is not sent belatedly.
        """
        moved = replace(visit, patient_id=self.target_id)
        if not visit.is_booked or visit.starts_at <= now:
            return moved
        wanted_since = max(visit.wanted_since, self.merged_at) if visit.planning_due_at is None else visit.wanted_since
        return replace(moved, wanted_since=wanted_since, planning_due_at=now, revision=visit.revision + 1)

    def messages_after(self, messages: Sequence[Message], now: datetime) -> Iterator[tuple[Message, Message]]:
        """Yield the messages that change, before and after: those of the source become those of the target.

        Messages that were not sent because nobody knew the source any more are queued again, and so are those whose guardians have not
        been sent theirs yet: the target may have other guardians, or none.
        """
        for message in messages:
            moved = self._moved_message(message)
            if moved is message:
                continue
            is_unsent = self._was_lost(message) or _waits_for_guardians(message, messages)
            yield message, moved.queue_again(now) if is_unsent else moved

    def _moved_message(self, message: Message) -> Message:
        is_recipient = message.recipient_id == self.source_id
        is_about_source = message.facts.get("patient_id") == str(self.source_id)
        if not (is_recipient or is_about_source):
            return message
        facts = message.facts | {"patient_id": str(self.target_id)} if is_about_source else message.facts
        return replace(message, recipient_id=self.target_id if is_recipient else message.recipient_id, facts=facts)

    def _was_lost(self, message: Message) -> bool:
        if message.status is not MessageStatus.SKIPPED or message.problem not in LOST_PROBLEMS or not message.attempt_log:
            return False
        return datetime.fromisoformat(message.attempt_log[-1].at) > self.merged_at - CLOCK_DIFFERENCE

    def reminders_after(self, reminders: Iterable[Reminder], messages: Iterable[Message]) -> Iterator[ReminderMove]:
        """Yield what changes among the reminders of a visit, so that the target is reminded of each start and offset once.

        `messages` are those about the visit. What a guardian was reminded of counts for the target. What waits for a guardian waits for
        the target as well: planning them again decides who of both is to be reminded.
        """
        delivered_ids = {message.id for message in messages if message.status in POSSIBLY_DELIVERED}
        by_offset = dict[tuple[datetime, int], list[Reminder]]()
        for reminder in reminders:
            by_offset.setdefault((reminder.starts_at, reminder.offset_minutes), []).append(reminder)
        for rows in by_offset.values():
            best = max(rows, key=lambda row: self._rank(row, delivered_ids))
            move = self._move_of(best, rows, delivered_ids)
            if move.removed_ids or move.stored != best:
                yield move

    def _rank(self, row: Reminder, delivered_ids: Collection[UUID]) -> tuple[bool, ...]:
        """Return how much a reminder says about the target: it was sent; it is one of the two patients'; it was decided; the target's."""
        is_own = row.recipient_id in (self.source_id, self.target_id)
        is_sent = row.status is ReminderStatus.QUEUED and (is_own or row.id in delivered_ids)
        return is_sent, is_own, row.status is not ReminderStatus.PLANNED, row.recipient_id == self.target_id

    def _move_of(self, best: Reminder, rows: Iterable[Reminder], delivered_ids: Collection[UUID]) -> ReminderMove:
        own = [row for row in rows if row.recipient_id in (self.source_id, self.target_id)]
        removed_ids = [row.id for row in own if row is not best]
        if best in own:
            return ReminderMove(removed_ids, replace(best, recipient_id=self.target_id))
        waits = best.status is ReminderStatus.QUEUED and best.id not in delivered_ids
        return ReminderMove(removed_ids, best.copy_for(self.target_id, ReminderStatus.PLANNED if waits else best.status))


@dataclass(frozen=True, slots=True)
class ReminderMove:
    """A reminder of the target to store, which is new or replaces the one with its id, and the ids of those to remove before."""

    removed_ids: Sequence[UUID]
    stored: Reminder


def _waits_for_guardians(message: Message, messages: Iterable[Message]) -> bool:
    """Return whether guardians get the message instead of the patient, and none of them has been sent it yet."""
    if message.status is not MessageStatus.SKIPPED or message.problem != SENT_TO_GUARDIANS:
        return False
    copies = [other for other in messages if other.id == derive_id(message.id, other.recipient_id, "guardian")]
    return bool(copies) and all(copy.status is MessageStatus.QUEUED for copy in copies)
