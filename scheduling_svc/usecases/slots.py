"""Listing the starts that can be booked, finding the earliest, and explaining why one cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from scheduling_svc.domain import availability
from scheduling_svc.domain.diary import View
from scheduling_svc.domain.refusals import NoSuchDoctor, NoSuchReservation, RangeReversed, RangeTooLong, UnknownDoctor
from scheduling_svc.domain.sheet import Sheet
from scheduling_svc.domain.slots import Explanation, Slot, SlotList
from scheduling_svc.domain.terms import Doctor, Service
from scheduling_svc.ports import Look
from scheduling_svc.usecases.rulebook import Opened, Rulebook
from scheduling_svc.usecases.sheets import Case, first_starts, sheets_of
from shared.contracts.grains import DAY, Span, first_grain_at_or_after, grain_of, overlap
from shared.contracts.identity import Caller
from shared.contracts.text_search import fold_text
from shared.kit.clock import Clock

Place = tuple[datetime, UUID]  # in a list of slots: a start, and a doctor

LONGEST = timedelta(days=62)
USUAL = timedelta(days=14)
FARTHEST = 62 * DAY


@dataclass(frozen=True, slots=True)
class SlotQuestion:
    """Which starts of a service are free from `begins` (default: now) up to, not including, `ends` (default: 14 days on).

    `doctor_ids` None: all who offer the service. `but` is an appointment whose own time counts as free. `time_zone` is for showing only.
    `after` is the start and doctor with which the last list ended.
    """

    service_id: UUID
    doctor_ids: tuple[UUID, ...] | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    time_zone: str | None = None
    but: UUID | None = None
    limit: int = 100
    after: Place | None = None

    def starts(self, now: datetime) -> Span:
        begins = self.begins or now
        ends = self.ends or begins + USUAL
        if begins >= ends:
            raise RangeReversed(pointer="/from")
        if ends - begins > LONGEST:
            raise RangeTooLong(pointer="/to", longest_days=LONGEST.days)
        return range(first_grain_at_or_after(begins), first_grain_at_or_after(ends))


@dataclass(frozen=True, slots=True)
class EarliestQuestion:
    """Which starts of a service come first from `begins` (default: now) on, among the doctors that fit; words are compared folded."""

    service_id: UUID
    begins: datetime | None = None
    specialty: str | None = None
    location: str | None = None
    language: str | None = None
    time_zone: str | None = None
    limit: int = 10
    after: Place | None = None

    def fits(self, doctor: Doctor) -> bool:
        return (
            (self.specialty is None or fold_text(self.specialty) in doctor.specialties)
            and (self.location is None or fold_text(self.location) in doctor.location)
            and (self.language is None or _speaks(doctor, fold_text(self.language)))
        )


@dataclass(frozen=True, slots=True)
class Slots:
    rulebook: Rulebook
    now: Clock

    async def free(self, question: SlotQuestion, by: Caller | None) -> SlotList:
        """Ordered by start, then doctor. A patient who asks sees what they could book, staff also what only they may."""
        now = self.now()
        asked, view = question.starts(now), View.of(by, now, but=question.but)
        async with self.rulebook.opened(question.service_id, question.doctor_ids) as opened:
            if question.but is not None:
                view = await _for_a_move(opened.look, question.but, opened.service, by, view)
            starts = _onwards(overlap(asked, opened.service.open_to(now)), question.after)
            sheets = await sheets_of(opened.look, opened.service, opened.doctors, starts, view)
        return _listed(sheets, question, now)

    async def free_of(self, question: SlotQuestion, by: Caller | None) -> SlotList:
        """As `free`, for the page of a doctor: when nobody knows the doctor, there is no such page."""
        try:
            return await self.free(question, by)
        except UnknownDoctor:
            raise NoSuchDoctor from None

    async def earliest(self, question: EarliestQuestion, by: Caller | None) -> SlotList:
        """By start, then doctor, up to the service's horizon; `complete` when there are no more."""
        now = self.now()
        view = View.of(by, now)
        async with self.rulebook.opened(question.service_id) as opened:
            opened = replace(opened, doctors=list(filter(question.fits, opened.doctors)))
            asked = _onwards(_from(question.begins or now, opened.service.open_to(now)), question.after)
            passed_over = len(opened.doctors) if question.after else 0
            sheets = await _enough(opened, asked, view, question.limit + 1 + passed_over)
        return _listed(sheets, question, now)

    async def explain(self, service_id: UUID, doctor_id: UUID, starts_at: datetime, by: Caller) -> Explanation:
        """Every reason that applies to the caller, in the order of the rules."""
        async with self.rulebook.opened(service_id, [doctor_id]) as opened:
            case = await Case.of(opened.look, opened.service, opened.doctors, starts_at, View.of(by, self.now()))
        reasons = availability.reasons(case.sheets[0], starts_at)
        return Explanation(bookable=not reasons, reasons=reasons)


async def _enough(opened: Opened[Look], asked: Span, view: View, wanted: int) -> list[Sheet]:
    """Looks at a day, then at twice as many, until enough is found: the earliest start is mostly near, and the horizon may be far."""
    found: list[Sheet] = []
    days, start = 1, asked.start
    while start < asked.stop and wanted > 0:
        window = range(start, min(asked.stop, start + min(days * DAY, FARTHEST)))
        more = await sheets_of(opened.look, opened.service, opened.doctors, window, view)
        counts = [availability.free(sheet).bit_count() for sheet in more]
        found += [sheet for sheet, count in zip(more, counts, strict=True) if count]
        wanted -= sum(counts)
        days, start = days * 2, window.stop
        await asyncio.sleep(0)
    return found


def _from(begins: datetime, open_to: Span) -> Span:
    start = max(first_grain_at_or_after(begins), open_to.start)
    return range(start, max(start, open_to.stop))


def _onwards(starts: Span, after: Place | None) -> Span:
    return overlap(starts, range(grain_of(after[0]), starts.stop)) if after else starts


def _speaks(doctor: Doctor, language: str) -> bool:
    """A language range takes in its variants (RFC 4647 section 3.3.1)."""
    return any(spoken == language or spoken.startswith(f"{language}-") for spoken in doctor.languages)


def _listed(sheets: Sequence[Sheet], question: SlotQuestion | EarliestQuestion, now: datetime) -> SlotList:
    """A doctor may come with several sheets, of one stretch of time after the other."""
    limit, after = question.limit, (grain_of(question.after[0]), question.after[1].int) if question.after else None
    found = first_starts(sheets, limit + 1, after)
    items = [Slot.of(sheet, grain, question.time_zone) for grain, _, sheet in found[:limit]]
    return SlotList(items, complete=len(found) <= limit, generated_at=now)


async def _for_a_move(look: Look, appointment_id: UUID, service: Service, by: Caller | None, view: View) -> View:
    """Whose time may be seen as free: one's own, as its patient or doctor; staff may see every one so. It is seen for its patient.

    A move keeps the service, and what was released can only be restored.
    """
    claim = await look.claim(appointment_id)
    if by is None or claim is None or not claim.concerns(by) or not claim.can_move_within(service):
        raise NoSuchReservation
    return replace(view, patient_id=claim.place.patient_id if claim.place else None)
