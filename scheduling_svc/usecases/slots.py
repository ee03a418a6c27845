"""Listing the starts that can be booked, finding the earliest ones, and explaining why a start cannot be booked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from scheduling_svc.domain.availability import free_starts
from scheduling_svc.domain.claims import BookedSlot
from scheduling_svc.domain.grid import AvailabilityGrid
from scheduling_svc.domain.refusals import NoSuchReservation, UnknownDoctor
from scheduling_svc.domain.slots import Cursor, Explanation, SlotList
from scheduling_svc.domain.terms import DoctorTerms, ServiceOffer, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.ports import CalendarReader, CalendarStore
from scheduling_svc.usecases.evaluation import load_evaluation, load_grids
from scheduling_svc.usecases.rule_cache import RuleCache, load_offer
from shared.contracts.grains import DAY, Span, first_grain_at_or_after, grain_of, overlap
from shared.contracts.identity import Caller
from shared.contracts.ranges import check_range
from shared.contracts.relayed_refusals import NoSuchDoctor
from shared.contracts.text_search import fold_text
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

MAX_RANGE = timedelta(days=62)
DEFAULT_RANGE = timedelta(days=14)
MAX_WINDOW = 62 * DAY


@dataclass(frozen=True, slots=True)
class SlotQuery:
    """Which starts of a service are free from `begins` (default: now) up to, not including, `ends` (default: 14 days later).

    Without `doctor_ids` all doctors who offer the service are searched. `time_zone` is only for showing the slots. `after` is the start and
    doctor with which the last list ended.
    """

    service_id: UUID
    doctor_ids: tuple[UUID, ...] | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    time_zone: str | None = None
    exclude_appointment_id: UUID | None = None
    limit: int = 100
    after: Cursor | None = None

    def candidates(self, now: datetime) -> Span:
        """Return the starts in the range; raise RangeReversed, or RangeTooLong beyond 62 days."""
        begins = self.begins or now
        ends = self.ends or begins + DEFAULT_RANGE
        check_range(begins, ends, MAX_RANGE)
        return range(first_grain_at_or_after(begins), first_grain_at_or_after(ends))


@dataclass(frozen=True, slots=True)
class EarliestQuery:
    """Which starts of a service come first from `begins` (default: now) on, among the doctors that match.

    Texts are compared without case and accents."""

    service_id: UUID
    begins: datetime | None = None
    specialty: str | None = None
    location: str | None = None
    language: str | None = None
    time_zone: str | None = None
    limit: int = 10
    after: Cursor | None = None

    def matches(self, doctor: DoctorTerms) -> bool:
        """Return True if a doctor has the specialty, the location (as a part of it) and the language."""
        return (
            (self.specialty is None or fold_text(self.specialty) in doctor.specialties)
            and (self.location is None or fold_text(self.location) in doctor.location)
            and (self.language is None or _speaks(doctor, fold_text(self.language)))
        )

    def candidates(self, now: datetime, service: ServiceTerms) -> Span:
        """Return the starts from `begins` up to the horizon of the service."""
        bookable = service.bookable_starts(now)
        start = max(first_grain_at_or_after(self.begins or now), bookable.start)
        return range(start, max(start, bookable.stop))


@dataclass(frozen=True, slots=True)
class SlotSearch:
    """Searches free slots and explains why a start is not free."""

    store: CalendarStore
    rules: RuleCache
    now: Clock

    @retry_on_abort
    async def list_free(self, query: SlotQuery, by: Caller | None) -> SlotList:
        """Return free slots in the order of start and doctor: those that the caller can book. Staff can book some that patients cannot."""
        now = self.now()
        candidates, viewer = query.candidates(now), Viewer.of(by, now, exclude_appointment_id=query.exclude_appointment_id)
        await self.rules.ensure(query.service_id, query.doctor_ids)
        await self.rules.refresh_for(by, query.doctor_ids or ())
        async with self.store.read() as calendar:
            offer = await load_offer(calendar, query.service_id, query.doctor_ids)
            if query.exclude_appointment_id is not None:
                moved = await _slot_to_move(calendar, query.exclude_appointment_id, offer.service, by)
                viewer, offer = replace(viewer, patient_id=moved.patient_id), offer.with_duration(moved.duration)
            candidates = _from_cursor(overlap(candidates, offer.service.future_starts(now)), query.after)
            grids = await load_grids(calendar, offer, candidates, viewer)
        return SlotList.of(grids, query.limit, query.after, time_zone=query.time_zone, now=now)

    async def list_free_of_doctor(self, query: SlotQuery, by: Caller | None) -> SlotList:
        """Return the same as `list_free` for the page of one doctor; raise NoSuchDoctor instead of UnknownDoctor."""
        try:
            return await self.list_free(query, by)
        except UnknownDoctor:
            raise NoSuchDoctor from None

    @retry_on_abort
    async def list_earliest(self, query: EarliestQuery, by: Caller | None) -> SlotList:
        """Return the first free slots of all matching doctors up to the horizon of the service, in the order of start and doctor."""
        now = self.now()
        viewer = Viewer.of(by, now)
        await self.rules.ensure(query.service_id)
        async with self.store.read() as calendar:
            offer = await load_offer(calendar, query.service_id)
            offer = replace(offer, doctors=list(filter(query.matches, offer.doctors)))
            candidates = _from_cursor(query.candidates(now, offer.service), query.after)
            already_seen = len(offer.doctors) if query.after else 0
            grids = await _load_until_enough(calendar, offer, candidates, viewer, wanted=query.limit + 1 + already_seen)
        return SlotList.of(grids, query.limit, query.after, time_zone=query.time_zone, now=now)

    @retry_on_abort
    async def explain(self, service_id: UUID, doctor_id: UUID, starts_at: datetime, by: Caller) -> Explanation:
        """Return every reason for which the caller cannot book a start, in the order of the rules."""
        await self.rules.ensure(service_id, [doctor_id])
        async with self.store.read() as calendar:
            offer = await load_offer(calendar, service_id, [doctor_id])
            evaluation = await load_evaluation(calendar, offer, starts_at, Viewer.of(by, self.now()))
        reasons = list(evaluation.reasons[0])
        return Explanation(bookable=not reasons, reasons=reasons)


async def _load_until_enough(
    calendar: CalendarReader, offer: ServiceOffer, candidates: Span, viewer: Viewer, *, wanted: int
) -> list[AvailabilityGrid]:
    """Load grids of one day, then of two, of four and so on, until `wanted` free starts are found.

    The earliest start is usually near, and the horizon may be far.
    """
    grids: list[AvailabilityGrid] = []
    days, start = 1, candidates.start
    while start < candidates.stop and wanted > 0:
        window = range(start, min(candidates.stop, start + min(days * DAY, MAX_WINDOW)))
        loaded = await load_grids(calendar, offer, window, viewer)
        counts = [len(free_starts(grid)) for grid in loaded]
        grids += [grid for grid, count in zip(loaded, counts, strict=True) if count]
        wanted -= sum(counts)
        days, start = days * 2, window.stop
        await asyncio.sleep(0)
    return grids


def _from_cursor(candidates: Span, after: Cursor | None) -> Span:
    """Leave out the starts before a cursor; its own start stays, because other doctors may follow at the same start."""
    return overlap(candidates, range(grain_of(after[0]), candidates.stop)) if after else candidates


def _speaks(doctor: DoctorTerms, language: str) -> bool:
    """Return True if a doctor speaks a language or a variant of it (RFC 4647, section 3.3.1)."""
    return any(spoken == language or spoken.startswith(f"{language}-") for spoken in doctor.languages)


async def _slot_to_move(calendar: CalendarReader, appointment_id: UUID, service: ServiceTerms, by: Caller | None) -> BookedSlot:
    """Return the present slot of an appointment that is to be moved; its patient and its length stay.

    Only its patient, its doctor and staff may exclude an appointment. Raise NoSuchReservation for anyone else, for a released appointment
    and for one of another service.
    """
    claim = await calendar.find_claim(appointment_id)
    if by is None or claim is None or claim.slot is None or not claim.is_visible_to(by) or not claim.can_move_within(service):
        raise NoSuchReservation
    return claim.slot
