"""The availability grid: the time of one doctor for one service as bitmaps, to which the rules are applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from scheduling_svc.domain import caps
from scheduling_svc.domain.busy_times import NOT_BUSY, BookedTime, BusyTimes
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from shared.contracts.grains import Bitmap, Span


@dataclass(frozen=True, slots=True)
class GroupSeats:
    """The group sessions of one service, by their starts.

    `joinable` are those with a free seat, `last_seats_held` those whose last seats are held by others. `held` are these, and those under
    other terms in which no seat is booked. `full` are those whose seats are all booked, and those under other terms. `free_seats` is the
    number of free seats by start.
    """

    joinable: Bitmap
    last_seats_held: Bitmap
    held: Bitmap
    full: Bitmap
    free_seats: Mapping[int, int]

    @classmethod
    def of(cls, service: ServiceTerms, busy_times: BusyTimes, frame: Span) -> Self:
        """Count the seats. A session that was made under other terms of the service (length, buffers) takes no more patients."""
        free_seats, last_seats_held, only_held, full = dict[int, int](), list[int](), list[int](), list[int]()
        for session in busy_times.sessions:
            start = session.time.visit_start
            if session.service_id != service.id:
                continue
            visit, span = service.visit_span(start), service.doctor_span(start)
            has_same_terms = session.time == (visit.start, visit.stop, span.start, span.stop)
            free = service.capacity - session.booked_seats - session.held_seats
            if has_same_terms and free > 0:
                free_seats[start] = free
            elif has_same_terms and session.booked_seats < service.capacity:
                last_seats_held.append(start)
            elif session.is_only_held:
                only_held.append(start)
            else:
                full.append(start)
        return cls(
            joinable=Bitmap.of_grains(free_seats, frame),
            last_seats_held=Bitmap.of_grains(last_seats_held, frame),
            held=Bitmap.of_grains(last_seats_held + only_held, frame),
            full=Bitmap.of_grains(full, frame),
            free_seats=free_seats,
        )


@dataclass(frozen=True, slots=True)
class AvailabilityGrid:
    """One doctor's time for one service, as a viewer sees it. All bitmaps have the frame `frame`; `candidates` are the starts in question.

    Sets of busy grains: `visits` with patients, `absences` (leaves and closures), `held` by others with buffers, `patient_busy`.
    Sets of starts: `step_starts` lie on the grid of the working windows, `buffer_conflicts` come too close to a visit without touching it,
    `own_holds` are held by the viewer; `held_for_viewer` are those of them whose hold has exactly the time of the visit and its buffers.
    """

    service: ServiceTerms
    doctor: DoctorTerms
    viewer: Viewer
    candidates: Span
    frame: Span
    working: Bitmap
    step_starts: Bitmap
    visits: Bitmap
    buffer_conflicts: Bitmap
    absences: Bitmap
    held: Bitmap
    own_holds: Bitmap
    held_for_viewer: Bitmap
    full_days: Bitmap
    full_weeks: Bitmap
    patient_busy: Bitmap
    seats: GroupSeats

    @classmethod
    def of(
        cls,
        service: ServiceTerms,
        doctor: DoctorTerms,
        candidates: Span,
        viewer: Viewer,
        busy_times: BusyTimes = NOT_BUSY,
        patient_busy_times: BusyTimes = NOT_BUSY,
    ) -> Self:
        """Build the grid from the busy times of the doctor and, where a patient is known, of the patient."""
        frame = service.frame(candidates)
        working, step_starts = doctor.hours.expand(frame, service.step)
        visits = busy_times.visits
        own_holds = [hold for hold in busy_times.holds if hold.owner_id == viewer.id and hold.service_id == service.id]
        convertible = [hold for hold in own_holds if hold.has_time_of(service)]
        full_days = full_weeks = Bitmap.empty(frame)
        if service.is_capped:
            full_days, full_weeks = caps.full_periods(service, doctor.hours, busy_times.counted_starts, frame)
        return cls(
            service=service,
            doctor=doctor,
            viewer=viewer,
            candidates=candidates,
            frame=frame,
            working=working,
            step_starts=step_starts,
            visits=Bitmap.of_spans(((time.visit_start, time.visit_stop) for time in visits), frame),
            buffer_conflicts=Bitmap.of_spans(_buffer_conflicts(service, visits), frame),
            absences=Bitmap.of_spans(busy_times.absences, frame),
            held=Bitmap.of_spans(busy_times.held_from(viewer.id), frame),
            own_holds=Bitmap.of_grains([hold.visit.start for hold in own_holds], frame),
            held_for_viewer=Bitmap.of_grains([hold.visit.start for hold in convertible], frame),
            full_days=full_days,
            full_weeks=full_weeks,
            patient_busy=Bitmap.of_spans(patient_busy_times.unavailable_as_patient(viewer.id), frame),
            seats=GroupSeats.of(service, busy_times, frame),
        )

    @property
    def no_start(self) -> Bitmap:
        """The empty set of starts."""
        return Bitmap.empty(self.frame)

    @property
    def every_start(self) -> Bitmap:
        """The set of all starts of the frame."""
        return Bitmap.full(self.frame)

    def starts_before(self, grain: int) -> Bitmap:
        """Return all starts before a grain."""
        return Bitmap.before(grain, self.frame)

    def visits_touching(self, busy: Bitmap) -> Bitmap:
        """Return the starts from which the visit, without buffers, would touch a busy grain."""
        return busy.widen(0, self.service.duration)

    def spans_touching(self, busy: Bitmap) -> Bitmap:
        """Return the starts from which the visit, or one of its buffers, would touch a busy grain."""
        return busy.widen(self.service.buffer_before, self.service.duration + self.service.buffer_after)

    def free_seats(self, start: int) -> int:
        """Return how many patients can still be booked at a start that is possible."""
        return self.seats.free_seats.get(start, self.service.capacity)


def _buffer_conflicts(service: ServiceTerms, visits: Iterable[BookedTime]) -> Iterator[tuple[int, int]]:
    """Yield the starts, as (start, stop), that leave too little room for buffers before or after a visit, without touching the visit
    itself."""
    length_before, length_after = service.duration + service.buffer_after, service.buffer_before
    for visit_start, visit_stop, span_start, span_stop in visits:
        yield span_start - length_before + 1, visit_start - service.duration + 1
        yield visit_stop, span_stop + length_after
