"""Previewing moves of many appointments, such as a day's list of one doctor that goes to a colleague."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from scheduling_svc.domain.availability import Reason, reasons_against
from scheduling_svc.domain.busy_times import NOT_BUSY
from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.domain.grid import AvailabilityGrid
from scheduling_svc.domain.proposals import PlannedSlots
from scheduling_svc.domain.refusals import NoSuchReservation, UnknownDoctor
from scheduling_svc.domain.slots import nearest_starts
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.ports import CalendarReader, CalendarStore
from shared.contracts.grains import Span, grain_of, instant_of, overlap
from shared.contracts.identity import Caller
from shared.contracts.moves import MovePreview, PlannedMove, PlannedMoves
from shared.contracts.refusals import Refusal
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class MovePreviewing:
    """Previews of moves, which change nothing."""

    store: CalendarStore
    now: Clock

    @retry_on_abort
    async def preview(self, planned: PlannedMoves) -> list[MovePreview]:
        """Return for each move whether it can be made, and the nearest start where it cannot."""
        async with self.store.read() as calendar:
            planner = MovePlanner(calendar, planned.by.caller, self.now())
            as_planned = [await planner.preview_as_planned(move) for move in planned.moves]
            return [
                preview if preview.code is None else await planner.propose(move, preview)
                for move, preview in zip(planned.moves, as_planned, strict=True)
            ]


class _Target(NamedTuple):
    """Where an appointment is to move: the terms, the doctor, and the start."""

    claim_id: UUID
    slot: BookedSlot
    service: ServiceTerms
    doctor: DoctorTerms
    starts_at: datetime

    @property
    def start(self) -> int:
        return grain_of(self.starts_at)

    @property
    def day(self) -> Span:
        parts = self.doctor.hours.spans_of_same_day(self.start)
        return range(parts[0].start, parts[-1].stop) if parts else range(self.start, self.start + 1)


@dataclass(slots=True)
class MovePlanner:
    """Plans one set of moves, so that all of them can be made together: each counts as made when the next one is planned.

    All moves that can be made as planned come first, so that no proposal takes their time.
    """

    calendar: CalendarReader
    by: Caller
    now: datetime
    _planned: PlannedSlots = field(default_factory=PlannedSlots)

    async def preview_as_planned(self, move: PlannedMove) -> MovePreview:
        """Return whether a move can be made, without a start if it cannot."""
        try:
            target = await self._load_target(move)
        except Refusal as refusal:
            return _preview(move, move.doctor_id, None, refusal)
        if (target.slot.doctor_id, instant_of(target.slot.visit.start)) == (target.doctor.id, target.starts_at):
            return _preview(move, target.doctor.id, target.starts_at)
        grid = await self._load_grid(target, range(target.start, target.start + 1))
        reasons = reasons_against(grid, target.starts_at)
        if reasons:
            return _preview(move, target.doctor.id, None, reasons[0])
        self._plan(target, target.start)
        return _preview(move, target.doctor.id, target.starts_at)

    async def propose(self, move: PlannedMove, refused: MovePreview) -> MovePreview:
        """Return the preview of a move that cannot be made, with the nearest start on the same day, if there is one."""
        try:
            target = await self._load_target(move)
        except Refusal:
            return refused
        grid = await self._load_grid(target, overlap(target.day, target.service.bookable_starts(self.now)))
        nearest = [free.start for free in nearest_starts(grid, target.start, limit=1)]
        if not nearest:
            return refused
        start = min(nearest, key=lambda start: (abs(start - target.start), start))
        self._plan(target, start)
        return refused.model_copy(update={"starts_at": instant_of(start)})

    def _plan(self, target: _Target, start: int) -> None:
        self._planned.add(BookedSlot.of(target.slot.patient_id, target.service, target.doctor.id, start))

    async def _load_target(self, move: PlannedMove) -> _Target:
        """Return where an appointment is to move. Raise NoSuchReservation or UnknownDoctor."""
        claim = await self.calendar.find_claim(move.appointment_id)
        slot = _movable_slot(claim)
        if claim is None or slot is None:
            raise NoSuchReservation
        doctors = await self.calendar.list_doctors([move.doctor_id or slot.doctor_id])
        service = await self.calendar.find_service(slot.service_id)
        if service is None or not doctors:
            raise UnknownDoctor
        starts_at = move.starts_at or instant_of(slot.visit.start)
        return _Target(claim.id, slot, service.with_duration(slot.duration), doctors[0], starts_at)

    async def _load_grid(self, target: _Target, candidates: Span) -> AvailabilityGrid:
        """Return the grid of the doctor for some starts, with what is planned so far."""
        viewer = Viewer.of(self.by, self.now, patient_id=target.slot.patient_id, exclude_appointment_id=target.claim_id)
        loaded = await self.calendar.list_busy_times(target.service, [target.doctor.id], target.service.frame(candidates), viewer)
        doctor_busy, patient_busy = (
            self._planned.apply_to(loaded.get(person_id, NOT_BUSY), person_id, target.service)
            for person_id in (target.doctor.id, target.slot.patient_id)
        )
        return AvailabilityGrid.of(target.service, target.doctor, candidates, viewer, doctor_busy, patient_busy)


def _movable_slot(claim: Claim | None) -> BookedSlot | None:
    return claim.slot if claim is not None and claim.live and not claim.begun else None


def _preview(move: PlannedMove, doctor_id: UUID | None, starts_at: datetime | None, against: Reason | Refusal | None = None) -> MovePreview:
    code, detail = (against.code, against.detail) if against else (None, None)
    return MovePreview(appointment_id=move.appointment_id, doctor_id=doctor_id, starts_at=starts_at, code=code, detail=detail)
