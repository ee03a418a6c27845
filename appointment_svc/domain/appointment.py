"""The appointment: what was agreed, what became of it, and what is still to be done about its time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from appointment_svc.domain.intents import Denial, Intent, Kind, Line
from appointment_svc.domain.moves import AMENDED, HOLDING, MOVES, RESCHEDULABLE, RESCHEDULED, RESTORABLE, TOPICS, Status, allowed_from
from appointment_svc.domain.refusals import IllegalMove, SlotTaken, TooEarly, TooLate
from appointment_svc.domain.snapshots import Cards, DoctorSnapshot, PatientSnapshot
from appointment_svc.domain.wishes import Wish
from shared.contracts.events import AppointmentEvent
from shared.contracts.http import Actor, Money, Reservation, ReserveTime, ServiceTypeRules
from shared.contracts.refusals import Refusal
from shared.contracts.values import format_instant
from shared.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class Appointment:
    """`version` is the public one; `edition` counts every write; `revision` is the calendar's; `sequence` iCalendar's.

    `doctor` is nobody only while whoever is free was asked for and not yet found. `news` is the event of the change in hand, `noted` says
    that its line is the last of the history; both are for the write and not read back.
    """

    id: UUID
    status: Status
    service: ServiceTypeRules
    doctor: DoctorSnapshot | None
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
    noted: bool = False

    @classmethod
    def asked(cls, one: UUID, cards: Cards, wish: Wish, by: Actor, at: datetime) -> Self:
        """The wish on paper; nothing outside has changed."""
        doctor, patient = DoctorSnapshot.of(cards.doctor) if cards.doctor else None, PatientSnapshot.of(cards.patient)
        intent = Intent(Kind.BOOK, by, at, 1, wish.starts_at, doctor, one, hold_id=wish.hold_id)
        ends_at = wish.starts_at + timedelta(minutes=cards.service.duration_minutes)
        times = (wish.starts_at, ends_at, at, at)
        return cls(one, Status.PENDING, cards.service, doctor, patient, *times, wish.reason, wish.intake, intent=intent)

    @property
    def patient_id(self) -> UUID:
        return self.patient.id

    @property
    def doctor_id(self) -> UUID | None:
        return self.doctor.id if self.doctor else None

    @property
    def place(self) -> tuple[datetime, UUID | None]:
        """When and with whom."""
        return self.starts_at, self.doctor_id

    @property
    def price(self) -> Money | None:
        return self.service.price

    @property
    def time_zone(self) -> str:
        return self.doctor.time_zone if self.doctor else "UTC"

    @property
    def local_start(self) -> str:
        """The doctor's wall clock, where the visit is."""
        return self.starts_at.astimezone(ZoneInfo(self.time_zone)).strftime("%Y-%m-%dT%H:%M")

    @property
    def holds_time(self) -> bool:
        """Whether a claim in the calendar belongs to it."""
        return self.status in HOLDING

    @property
    def has_begun(self) -> bool:
        """The patient is or was here, or did not come: it is where it is."""
        return self.holds_time and self.status not in RESCHEDULABLE

    def gives_back(self, revision: int) -> bool:
        """Whether a claim of that revision is being given back already."""
        return self.intent is not None and self.intent.kind is Kind.RELEASE and self.intent.revision >= revision

    def did(self, wish: UUID) -> bool:
        """Whether a wish was done already; the refusal that it met is met again."""
        if self.denial is not None and self.denial.wish == wish:
            raise self.denial.refusal()
        return any(line.id == wish for line in self.history)

    def wish(self) -> ReserveTime:
        """What the calendar is asked for."""
        assert self.intent is not None
        intent = self.intent
        return ReserveTime(
            service_id=self.service.id, doctor_id=intent.doctor.id if intent.doctor else None, patient_id=self.patient.id,
            starts_at=intent.starts_at, revision=intent.revision, by=intent.by, hold_id=intent.hold_id,
            begun=intent.kind is Kind.RECLAIM and self.has_begun,
            service_version=self.service.version, doctor_version=intent.doctor.version if intent.doctor else 0,
        )  # fmt: skip

    # What the calendar answered

    def granted(self, reservation: Reservation, doctor: DoctorSnapshot, at: datetime) -> Self:
        """The calendar granted the intent's time, with the doctor who was named or found."""
        assert self.intent is not None
        intent = self.intent
        settled = replace(
            self, intent=None, revision=intent.revision, starts_at=reservation.starts_at, ends_at=reservation.ends_at, doctor=doctor
        )
        if intent.kind is Kind.RECLAIM:
            return settled
        if intent.kind is Kind.MOVE:
            return settled.told(self, RESCHEDULED, "rescheduled", intent.by, at, intent.id, intent.note)
        waits = intent.kind is Kind.BOOK and self.service.requires_approval
        status = Status.REQUESTED if waits else Status.BOOKED
        action = "restored" if intent.kind is Kind.RESTORE else status.value
        changed = replace(settled, status=status, cancel_reason=None)
        return changed.told(self, TOPICS[status], action, intent.by, at, intent.id, intent.note)

    def denied(self, refusal: Refusal, at: datetime) -> Self:
        """The calendar refused: a booking ends here, anything else goes on as it was.

        The revision is used up: a copy of this wish that is still on its way must not pass for a later one. Nor may it be granted after
        all and take a moved one's time away, so that time is claimed once more, above it.
        """
        assert self.intent is not None
        intent = self.intent
        denied = self._refused(refusal, at)
        return denied.reclaim(intent.by, at, intent.revision, wish=intent.id) if intent.kind is Kind.MOVE else denied

    def overtaken(self, standing: Reservation | None, at: datetime) -> Self:
        """The clinic moved its claim, or took it away (None), before the wish came: that is refused, and the event of the leave brings
        the appointment after it.

        No copy of the wish can be granted any more. Whoever holds no time gives back what stands there.
        """
        assert self.intent is not None
        intent, later = self.intent, max(self.intent.revision, standing.revision if standing else 0)
        if intent.kind is Kind.RECLAIM:
            return replace(self, intent=None, revision=later)
        refusal = SlotTaken(f"The clinic {'moved' if standing else 'called off'} this appointment meanwhile.", alternatives=[])
        refused = replace(self._refused(refusal, at), revision=later)
        return refused if refused.holds_time else refused.giving_back(intent.by, at, intent.id)

    def released(self) -> Self:
        """The calendar took the time back."""
        return replace(self, intent=None)

    # What people do

    def reschedule(
        self, starts_at: datetime, doctor: DoctorSnapshot | None, by: Actor, at: datetime, *, once: UUID, note: str | None = None
    ) -> Self:
        """Asks the calendar for another time or doctor (None: the same one); the same again when nothing would change."""
        if self.status not in RESCHEDULABLE:
            raise IllegalMove(allowed=allowed_from(self.status))
        wished = replace(self, starts_at=starts_at, doctor=doctor or self.doctor)
        if wished.place == self.place:
            return self
        self._in_time(self.service.reschedule_cutoff_minutes, by, at)
        return replace(self, intent=Intent(Kind.MOVE, by, at, self.revision + 1, starts_at, wished.doctor, once, note))

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
        return replace(self, cancel_reason=reason).freed(Status.CANCELLED, by, at, once, reason)

    def decline(self, by: Actor, at: datetime, *, once: UUID, reason: str | None) -> Self:
        return replace(self, cancel_reason=reason).freed(Status.DECLINED, by, at, once, reason)

    def expire(self, by: Actor, at: datetime) -> Self:
        """Nobody approved it before its time came."""
        return self.freed(Status.EXPIRED, by, at, new_id(), None)

    def become(self, status: Status, by: Actor, at: datetime, *, once: UUID, note: str | None = None) -> Self:
        """A step that leaves the time as it is: approved, checked in, started, completed, missed."""
        self._may_become(status)
        if status is Status.MISSED and at < self.starts_at:
            raise TooEarly(starts_at=self.starts_at)
        return replace(self, status=status).told(self, TOPICS[status], status.value, by, at, once, note)

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
        return self if amended == self else amended.told(self, AMENDED, "amended", by, at, once, None)

    # How a change is written down

    def _may_become(self, status: Status) -> None:
        if status not in MOVES[self.status]:
            raise IllegalMove(allowed=allowed_from(self.status))

    def _in_time(self, cutoff_minutes: int, by: Actor, at: datetime) -> None:
        if not by.caller.is_staff and self.starts_at - at < timedelta(minutes=cutoff_minutes):
            raise TooLate(cutoff_minutes=cutoff_minutes)

    def freed(self, status: Status, by: Actor, at: datetime, once: UUID, note: str | None) -> Self:
        self._may_become(status)
        return replace(self.giving_back(by, at, once), status=status).told(self, TOPICS[status], status.value, by, at, once, note)

    def giving_back(self, by: Actor, at: datetime, once: UUID) -> Self:
        return replace(self, intent=Intent(Kind.RELEASE, by, at, self.revision, self.starts_at, self.doctor, once))

    def _refused(self, refusal: Refusal, at: datetime) -> Self:
        """The wish is used up and keeps its refusal; a booking ends here."""
        assert self.intent is not None
        intent = self.intent
        refused = replace(self, intent=None, revision=intent.revision, denial=Denial.of(refusal, intent.id))
        if intent.kind is not Kind.BOOK:
            return refused
        return replace(refused, status=Status.REFUSED)._noted(self, "refused", intent.by, at, intent.id, refusal.code)

    def told(self, before: Self, topic: str, action: str, by: Actor, at: datetime, once: UUID, note: str | None) -> Self:
        """With its line in the history, a new version and its event; of what never had a doctor nobody is told."""
        noted = self._noted(before, action, by, at, once, note)
        if self.doctor is None:
            return noted
        moved = before.doctor is not None and before.place != self.place
        redrawn = before.status is not Status.PENDING and (moved or before.status is not self.status)
        told = replace(noted, sequence=self.sequence + int(redrawn))
        event = AppointmentEvent.for_topic(
            topic, id=new_id(), occurred_at=at, version=told.version, sequence=told.sequence, actor=by, **self._facts()
        )
        if moved:
            event = event.model_copy(update={"previous_starts_at": before.starts_at, "previous_doctor_id": before.doctor_id})
        return replace(told, news=event)

    def _noted(self, before: Self, action: str, by: Actor, at: datetime, once: UUID, note: str | None) -> Self:
        line = Line(once, at, by, action, before._face(), self._face(), note)
        return replace(self, history=(*self.history, line), version=before.version + 1, updated_at=at, noted=True)

    def _facts(self) -> dict[str, Any]:
        """What every event says of it."""
        people = {"service_id": self.service.id, "doctor_id": self.doctor_id, "patient_id": self.patient.id, "appointment_id": self.id}
        times = {"starts_at": self.starts_at, "ends_at": self.ends_at, "time_zone": self.time_zone}
        return {"status": self.status.value, **people, **times}

    def _face(self) -> dict[str, str]:
        named = {"doctor_id": str(self.doctor.id)} if self.doctor else {}
        return {"status": self.status.value, "starts_at": format_instant(self.starts_at), **named}
