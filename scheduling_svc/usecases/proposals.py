"""Proposals: to which starts the appointments in a leave could be moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from scheduling_svc.domain import availability
from scheduling_svc.domain.busy_times import NOT_BUSY, BusyTimes
from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.domain.grid import AvailabilityGrid
from scheduling_svc.domain.leaves import AffectedAppointment, TimeBlock
from scheduling_svc.domain.proposals import PlannedSlots
from scheduling_svc.domain.slots import nearest_starts
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.ports import CalendarReader
from shared.contracts.grains import DAY, Span, instant_of, overlap
from shared.contracts.http import Alternative
from shared.contracts.identity import Caller

COLLEAGUES_PER_QUERY = 20
MAX_COLLEAGUES_PROPOSED = 2
SEARCH_AFTER_LEAVE = 31 * DAY

Start = tuple[int, UUID]
"""A start, in grains, and the doctor with whom it is."""


class _Doctors(NamedTuple):
    """The doctors for one service: the one who goes on leave, and the colleagues who offer the service, too."""

    service: ServiceTerms
    own: DoctorTerms
    colleagues: Sequence[DoctorTerms]


class _Displaced(NamedTuple):
    """An appointment that needs another time, and the busy times of its patient without it."""

    slot: BookedSlot
    viewer: Viewer
    patient_busy_times: BusyTimes


class ProposalPlanner:
    """Plans one set of proposals for the appointments in a leave, so that all of them can be taken at once.

    For each appointment it proposes up to two colleagues who offer the same service on the same day, nearest in time first, and the next
    free start of the doctor after the leave. Each proposal counts as taken when the next appointment is planned. Rules and busy times of
    doctors are read once for all appointments.
    """

    def __init__(self, calendar: CalendarReader, by: Caller, now: datetime, leave: TimeBlock) -> None:
        self._calendar = calendar
        self._by = by
        self._now = now
        self._leave = leave
        self._planned = PlannedSlots()
        self._doctors: dict[UUID, _Doctors | None] = {}
        self._busy_times: dict[tuple[UUID, int, Span, UUID], Mapping[UUID, BusyTimes]] = {}

    async def propose(self, claim: Claim) -> AffectedAppointment:
        """Plan the proposals for one appointment; none if the rules of its service or doctor are not stored."""
        assert claim.slot is not None
        doctors = await self._find_doctors(claim.slot.service_id)
        doctors = doctors and doctors._replace(service=doctors.service.with_duration(claim.slot.duration))
        starts = [] if doctors is None else await self._plan(claim.id, claim.slot, doctors)
        proposals = [Alternative(doctor_id=doctor_id, starts_at=instant_of(start)) for start, doctor_id in starts]
        return AffectedAppointment(claim.id, instant_of(claim.slot.visit.start), proposals)

    async def _plan(self, appointment_id: UUID, slot: BookedSlot, doctors: _Doctors) -> list[Start]:
        parts = doctors.own.hours.spans_of_same_day(slot.visit.start) or [slot.visit]
        same_day = range(parts[0].start, parts[-1].stop)
        after_leave = range(self._leave.span.stop, self._leave.span.stop + SEARCH_AFTER_LEAVE)
        displaced = await self._load_displaced(appointment_id, slot, doctors.service, range(same_day.start, after_leave.stop))
        starts = [
            *await self._find_starts_with_colleagues(displaced, doctors, same_day),
            *await self._find_next_start(displaced, doctors, after_leave),
        ]
        for start, doctor_id in starts:
            self._planned.add(BookedSlot.of(slot.patient_id, doctors.service, doctor_id, start))
        return starts

    async def _load_displaced(self, appointment_id: UUID, slot: BookedSlot, service: ServiceTerms, within: Span) -> _Displaced:
        """Load the busy times of the patient, without the appointment itself."""
        viewer = Viewer.of(self._by, self._now, patient_id=slot.patient_id, exclude_appointment_id=appointment_id)
        loaded = await self._calendar.list_busy_times(service, [], service.frame(within), viewer)
        return _Displaced(slot, viewer, self._with_plan(slot.patient_id, service, loaded))

    async def _find_starts_with_colleagues(self, displaced: _Displaced, doctors: _Doctors, day: Span) -> list[Start]:
        """Return the nearest start of each of the best colleagues; further colleagues are read only if the first ones are not enough."""
        wanted = displaced.slot.visit.start

        def distance(start: Start) -> tuple[int, int]:
            return abs(start[0] - wanted), start[1].int

        best: list[Start] = []
        for index in range(0, len(doctors.colleagues), COLLEAGUES_PER_QUERY):
            colleagues = doctors.colleagues[index : index + COLLEAGUES_PER_QUERY]
            for grid in await self._load_grids(displaced, doctors.service, colleagues, day):
                near = [(free.start, free.doctor_id) for free in nearest_starts(grid, wanted, limit=1)]
                best += [min(near, key=distance)] if near else []
            if len(best) >= MAX_COLLEAGUES_PROPOSED:
                break
        return sorted(best, key=distance)[:MAX_COLLEAGUES_PROPOSED]

    async def _find_next_start(self, displaced: _Displaced, doctors: _Doctors, after_leave: Span) -> list[Start]:
        """Return the first free start of the doctor after the leave, if there is one within a month."""
        (grid,) = await self._load_grids(displaced, doctors.service, [doctors.own], after_leave)
        first = next(iter(availability.free_starts(grid)), None)
        return [] if first is None else [(first, doctors.own.id)]

    async def _load_grids(
        self, displaced: _Displaced, service: ServiceTerms, doctors: Sequence[DoctorTerms], candidates: Span
    ) -> list[AvailabilityGrid]:
        candidates = overlap(candidates, service.bookable_starts(self._now))
        loaded = await self._load_busy_times(service, doctors, candidates)
        grids = []
        for doctor in doctors:
            busy_times = self._with_plan(doctor.id, service, loaded)
            if doctor.id == self._leave.doctor_id:
                busy_times = busy_times.without_slot(displaced.slot, doctor.id)
            grids.append(AvailabilityGrid.of(service, doctor, candidates, displaced.viewer, busy_times, displaced.patient_busy_times))
        return grids

    def _with_plan(self, person_id: UUID, service: ServiceTerms, loaded: Mapping[UUID, BusyTimes]) -> BusyTimes:
        """Return the busy times of a person with all proposals so far taken and, for the doctor on leave, with the leave."""
        busy_times = self._planned.apply_to(loaded.get(person_id, NOT_BUSY), person_id, service)
        return busy_times.with_absence(self._leave.span) if person_id == self._leave.doctor_id else busy_times

    async def _find_doctors(self, service_id: UUID) -> _Doctors | None:
        if service_id not in self._doctors:
            self._doctors[service_id] = await self._load_doctors(service_id)
        return self._doctors[service_id]

    async def _load_doctors(self, service_id: UUID) -> _Doctors | None:
        service, own = await self._calendar.find_service(service_id), await self._calendar.list_doctors([self._leave.doctor_id])
        if service is None or not own:
            return None
        offering = await self._calendar.list_doctors_offering(service_id)
        colleagues = [doctor for doctor in offering if doctor.id != self._leave.doctor_id and doctor.active]
        return _Doctors(service, own[0], sorted(colleagues, key=lambda doctor: doctor.id))

    async def _load_busy_times(self, service: ServiceTerms, doctors: Sequence[DoctorTerms], candidates: Span) -> Mapping[UUID, BusyTimes]:
        """Load the busy times of some doctors, once for all appointments that ask for the same ones."""
        key = service.id, service.duration, candidates, doctors[0].id
        if key not in self._busy_times:
            doctor_ids, viewer = [doctor.id for doctor in doctors], Viewer.of(self._by, self._now)
            self._busy_times[key] = await self._calendar.list_busy_times(service, doctor_ids, service.frame(candidates), viewer)
        return self._busy_times[key]
