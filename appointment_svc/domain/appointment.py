"""The appointment: what was agreed, what became of it, and what is still to be done about its time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from appointment_svc.domain.intents import Denial, Intent, Kind, Line
from appointment_svc.domain.moves import AMENDED, HOLDING, MOVES, RESCHEDULABLE, RESCHEDULED, RESTORABLE, TOPICS, Status, allowed_from
from appointment_svc.domain.refusals import IllegalMove, TooEarly, TooLate
from appointment_svc.domain.snapshots import Cards, DoctorSnapshot, PatientSnapshot
from shared.contracts.events import AppointmentEvent
from shared.contracts.http import Actor, Money, Reservation, Reserve, ServiceRules, rendered
from shared.contracts.refusals import Refusal
from shared.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class Appointment:
    """`version` is the public one; `edition` counts every write; `revision` is the calendar's; `sequence` iCalendar's.

    `news` is the event of the change in hand; it is written with it and not read back.
    """

    id: UUID
    status: Status
    service: ServiceRules
    doctor: DoctorSnapshot
    patient: PatientSnapshot
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    updated_at: datetime
    reason: str | None = None
    intake: dict[str, str] | None = None
    cancel_reason: str | None = None
    intent: Intent | None = None
    denial: Denial | None = None
    history: tuple[Line, ...] = ()
    revision: int = 0
    sequence: int = 0
    version: int = 1
    edition: int = 1
    news: AppointmentEvent | None = None

    @classmethod
    def asked(cls, one: UUID, cards: Cards, starts_at: datetime, by: Actor, at: datetime, **said: Any) -> Self:
        """The wish on paper; nothing outside has changed. `said` are reason and intake."""
        doctor, patient = DoctorSnapshot.of(cards.doctor), PatientSnapshot.of(cards.patient)
        intent = Intent(Kind.BOOK, by, at, 1, starts_at, doctor, one)
        ends_at = starts_at + timedelta(minutes=cards.service.duration_minutes)
        return cls(one, Status.PENDING, cards.service, doctor, patient, starts_at, ends_at, at, at, intent=intent, **said)

    @property
    def patient_id(self) -> UUID:
        return self.patient.id

    @property
    def price(self) -> Money | None:
        return self.service.price

    @property
    def time_zone(self) -> str:
        return self.doctor.time_zone

    @property
    def local_start(self) -> str:
        """The doctor's wall clock, where the visit is."""
        return self.starts_at.astimezone(ZoneInfo(self.time_zone)).strftime("%Y-%m-%dT%H:%M")

    @property
    def holds_time(self) -> bool:
        """Whether a claim in the calendar belongs to it."""
        return self.status in HOLDING

    def did(self, wish: UUID) -> bool:
        """Whether a wish was done already; the refusal that it met is met again."""
        if self.denial is not None and self.denial.wish == wish:
            raise self.denial.refusal()
        return any(line.id == wish for line in self.history)

    def wish(self) -> Reserve:
        """What the calendar is asked for."""
        assert self.intent is not None
        intent = self.intent
        return Reserve(
            service_id=self.service.id, doctor_id=intent.doctor.id, patient_id=self.patient.id, starts_at=intent.starts_at,
            revision=intent.revision, by=intent.by,
        )  # fmt: skip

    # What the calendar answered

    def granted(self, reservation: Reservation, at: datetime) -> Self:
        """The calendar granted the intent's time."""
        assert self.intent is not None
        intent = self.intent
        settled = replace(
            self, intent=None, revision=intent.revision, starts_at=reservation.starts_at, ends_at=reservation.ends_at, doctor=intent.doctor
        )
        if intent.kind is Kind.RECLAIM:
            return settled
        if intent.kind is Kind.MOVE:
            return settled._told(self, RESCHEDULED, "rescheduled", intent.by, at, intent.id, intent.note)
        waits = intent.kind is Kind.BOOK and self.service.requires_approval
        status = Status.REQUESTED if waits else Status.BOOKED
        action = "restored" if intent.kind is Kind.RESTORE else status.value
        changed = replace(settled, status=status, cancel_reason=None)
        return changed._told(self, TOPICS[status], action, intent.by, at, intent.id, intent.note)

    def denied(self, refusal: Refusal, at: datetime) -> Self:
        """The calendar refused: a booking ends here, anything else goes on as it was.

        The revision is used up: a copy of this wish that is still on its way must not pass for a later one. Nor may it be granted after
        all and take a moved one's time away, so that time is claimed once more, above it.
        """
        assert self.intent is not None
        intent = self.intent
        denied = replace(self, intent=None, revision=intent.revision, denial=Denial.of(refusal, intent.id))
        if intent.kind is Kind.BOOK:
            return replace(denied, status=Status.REFUSED)._noted(self, "refused", intent.by, at, intent.id, refusal.code)
        return denied.reclaim(intent.by, at, intent.revision, wish=intent.id) if intent.kind is Kind.MOVE else denied

    def released(self) -> Self:
        """The calendar took the time back."""
        return replace(self, intent=None)

    # What people do

    def reschedule(
        self, starts_at: datetime, doctor: DoctorSnapshot, by: Actor, at: datetime, *, once: UUID, note: str | None = None
    ) -> Self:
        """Asks the calendar for another time or doctor; the same again when nothing would change."""
        if self.status not in RESCHEDULABLE:
            raise IllegalMove(allowed=allowed_from(self.status))
        if (starts_at, doctor.id) == (self.starts_at, self.doctor.id):
            return self
        self._in_time(self.service.reschedule_cutoff_minutes, by, at)
        return replace(self, intent=Intent(Kind.MOVE, by, at, self.revision + 1, starts_at, doctor, once, note))

    def restore(self, by: Actor, at: datetime, *, once: UUID, note: str | None = None) -> Self:
        """Asks the calendar for its time again. A missed one still has it."""
        if self.status not in RESTORABLE:
            raise IllegalMove(allowed=allowed_from(self.status))
        revision = self.revision if self.holds_time else self.revision + 1
        return replace(self, intent=Intent(Kind.RESTORE, by, at, revision, self.starts_at, self.doctor, once, note))

    def reclaim(self, by: Actor, at: datetime, revision: int, *, wish: UUID | None = None) -> Self:
        """Asks the calendar for the time that it should have: a wish later than all that were made, and than `revision`; part of
        `wish`, so that a second refusal does not hide the first."""
        later = max(self.revision, revision) + 1
        return replace(self, intent=Intent(Kind.RECLAIM, by, at, later, self.starts_at, self.doctor, wish or new_id()))

    def cancel(self, by: Actor, at: datetime, *, once: UUID, reason: str | None) -> Self:
        """A second cancel changes nothing."""
        if self.status is Status.CANCELLED:
            return self
        self._may_become(Status.CANCELLED)
        self._in_time(self.service.cancel_cutoff_minutes, by, at)
        return replace(self, cancel_reason=reason)._freed(Status.CANCELLED, by, at, once, reason)

    def decline(self, by: Actor, at: datetime, *, once: UUID, reason: str | None) -> Self:
        return replace(self, cancel_reason=reason)._freed(Status.DECLINED, by, at, once, reason)

    def expire(self, by: Actor, at: datetime) -> Self:
        """Nobody approved it before its time came."""
        return self._freed(Status.EXPIRED, by, at, new_id(), None)

    def become(self, status: Status, by: Actor, at: datetime, *, once: UUID, note: str | None = None) -> Self:
        """A step that leaves the time as it is: approved, checked in, started, completed, missed."""
        self._may_become(status)
        if status is Status.MISSED and at < self.starts_at:
            raise TooEarly(starts_at=self.starts_at)
        return replace(self, status=status)._told(self, TOPICS[status], status.value, by, at, once, note)

    def brought_to(self, status: Status, by: Actor, at: datetime, *, once: UUID, reason: str) -> Self:
        """The step that leads to a status; the same again when it has it."""
        if status is self.status:
            return self
        if status is Status.CANCELLED:
            return self.cancel(by, at, once=once, reason=reason)
        if status is Status.DECLINED:
            return self.decline(by, at, once=once, reason=reason)
        if status is Status.BOOKED and self.status in RESTORABLE:
            return self.restore(by, at, once=once, note=reason)
        return self.become(status, by, at, once=once, note=reason)

    def amend(self, changes: dict[str, Any], by: Actor, at: datetime, *, once: UUID) -> Self:
        """Reason and intake: never the status."""
        amended = replace(self, **changes)
        return self if amended == self else amended._told(self, AMENDED, "amended", by, at, once, None)

    # How a change is written down

    def _may_become(self, status: Status) -> None:
        if status not in MOVES[self.status]:
            raise IllegalMove(allowed=allowed_from(self.status))

    def _in_time(self, cutoff_minutes: int, by: Actor, at: datetime) -> None:
        if not by.caller.is_staff and self.starts_at - at < timedelta(minutes=cutoff_minutes):
            raise TooLate(cutoff_minutes=cutoff_minutes)

    def _freed(self, status: Status, by: Actor, at: datetime, once: UUID, note: str | None) -> Self:
        self._may_become(status)
        intent = Intent(Kind.RELEASE, by, at, self.revision, self.starts_at, self.doctor, once)
        return replace(self, status=status, intent=intent)._told(self, TOPICS[status], status.value, by, at, once, note)

    def _told(self, before: Self, topic: str, action: str, by: Actor, at: datetime, once: UUID, note: str | None) -> Self:
        """With its line in the history, a new version and its event."""
        noted = self._noted(before, action, by, at, once, note)
        moved = (before.starts_at, before.doctor.id) != (self.starts_at, self.doctor.id)
        redrawn = before.status is not Status.PENDING and (moved or before.status is not self.status)
        told = replace(noted, sequence=self.sequence + int(redrawn))
        event = AppointmentEvent.named(
            topic, id=new_id(), occurred_at=at, version=told.version, sequence=told.sequence, actor=by, **self._facts()
        )
        if moved:
            event = event.model_copy(update={"previous_starts_at": before.starts_at, "previous_doctor_id": before.doctor.id})
        return replace(told, news=event)

    def _noted(self, before: Self, action: str, by: Actor, at: datetime, once: UUID, note: str | None) -> Self:
        line = Line(once, at, by, action, before._face(), self._face(), note)
        return replace(self, history=(*self.history, line), version=before.version + 1, updated_at=at)

    def _facts(self) -> dict[str, Any]:
        """What every event says of it."""
        people = {"service_id": self.service.id, "doctor_id": self.doctor.id, "patient_id": self.patient.id, "appointment_id": self.id}
        times = {"starts_at": self.starts_at, "ends_at": self.ends_at, "time_zone": self.time_zone}
        return {"status": self.status.value, **people, **times}

    def _face(self) -> dict[str, str]:
        return {"status": self.status.value, "starts_at": rendered(self.starts_at), "doctor_id": str(self.doctor.id)}
