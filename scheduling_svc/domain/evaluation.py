"""The evaluation of one start: whether it can be booked, with which doctor, and the refusal otherwise. All data is loaded before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from scheduling_svc.domain import availability
from scheduling_svc.domain.availability import Reason
from scheduling_svc.domain.busy_times import NOT_BUSY, BusyTimes
from scheduling_svc.domain.caps import exceeds_cap
from scheduling_svc.domain.claims import GroupSession
from scheduling_svc.domain.grid import AvailabilityGrid
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.slots import nearest_starts
from scheduling_svc.domain.terms import DoctorTerms, ServiceOffer, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from shared.contracts.appointments import OverrideCode
from shared.contracts.grains import DAY, Span, grain_of, instant_of, overlap
from shared.contracts.http import Alternative
from shared.contracts.refusals import Conflict, Refusal
from shared.contracts.relayed_refusals import NotBookable, SlotHeld

ALTERNATIVES_WITHIN = 7 * DAY
MAX_ALTERNATIVES = 5


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """A service, a start and the doctors with whom a viewer wants to know whether it can be booked.

    `override` is the rule that staff lift for it.
    """

    offer: ServiceOffer
    starts_at: datetime
    viewer: Viewer
    override: OverrideCode | None = None

    @property
    def service(self) -> ServiceTerms:
        """The terms of the service."""
        return self.offer.service

    @property
    def start(self) -> int:
        """The grain in which the visit would start."""
        return grain_of(self.starts_at)

    @property
    def lateness(self) -> timedelta:
        """How long after the beginning of its grain the visit would start; zero for every start that can be booked."""
        return self.starts_at - instant_of(self.start)

    @property
    def span_to_load(self) -> Span:
        """The time for which busy times are loaded. With several doctors it includes the whole local day of the start, which may have 25
        hours, because the least busy doctor of that day is chosen."""
        frame = self._terms_for_grain()[0].frame(range(self.start, self.start + 1))
        return frame if len(self.offer.doctors) == 1 else range(frame.start - 2 * DAY, frame.stop + 2 * DAY)

    @property
    def candidates_for_alternatives(self) -> Span:
        """The starts among which alternatives are looked for."""
        near = range(self.start - ALTERNATIVES_WITHIN, self.start + ALTERNATIVES_WITHIN + 1)
        return overlap(near, self.service.bookable_starts(self.viewer.now))

    def grids(self, busy_times: Sequence[BusyTimes], patient_busy_times: BusyTimes) -> list[AvailabilityGrid]:
        """Return the grid of each doctor for this one start."""
        service, viewer = self._terms_for_grain()
        candidates = range(self.start, self.start + 1)
        doctors = zip(self.offer.doctors, busy_times, strict=True)
        return [AvailabilityGrid.of(service, doctor, candidates, viewer, busy, patient_busy_times) for doctor, busy in doctors]

    def _terms_for_grain(self) -> tuple[ServiceTerms, Viewer]:
        """Return the terms and the viewer to evaluate the beginning of the grain in place of the exact start.

        A start after the beginning of its grain is always refused as off_grid. To find its other reasons exactly, the visit is made one
        grain longer, because it reaches into one grain more, and `now` is made earlier by the lateness.
        """
        if not self.lateness:
            return self.service, self.viewer
        return replace(self.service, duration=self.service.duration + 1), replace(self.viewer, now=self.viewer.now - self.lateness)


@dataclass(frozen=True, slots=True)
class SlotEvaluation:
    """The answer to a SlotRequest. `busy_times`, `grids`, `reasons` and `lifted` belong to the doctors of the offer, in the same order.

    `reasons` are those that stand, `lifted` those that the override lifts.
    """

    request: SlotRequest
    busy_times: Sequence[BusyTimes]
    patient_busy_times: BusyTimes
    grids: Sequence[AvailabilityGrid]
    reasons: Sequence[Sequence[Reason]]
    lifted: Sequence[Sequence[Reason]]

    @classmethod
    def of(cls, request: SlotRequest, loaded: Mapping[UUID, BusyTimes]) -> Self:
        """Evaluate a request with the busy times by person; a person without any may be missing."""
        viewer = request.viewer
        patient_busy_times = loaded.get(viewer.patient_id, NOT_BUSY) if viewer.patient_id else NOT_BUSY
        busy_times = [loaded.get(doctor.id, NOT_BUSY) for doctor in request.offer.doctors]
        grids = request.grids(busy_times, patient_busy_times)
        all_reasons = [availability.reasons_against(grid, request.starts_at) for grid in grids]
        can_be_lifted = availability.reasons_lifted_by(request.override)
        reasons = [[reason for reason in given if reason not in can_be_lifted] for given in all_reasons]
        lifted = [[reason for reason in given if reason in can_be_lifted] for given in all_reasons]
        return cls(request, busy_times, patient_busy_times, grids, reasons, lifted)

    @property
    def is_conflict(self) -> bool:
        """True if with at least one doctor every reason against the start is a claim of somebody else."""
        return self._conflict is not None

    def best_doctor(self) -> DoctorTerms | None:
        """Return the doctor to book: one for whom no rule is lifted, whose time the viewer holds, who is the least busy on that day, then
        the first by id.

        Return None if the start can be booked with no doctor.
        """
        free = [index for index, reasons in enumerate(self.reasons) if not reasons]
        if len(free) < 2:
            return self.request.offer.doctors[free[0]] if free else None
        return self.request.offer.doctors[min(free, key=self._rank)]

    def needed_override(self, doctor_id: UUID) -> OverrideCode | None:
        """Return the override if a booking with this doctor needs it; None if no rule refuses the booking."""
        return self.request.override if self.lifted[self._index_of(doctor_id)] else None

    def convertible_hold(self, doctor_id: UUID) -> Hold | None:
        """Return the viewer's hold whose time a booking with this doctor takes over, if there is one that has just that time."""
        request = self.request
        own = [hold for hold in self.busy_times[self._index_of(doctor_id)].holds if hold.owner_id == request.viewer.id]
        same = [hold for hold in own if (hold.service_id, hold.visit.start) == (request.service.id, request.start)]
        return next((hold for hold in same if hold.has_time_of(request.service)), None)

    def refusal(self, alternatives: Sequence[Alternative]) -> Refusal:
        """Return the refusal to raise if there is no doctor to book: a conflict with alternatives, else NotBookable with the reasons."""
        conflict = self._conflict
        if conflict is None:
            return NotBookable(reasons=[reason.as_fact() for reason in availability.merged_reasons(self.reasons)])
        facts: dict[str, Any] = {"available_again_at": self._available_again_at()} if conflict is SlotHeld else {}
        return conflict(alternatives=list(alternatives), **facts)

    def removable_holds(self, doctor_id: UUID, own_holds: Sequence[Hold] = ()) -> list[Hold]:
        """Return the holds that a booking with this doctor removes: expired holds and the viewer's own ones in its time, and those of
        `own_holds` that would exceed a cap together with the booking, because the evaluation did not count the viewer's holds."""
        request = self.request
        index = self._index_of(doctor_id)
        doctor, busy_times, start = request.offer.doctors[index], self.busy_times[index], request.start
        in_the_way = [
            *busy_times.removable_holds(request.service.doctor_span(start), request.viewer.id),
            *self.patient_busy_times.removable_holds(request.service.visit_span(start), request.viewer.id),
        ]
        over_cap = [
            hold
            for hold in own_holds
            if (hold.doctor_id, hold.service_id) == (doctor_id, request.service.id)
            and exceeds_cap(request.service, doctor.hours, busy_times.counted_starts, hold.visit.start, start)
        ]
        return list({hold.id: hold for hold in in_the_way + over_cap}.values())

    @property
    def _conflict(self) -> type[Conflict] | None:
        return availability.mildest_conflict(filter(None, map(availability.conflict_of, self.reasons)))

    def _index_of(self, doctor_id: UUID) -> int:
        return next(index for index, doctor in enumerate(self.request.offer.doctors) if doctor.id == doctor_id)

    def _rank(self, index: int) -> tuple[bool, bool, int, int]:
        doctor, start = self.request.offer.doctors[index], self.request.start
        is_held_by_viewer = start in self.grids[index].own_holds
        busy = self.busy_times[index].grains_with_patients(doctor.hours.spans_of_same_day(start))
        return bool(self.lifted[index]), not is_held_by_viewer, busy, doctor.id.int

    def _available_again_at(self) -> datetime:
        """Return the first instant at which one of the doctors' times is no longer held."""
        held = [index for index, reasons in enumerate(self.reasons) if availability.conflict_of(reasons) is SlotHeld]
        return min(map(self._held_until, held))

    def _held_until(self, index: int) -> datetime:
        service, start, viewer = self.request.service, self.request.start, self.request.viewer
        session_id = GroupSession.at(service, self.request.offer.doctors[index].id, start).id if service.is_group else None
        return self.busy_times[index].held_until(service.doctor_span(start), session_id, viewer.id) or viewer.now


def nearest_alternatives(grids: Sequence[AvailabilityGrid], start: int) -> list[Alternative]:
    """Return the free starts of all doctors that are nearest to a start, in the order of time."""
    starts = sorted((free.start, free.doctor_id) for grid in grids for free in nearest_starts(grid, start, MAX_ALTERNATIVES))
    nearest = sorted(starts, key=lambda free: abs(free[0] - start))[:MAX_ALTERNATIVES]
    return [Alternative(doctor_id=doctor_id, starts_at=instant_of(free_start)) for free_start, doctor_id in sorted(nearest)]
