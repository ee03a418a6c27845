"""The one decision: which starts are possible, and why the others are not.

A rule is a function from a sheet to the starts that it refuses, as a bitmap; its name is the reason's code and its docstring the
reason's detail. Possible is what no rule refuses. The list, the reservation and every explanation read this same table, so they
cannot disagree; a new rule is a function here and its line in RULES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self

from scheduling_svc.domain.claims import Engagement
from scheduling_svc.domain.refusals import PatientBusy, SlotTaken
from scheduling_svc.domain.terms import Doctor, Service
from shared.contracts.grains import EVERY, Span, eroded, grain_from, grain_of, instant_of, members, painted, run, spread
from shared.contracts.refusals import Conflict


class Reason(NamedTuple):
    """Why a start is not possible: a stable code and a sentence."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One doctor's time for one service as bitmaps over `frame`; `asked` are the starts in question.

    `visits` is the doctor's time with patients, `engaged` that with all buffers, `patient` the time that the patient is not free.
    `by_staff`: the one who asks may book with a doctor who takes no new patients.
    """

    service: Service
    doctor: Doctor
    now: datetime
    asked: Span
    frame: Span
    working: int
    grid: int
    visits: int
    engaged: int
    patient: int
    by_staff: bool

    @classmethod
    def of(
        cls,
        service: Service,
        doctor: Doctor,
        asked: Span,
        *,
        now: datetime,
        engagements: Sequence[Engagement],
        patient: Sequence[Engagement] = (),
        by_staff: bool = False,
    ) -> Self:
        """From the engagements of the doctor, and of the patient where there is one in particular."""
        frame = service.frame(asked)
        working, grid = doctor.hours.expanded(frame, service.step)
        visits = painted(((taken.starts, taken.ends) for taken in engagements), frame)
        engaged = painted(((taken.first, taken.last) for taken in engagements), frame)
        busy = painted(((taken.first, taken.last) for taken in patient), frame)
        return cls(service, doctor, now, asked, frame, working, grid, visits, engaged, busy, by_staff)

    def until(self, grain: int) -> int:
        """The bits of all grains before one."""
        return run(grain - self.frame.start)


Rule = Callable[[Sheet], int]


def service_inactive(sheet: Sheet) -> int:
    """The doctor does not offer this service now."""
    return 0 if sheet.service.active and sheet.service.id in sheet.doctor.services else EVERY


def doctor_inactive(sheet: Sheet) -> int:
    """The doctor does not work here now."""
    return 0 if sheet.doctor.active else EVERY


def doctor_not_accepting(sheet: Sheet) -> int:
    """The doctor takes no new patients; the front desk can still book."""
    return 0 if sheet.doctor.accepting or sheet.by_staff else EVERY


def in_the_past(sheet: Sheet) -> int:
    """This time is over."""
    return sheet.until(grain_from(sheet.now))


def too_soon(sheet: Sheet) -> int:
    """This service is booked longer ahead."""
    return sheet.until(sheet.service.open_to(sheet.now).start) & ~in_the_past(sheet)


def beyond_horizon(sheet: Sheet) -> int:
    """This service is not booked so far ahead."""
    return ~sheet.until(sheet.service.open_to(sheet.now).stop)


def outside_hours(sheet: Sheet) -> int:
    """The visit does not lie within the doctor's hours."""
    return ~eroded(sheet.working, sheet.service.duration)


def off_grid(sheet: Sheet) -> int:
    """Visits start at other times than this."""
    return sheet.working & ~sheet.grid


def taken(sheet: Sheet) -> int:
    """The doctor has another patient then."""
    return spread(sheet.visits, sheet.service.duration)


def buffer(sheet: Sheet) -> int:
    """The doctor needs the time before or after another visit."""
    before, after = sheet.service.before, sheet.service.after
    return spread(sheet.engaged, before + sheet.service.duration + after) << before & ~taken(sheet)


def patient_busy(sheet: Sheet) -> int:
    """The patient has another appointment then."""
    return spread(sheet.patient, sheet.service.duration)


RULES: tuple[Rule, ...] = (
    service_inactive,
    doctor_inactive,
    doctor_not_accepting,
    in_the_past,
    too_soon,
    beyond_horizon,
    outside_hours,
    off_grid,
    taken,
    buffer,
    patient_busy,
)


def starts(sheet: Sheet) -> Iterator[int]:
    """The grains among those asked for at which a visit can start, in order."""
    refused = 0
    for rule in RULES:
        refused |= rule(sheet)
    asked = run(len(sheet.asked)) << sheet.asked.start - sheet.frame.start
    return members(asked & ~refused, sheet.frame.start)


def reasons(sheet: Sheet, starts_at: datetime) -> list[Reason]:
    """All that stands against a visit at an instant in one of the grains asked for; nothing when it can be booked."""
    grain = grain_of(starts_at)
    bit = 1 << grain - sheet.frame.start
    between = instant_of(grain) != starts_at
    found = [rule for rule in RULES if rule(sheet) & bit or (rule is off_grid and between)]
    return [Reason(rule.__name__, " ".join((rule.__doc__ or "").split())) for rule in found]


CONFLICTS: dict[str, type[Conflict]] = {taken.__name__: SlotTaken, buffer.__name__: SlotTaken, patient_busy.__name__: PatientBusy}


def conflict(against: Sequence[Reason]) -> type[Conflict] | None:
    """The conflict, where nothing but other people's claims stands against a start; the doctor's come first."""
    found = [CONFLICTS.get(reason.code) for reason in against]
    return next(filter(None, found)) if all(found) else None
