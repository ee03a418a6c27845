"""A sheet: one doctor's time for one service as bitmaps, on which the rules are applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from scheduling_svc.domain import caps
from scheduling_svc.domain.diary import EMPTY, Diary, Engagement, View
from scheduling_svc.domain.terms import Doctor, Service
from shared.contracts.grains import Span, ones, span_bits, widen


@dataclass(frozen=True, slots=True)
class Sheet:
    """Bitmaps over `frame`; `asked` are the starts in question.

    `visits` is the doctor's time with patients, `away` leaves and closures, `held` what others hold with its buffers, `patient` the time
    that the patient is not free. Sets of starts: `beside` comes too close to a visit without touching it, `seats_left` joins a session
    that has room, `seats_held` one whose last seats are held by others, `own` what the viewer holds. `left` are the seats by start.
    """

    service: Service
    doctor: Doctor
    view: View
    asked: Span
    frame: Span
    working: int
    grid: int
    visits: int
    beside: int
    away: int
    held: int
    own: int
    seats_left: int
    seats_held: int
    full_days: int
    full_weeks: int
    patient: int
    left: Mapping[int, int]

    @classmethod
    def of(cls, service: Service, doctor: Doctor, asked: Span, view: View, diary: Diary = EMPTY, patient: Diary = EMPTY) -> Self:
        """From the diaries of the doctor, and of the patient where there is one in particular."""
        frame = service.frame(asked)
        working, grid = doctor.hours.expand(frame, service.step)
        visits = diary.visits
        own = [hold.visit.start for hold in diary.holds if hold.owner_id == view.viewer_id and hold.service_id == service.id]
        seats = _Seats.of(service, diary)
        full_days, full_weeks = caps.full(service, doctor.hours, diary.counted, frame) if service.is_capped else (0, 0)
        return cls(
            service=service,
            doctor=doctor,
            view=view,
            asked=asked,
            frame=frame,
            working=working,
            grid=grid,
            visits=span_bits(((taken.starts, taken.ends) for taken in visits), frame),
            beside=span_bits(_beside(service, visits), frame),
            away=span_bits(diary.away, frame),
            held=span_bits(diary.kept_from(view.viewer_id), frame),
            own=_starts(own, frame),
            seats_left=_starts(seats.left, frame),
            seats_held=_starts(seats.held, frame),
            full_days=full_days,
            full_weeks=full_weeks,
            patient=span_bits(patient.busy_for(view.viewer_id), frame),
            left=seats.left,
        )

    def until(self, grain: int) -> int:
        """The bits of all grains before one."""
        return ones(grain - self.frame.start)

    def touching(self, bits: int) -> int:
        """The starts from which a visit, with its buffers, would touch one of the bits."""
        before, after = self.service.before, self.service.after
        return widen(bits, before + self.service.duration + after) << before

    def remaining(self, start: int) -> int:
        """How many can be booked at a start that is possible."""
        return self.left.get(start, self.service.capacity)

    def is_own(self, start: int) -> bool:
        """Whether the viewer holds it."""
        return bool(self.own >> start - self.frame.start & 1)


@dataclass(frozen=True, slots=True)
class _Seats:
    """Of a service's sessions: by start, how many seats are left, or held where none is left."""

    left: Mapping[int, int]
    held: Mapping[int, int]

    @classmethod
    def of(cls, service: Service, diary: Diary) -> Self:
        """A session that was made when the service had other terms takes nobody any more."""
        left, held = dict[int, int](), dict[int, int]()
        for group in diary.groups:
            start = group.engagement.starts
            visit, span = service.visit(start), service.span(start)
            if group.service_id == service.id and group.engagement == (visit.start, visit.stop, span.start, span.stop):
                room = service.capacity - group.booked - group.held
                if room > 0:
                    left[start] = room
                elif group.booked < service.capacity:
                    held[start] = group.held
        return cls(left, held)


def _beside(service: Service, visits: Iterable[Engagement]) -> Iterator[tuple[int, int]]:
    """The starts, as (start, stop), whose own buffer or a visit's lies between the two, but for those that touch the visit itself."""
    early, late = service.duration + service.after, service.before
    for starts, ends, first, last in visits:
        yield first - early + 1, starts - service.duration + 1
        yield ends, last + late


def _starts(grains: Mapping[int, int] | list[int], frame: Span) -> int:
    return span_bits(((grain, grain + 1) for grain in grains), frame)
