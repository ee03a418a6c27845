"""Busy times: all claims to the time of one person, as a viewer sees them at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, Self, TypeVar
from uuid import UUID

from scheduling_svc.domain.claims import BookedSlot, GroupSession
from scheduling_svc.domain.holds import Hold
from shared.contracts.grains import Span

T = TypeVar("T")


class BookedTime(NamedTuple):
    """The time of one visit or group session, in grains: the visit itself, and the span with the buffers around it."""

    visit_start: int
    visit_stop: int
    span_start: int
    span_stop: int

    @classmethod
    def of(cls, slot: BookedSlot | GroupSession, person_id: UUID) -> Self:
        """Return the time that a slot takes of a person; buffers are time of the doctor only."""
        span = slot.span if person_id == slot.doctor_id else slot.visit
        return cls(slot.visit.start, slot.visit.stop, span.start, span.stop)


class GroupOccupancy(NamedTuple):
    """How many seats of a group session are booked, and how many are held by people other than the viewer."""

    session_id: UUID
    service_id: UUID
    time: BookedTime
    booked_seats: int
    held_seats: int

    @classmethod
    def empty(cls, session: GroupSession) -> Self:
        """Return the occupancy of a session in which no seat is taken yet."""
        return cls(session.id, session.service_id, BookedTime.of(session, session.doctor_id), 0, 0)

    @property
    def is_only_held(self) -> bool:
        """True if no seat is booked, so that the whole session may become free when the holds end."""
        return not self.booked_seats


@dataclass(frozen=True, slots=True)
class BusyTimes:
    """The busy times of one person.

    `booked` are visits and group sessions, `absences` leaves and closures as (start, stop). `holds` are active, `expired_holds` have ended
    but their rows still occupy the time. `sessions` are the group sessions among `booked`. `counted_starts` are the starts of visits that
    count against the caps of the service in question.
    """

    booked: Sequence[BookedTime] = ()
    absences: Sequence[tuple[int, int]] = ()
    holds: Sequence[Hold] = ()
    expired_holds: Sequence[Hold] = ()
    sessions: Sequence[GroupOccupancy] = ()
    counted_starts: Sequence[int] = ()

    def without_empty_sessions(self) -> Self:
        """Return the busy times without sessions in which only the viewer has a seat, or a hold that has expired.

        The viewer can book the time of such a session.
        """
        empty = [session.time for session in self.sessions if not session.booked_seats + session.held_seats]
        if not empty:
            return self
        sessions = [session for session in self.sessions if session.booked_seats + session.held_seats]
        return replace(self, booked=_without(self.booked, empty), sessions=sessions)

    def without_slot(self, slot: BookedSlot, person_id: UUID) -> Self:
        """Return the busy times as if a visit were not there. A seat changes nothing: its session stays with the other seats."""
        if slot.session:
            return self
        booked = _without(self.booked, [BookedTime.of(slot, person_id)])
        return replace(self, booked=booked, counted_starts=_without(self.counted_starts, [slot.visit.start]))

    def with_absence(self, span: Span) -> Self:
        """Return the busy times as if the person were away in a span."""
        return replace(self, absences=[*self.absences, (span.start, span.stop)])

    @property
    def visits(self) -> Sequence[BookedTime]:
        """The time with patients, including sessions in which at least one seat is booked."""
        return _without(self.booked, self._only_held_sessions())

    def held_from(self, viewer_id: UUID | None) -> Iterator[tuple[int, int]]:
        """Yield the time that others than the viewer hold, buffers included, as (start, stop)."""
        for hold in self.holds:
            if hold.owner_id != viewer_id and not hold.session_id:
                yield hold.span.start, hold.span.stop
        for time in self._only_held_sessions():
            yield time.span_start, time.span_stop

    def unavailable_as_patient(self, viewer_id: UUID | None) -> Iterator[tuple[int, int]]:
        """Yield the time in which this person cannot be a patient, as (start, stop). For a doctor that includes the time of their own
        patients."""
        for time in self.booked:
            yield time.span_start, time.span_stop
        yield from self.absences
        yield from self.held_from(viewer_id)

    def removable_holds(self, span: Span, viewer_id: UUID | None) -> list[Hold]:
        """Return the holds in a span that do not prevent the viewer from booking: expired ones, and the viewer's own."""
        own = [hold for hold in self.holds if hold.owner_id == viewer_id]
        return [hold for hold in (*self.expired_holds, *own) if hold.overlaps(span)]

    def held_until(self, span: Span, session_id: UUID | None, viewer_id: UUID | None) -> datetime | None:
        """Return when the holds of others in a span end. In a group session one free seat is enough, so the first end counts there."""
        others = [hold for hold in self.holds if hold.owner_id != viewer_id and hold.overlaps(span)]
        seats = [hold.expires_at for hold in others if session_id and hold.session_id == session_id]
        return min(seats, default=None) or max((hold.expires_at for hold in others), default=None)

    def grains_with_patients(self, day: Sequence[Span]) -> int:
        """Return how much of a day is spent with patients, in grains; buffers do not count."""
        return sum(max(0, min(time.visit_stop, part.stop) - max(time.visit_start, part.start)) for time in self.visits for part in day)

    def _only_held_sessions(self) -> list[BookedTime]:
        return [session.time for session in self.sessions if session.is_only_held]


NOT_BUSY = BusyTimes()


def _without(items: Sequence[T], removed: Sequence[T]) -> Sequence[T]:
    """Return `items` with each removed item left out once, because another item may have the very same times.

    An item that is not there is ignored: it may have come after the transaction read the rest.
    """
    if not removed:
        return items
    remaining = list(items)
    for item in removed:
        if item in remaining:
            remaining.remove(item)
    return remaining
