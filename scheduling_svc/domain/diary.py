"""A diary: all that stands in one person's time, as one who asks sees it at one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, Self, TypeVar
from uuid import UUID

from scheduling_svc.domain.claims import Place, Session
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.terms import Service
from shared.contracts.grains import Span
from shared.contracts.identity import Caller, Role

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """Who asks, when, and for which patient; `but` is an appointment whose own time counts as free, for it may move over itself."""

    now: datetime
    viewer_id: UUID | None = None
    by_staff: bool = False
    patient_id: UUID | None = None
    but: UUID | None = None

    @classmethod
    def of(cls, by: Caller | None, now: datetime, *, patient_id: UUID | None = None, but: UUID | None = None) -> Self:
        """A patient who asks is the patient; nobody in particular holds nothing and is nowhere."""
        if by is None:
            return cls(now, but=but)
        own = by.id if by.role is Role.PATIENT else None
        return cls(now, by.id, by.is_staff, patient_id or own, but)


class Engagement(NamedTuple):
    """Time that a person is not free, in grains: `starts` to `ends` with someone, `first` to `last` with the buffers around it."""

    starts: int
    ends: int
    first: int
    last: int

    @classmethod
    def of(cls, place: Place | Session, person: UUID) -> Self:
        """Buffers are the doctor's."""
        span = place.span if person == place.doctor_id else place.visit
        return cls(place.visit.start, place.visit.stop, span.start, span.stop)


class Group(NamedTuple):
    """A session as it is seen: how many of its seats are booked, and held by others."""

    session_id: UUID
    service_id: UUID
    engagement: Engagement
    booked: int
    held: int

    @classmethod
    def of(cls, session: Session) -> Self:
        """In which nobody sits yet."""
        return cls(session.id, session.service_id, Engagement.of(session, session.doctor_id), 0, 0)


@dataclass(frozen=True, slots=True)
class Diary:
    """`engagements` are visits and sessions; `away` leaves and closures, as (start, stop); `holds` those that stand, `lapsed` those that
    are over and still in the way; `groups` the sessions; `counted` the starts of visits that count against the caps."""

    engagements: Sequence[Engagement] = ()
    away: Sequence[tuple[int, int]] = ()
    holds: Sequence[Hold] = ()
    lapsed: Sequence[Hold] = ()
    groups: Sequence[Group] = field(default=())
    counted: Sequence[int] = ()

    def without_empty_groups(self) -> Self:
        """A session whose last seat is the viewer's own, or a hold that is over, is as good as gone."""
        gone = [group.engagement for group in self.groups if not group.booked + group.held]
        if not gone:
            return self
        groups = [group for group in self.groups if group.booked + group.held]
        return replace(self, engagements=_without(self.engagements, gone), groups=groups)

    @property
    def visits(self) -> Sequence[Engagement]:
        """Time with patients: also of sessions, but for those in which nobody has more than a hold."""
        return _without(self.engagements, self._only_held())

    def kept_from(self, viewer_id: UUID | None) -> Iterator[tuple[int, int]]:
        """What others hold, with its buffers."""
        yield from ((hold.span.start, hold.span.stop) for hold in self.holds if hold.owner_id != viewer_id and not hold.session_id)
        yield from ((taken.first, taken.last) for taken in self._only_held())

    def busy_for(self, viewer_id: UUID | None) -> Iterator[tuple[int, int]]:
        """When this person cannot be a patient: whoever is a doctor too is not free when that is taken."""
        yield from ((taken.first, taken.last) for taken in self.engagements)
        yield from self.away
        yield from self.kept_from(viewer_id)

    def without(self, place: Place, person: UUID) -> Self:
        """As if a visit were not there. What others have in the same session stays, and so does the session."""
        if place.session:
            return self
        return replace(
            self,
            engagements=_without(self.engagements, [Engagement.of(place, person)]),
            counted=_without(self.counted, [place.visit.start]),
        )

    def away_in(self, span: Span) -> Self:
        """As if this person were away then."""
        return replace(self, away=[*self.away, (span.start, span.stop)])

    def with_proposed(self, places: Sequence[Place], person: UUID, service: Service) -> Self:
        """As if all of these were taken: seats of a session as if they were held."""
        seats = Counter(place.session for place in places if place.session and place.doctor_id == person)
        groups = {group.session_id: group for group in self.groups}
        fresh = [Group.of(session) for session in seats if session.id not in groups]
        groups |= {group.session_id: group for group in fresh}
        groups |= {session.id: groups[session.id]._replace(held=groups[session.id].held + count) for session, count in seats.items()}
        counted = {place.visit.start for place in places if (place.doctor_id, place.service_id) == (person, service.id)}
        alone = [Engagement.of(place, person) for place in places if place.doctor_id != person or not place.session]
        return replace(
            self,
            engagements=[*self.engagements, *alone, *(group.engagement for group in fresh)],
            groups=list(groups.values()),
            counted=[*self.counted, *counted],
        )

    def _only_held(self) -> list[Engagement]:
        return [group.engagement for group in self.groups if not group.booked]

    def giving_way(self, span: Span, viewer_id: UUID | None) -> list[Hold]:
        """Holds in a span that do not keep the viewer out: their own, and those that are over."""
        own = [hold for hold in self.holds if hold.owner_id == viewer_id]
        return [hold for hold in (*self.lapsed, *own) if hold.touches(span)]

    def held_until(self, span: Span, session_id: UUID | None, viewer_id: UUID | None) -> datetime | None:
        """When the holds of others in a span are over; of a session's own seats one is enough."""
        others = [hold for hold in self.holds if hold.owner_id != viewer_id and hold.touches(span)]
        seats = [hold.expires_at for hold in others if session_id and hold.session_id == session_id]
        return min(seats, default=None) or max((hold.expires_at for hold in others), default=None)

    def load(self, day: Sequence[Span]) -> int:
        """How many grains of a day are spent with patients."""
        return sum(max(0, min(taken.ends, part.stop) - max(taken.starts, part.start)) for taken in self.visits for part in day)


EMPTY = Diary()


def _without(those: Sequence[T], gone: Sequence[T]) -> Sequence[T]:
    """Each that is gone is left out once: another may have the very same times. One that came while a transaction looked is not there."""
    if not gone:
        return those
    stay = list(those)
    for one in gone:
        if one in stay:
            stay.remove(one)
    return stay
