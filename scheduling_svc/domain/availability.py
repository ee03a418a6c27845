"""The one decision: which starts are possible, and why the others are not.

A rule is a function from a sheet to the starts that it refuses, as a bitmap; its name is the reason's code and its docstring the
reason's detail. Possible is what no rule refuses. The list, the reservation and every explanation read this same table, so they
cannot disagree; a new rule is a function here and its line in RULES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from scheduling_svc.domain.refusals import PatientBusy, SlotHeld, SlotTaken
from scheduling_svc.domain.sheet import Sheet
from shared.contracts.grains import ALL_BITS, first_grain_at_or_after, grain_of, instant_of, ones, run_starts, set_bits, widen
from shared.contracts.refusals import Conflict


class Reason(NamedTuple):
    """Why a start is not possible: a stable code and a sentence."""

    code: str
    detail: str


Rule = Callable[[Sheet], int]


def service_inactive(sheet: Sheet) -> int:
    """The doctor does not offer this service now."""
    return 0 if sheet.service.active and sheet.service.id in sheet.doctor.services else ALL_BITS


def doctor_inactive(sheet: Sheet) -> int:
    """The doctor does not work here now."""
    return 0 if sheet.doctor.active else ALL_BITS


def doctor_not_accepting(sheet: Sheet) -> int:
    """The doctor takes no new patients; the front desk can still book."""
    return 0 if sheet.doctor.accepting or sheet.view.by_staff else ALL_BITS


def in_the_past(sheet: Sheet) -> int:
    """This time is over."""
    return sheet.until(first_grain_at_or_after(sheet.view.now))


def too_soon(sheet: Sheet) -> int:
    """This service is booked longer ahead."""
    return sheet.until(sheet.service.open_to(sheet.view.now).start) & ~in_the_past(sheet)


def beyond_horizon(sheet: Sheet) -> int:
    """This service is not booked so far ahead."""
    return ~sheet.until(sheet.service.open_to(sheet.view.now).stop)


def outside_hours(sheet: Sheet) -> int:
    """The visit does not lie within the doctor's hours."""
    return ~run_starts(sheet.working, sheet.service.duration)


def off_grid(sheet: Sheet) -> int:
    """Visits start at other times than this."""
    return sheet.working & ~sheet.grid


def on_leave(sheet: Sheet) -> int:
    """The doctor is away, or the clinic is closed; no buffer may reach into that either."""
    return sheet.touching(sheet.away) if sheet.away else 0


def taken(sheet: Sheet) -> int:
    """The doctor has another patient then, or the group is full."""
    return widen(sheet.visits, sheet.service.duration) & ~sheet.seats_left & ~sheet.seats_held


def held(sheet: Sheet) -> int:
    """Someone else holds this time for a few minutes."""
    return sheet.touching(sheet.held) & ~sheet.seats_left | sheet.seats_held if sheet.held or sheet.seats_held else 0


def buffer(sheet: Sheet) -> int:
    """The doctor needs the time before or after another visit."""
    return sheet.beside & ~sheet.seats_left & ~sheet.seats_held


def daily_cap_reached(sheet: Sheet) -> int:
    """The doctor has as many such visits on that day as the clinic allows."""
    return sheet.full_days & ~sheet.seats_left


def weekly_cap_reached(sheet: Sheet) -> int:
    """The doctor has as many such visits in that week as the clinic allows."""
    return sheet.full_weeks & ~sheet.seats_left


def patient_busy(sheet: Sheet) -> int:
    """The patient has another appointment then."""
    return widen(sheet.patient, sheet.service.duration) if sheet.patient else 0


RULES: tuple[Rule, ...] = (
    service_inactive,
    doctor_inactive,
    doctor_not_accepting,
    in_the_past,
    too_soon,
    beyond_horizon,
    outside_hours,
    off_grid,
    on_leave,
    taken,
    held,
    buffer,
    daily_cap_reached,
    weekly_cap_reached,
    patient_busy,
)


def free(sheet: Sheet) -> int:
    """The starts among those asked for at which a visit can start, as bits of the sheet's frame."""
    refused = 0
    for rule in RULES:
        refused |= rule(sheet)
    return ones(len(sheet.asked)) << sheet.asked.start - sheet.frame.start & ~refused


def starts(sheet: Sheet) -> Iterator[int]:
    """The grains among those asked for at which a visit can start, in order."""
    return set_bits(free(sheet), sheet.frame.start)


def reasons(sheet: Sheet, starts_at: datetime) -> list[Reason]:
    """All that stands against a visit at an instant in one of the grains asked for; nothing when it can be booked."""
    grain = grain_of(starts_at)
    bit = 1 << grain - sheet.frame.start
    between = instant_of(grain) != starts_at
    found = [rule for rule in RULES if rule(sheet) & bit or (rule is off_grid and between)]
    return [_reason(rule) for rule in found]


def _reason(rule: Rule) -> Reason:
    return Reason(rule.__name__, " ".join((rule.__doc__ or "").split()))


NOBODY_OFFERS_IT = [_reason(service_inactive)]


CONFLICTS: dict[str, type[Conflict]] = {
    taken.__name__: SlotTaken,
    buffer.__name__: SlotTaken,
    held.__name__: SlotHeld,
    patient_busy.__name__: PatientBusy,
}


ALONGSIDE = {daily_cap_reached.__name__, weekly_cap_reached.__name__}
AWAY_ALTOGETHER = {doctor_inactive.__name__, doctor_not_accepting.__name__}


def conflict(against: Sequence[Reason]) -> type[Conflict] | None:
    """The conflict, where nothing but other people's claims stands against a start: what is booked before what is held, the doctor's
    before the patient's. A cap that is reached alongside changes nothing of that; alone it is no conflict."""
    codes = {reason.code for reason in against}
    if codes - CONFLICTS.keys() - ALONGSIDE:
        return None
    return next((kind for code, kind in CONFLICTS.items() if code in codes), None)


def mildest(conflicts: Iterable[type[Conflict]]) -> type[Conflict] | None:
    """Of several doctors' conflicts, that of the one who comes nearest to being free."""
    return max(conflicts, key=list(CONFLICTS.values()).index, default=None)


def together(against: Sequence[Sequence[Reason]]) -> list[Reason]:
    """The reasons of several doctors, each once and in the order of the rules; who does not see anyone counts where nobody does."""
    seeing = [reasons for reasons in against if not {reason.code for reason in reasons} & AWAY_ALTOGETHER]
    told = {reason for reasons in seeing or against for reason in reasons}
    return [reason for reason in map(_reason, RULES) if reason in told]
