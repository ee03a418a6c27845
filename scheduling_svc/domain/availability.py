"""The rules of availability: which starts can be booked, and why the others cannot.

Every rule is a function that returns the starts it refuses, as a bitmap. RULES pairs each rule with its public code and its sentence. A
start is free when no rule refuses it. Lists, holds, reservations, moves, leaves and explanations all read this table, so that they cannot
disagree. To add a rule, write its function and its line in RULES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from scheduling_svc.domain.grid import AvailabilityGrid
from shared.contracts.appointments import OverrideCode
from shared.contracts.grains import Bitmap, first_grain_at_or_after, grain_of, instant_of
from shared.contracts.refusals import Conflict
from shared.contracts.relayed_refusals import PatientBusy, SlotHeld, SlotTaken

Rule = Callable[[AvailabilityGrid], Bitmap]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a start cannot be booked: a stable public code, a sentence for people, and the rule that decides it."""

    code: str
    detail: str
    rule: Rule

    def as_fact(self) -> dict[str, str]:
        """Return the public part, for a refusal."""
        return {"code": self.code, "detail": self.detail}


def starts_of_service_not_offered(grid: AvailabilityGrid) -> Bitmap:
    """Refuse every start if the service is inactive or the doctor does not offer it."""
    return grid.no_start if grid.service.active and grid.service.id in grid.doctor.services else grid.every_start


def starts_with_inactive_doctor(grid: AvailabilityGrid) -> Bitmap:
    """Refuse every start if the doctor does not work here now."""
    return grid.no_start if grid.doctor.active else grid.every_start


def starts_with_doctor_not_accepting(grid: AvailabilityGrid) -> Bitmap:
    """Refuse every start, except to staff, if the doctor accepts no new patients."""
    return grid.no_start if grid.doctor.accepting_patients or grid.viewer.is_staff else grid.every_start


def starts_in_the_past(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts before now."""
    return grid.starts_before(first_grain_at_or_after(grid.viewer.now))


def starts_within_notice(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts from now up to the end of the notice of the service, except those that the viewer holds: they were held in time."""
    return grid.starts_before(grid.service.bookable_starts(grid.viewer.now).start) - starts_in_the_past(grid) - grid.own_holds


def starts_beyond_horizon(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts after the horizon of the service."""
    return grid.every_start - grid.starts_before(grid.service.bookable_starts(grid.viewer.now).stop)


def starts_outside_hours(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts of visits, without buffers, that do not lie within the working time as a whole."""
    return grid.every_start - starts_within_hours(grid.working, grid.service.duration)


def starts_within_hours(working: Bitmap, duration: int) -> Bitmap:
    """Return the starts from which a visit of so many grains, without buffers, lies within the working time as a whole."""
    return working.run_starts(duration)


def starts_between_steps(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts in working time that do not lie on the grid of their window."""
    return grid.working - grid.step_starts


def starts_during_absence(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts of visits that, buffers included, touch a leave or a closure."""
    return grid.spans_touching(grid.absences) if grid.absences else grid.no_start


def starts_during_visit(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts of visits that touch another visit, except those of group sessions, and those that the viewer holds.

    A visit in the time that the viewer holds was booked by staff over the hold; the hold can still be booked.
    """
    return grid.visits_touching(grid.visits) - grid.seats.joinable - grid.seats.last_seats_held - grid.seats.full - grid.held_for_viewer


def starts_of_full_group(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts of group sessions that take no more patients."""
    return grid.seats.full


def starts_during_hold(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts of visits that touch time which others hold, except those of group sessions that can be joined."""
    if not grid.held:
        return grid.no_start
    return grid.spans_touching(grid.held) - grid.seats.joinable - grid.seats.held


def starts_of_held_group(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts of group sessions whose last seats others hold."""
    return grid.seats.held


def starts_in_buffer(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts that leave too little time for the buffers of this visit or of the visit before or after it.

    Those that the viewer holds are not refused, as in `starts_during_visit`.
    """
    return grid.buffer_conflicts - grid.seats.joinable - grid.seats.last_seats_held - grid.held_for_viewer


def starts_on_full_day(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts on days that have reached the daily cap, except in group sessions that can be joined."""
    return grid.full_days - grid.seats.joinable


def starts_in_full_week(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts in weeks that have reached the weekly cap, except in group sessions that can be joined."""
    return grid.full_weeks - grid.seats.joinable


def starts_while_patient_is_busy(grid: AvailabilityGrid) -> Bitmap:
    """Refuse the starts of visits that touch another appointment of the patient."""
    return grid.visits_touching(grid.patient_busy) if grid.patient_busy else grid.no_start


SERVICE_INACTIVE = Reason("service_inactive", "The doctor does not offer this service now.", starts_of_service_not_offered)
DOCTOR_INACTIVE = Reason("doctor_inactive", "The doctor does not work here now.", starts_with_inactive_doctor)
DOCTOR_NOT_ACCEPTING = Reason(
    "doctor_not_accepting", "The doctor accepts no new patients; the reception can still book.", starts_with_doctor_not_accepting
)
IN_THE_PAST = Reason("in_the_past", "This time is in the past.", starts_in_the_past)
TOO_SOON = Reason("too_soon", "This service must be booked further in advance.", starts_within_notice)
BEYOND_HORIZON = Reason("beyond_horizon", "This service cannot be booked that far in advance.", starts_beyond_horizon)
OUTSIDE_HOURS = Reason("outside_hours", "The visit does not lie within the doctor's working hours.", starts_outside_hours)
OFF_GRID = Reason("off_grid", "Visits do not start at this time of the working hours.", starts_between_steps)
ON_LEAVE = Reason("on_leave", "The doctor is away or the clinic is closed at this time, buffers included.", starts_during_absence)
TAKEN = Reason("taken", "The doctor has another patient at this time.", starts_during_visit)
FULL_GROUP = Reason("taken", "The group is full.", starts_of_full_group)
HELD = Reason("held", "Someone else holds this time for a few minutes.", starts_during_hold)
HELD_GROUP = Reason("held", "Others hold the last places of the group for a few minutes.", starts_of_held_group)
BUFFER = Reason("buffer", "The doctor needs the time before or after another visit.", starts_in_buffer)
DAILY_CAP_REACHED = Reason("daily_cap_reached", "The doctor has reached the limit of such visits on this day.", starts_on_full_day)
WEEKLY_CAP_REACHED = Reason("weekly_cap_reached", "The doctor has reached the limit of such visits in this week.", starts_in_full_week)
PATIENT_BUSY = Reason("patient_busy", "The patient has another appointment at this time.", starts_while_patient_is_busy)

# The order in which reasons are given.
RULES: tuple[Reason, ...] = (
    SERVICE_INACTIVE,
    DOCTOR_INACTIVE,
    DOCTOR_NOT_ACCEPTING,
    IN_THE_PAST,
    TOO_SOON,
    BEYOND_HORIZON,
    OUTSIDE_HOURS,
    OFF_GRID,
    ON_LEAVE,
    TAKEN,
    FULL_GROUP,
    HELD,
    HELD_GROUP,
    BUFFER,
    DAILY_CAP_REACHED,
    WEEKLY_CAP_REACHED,
    PATIENT_BUSY,
)

# The reasons that are claims of other people, with the refusal for each; the first one that applies is given.
CONFLICTS: dict[Reason, type[Conflict]] = {
    TAKEN: SlotTaken,
    FULL_GROUP: SlotTaken,
    BUFFER: SlotTaken,
    HELD: SlotHeld,
    HELD_GROUP: SlotHeld,
    PATIENT_BUSY: PatientBusy,
}
CAPS = frozenset({DAILY_CAP_REACHED, WEEKLY_CAP_REACHED})
SEES_NO_PATIENTS = {DOCTOR_INACTIVE, DOCTOR_NOT_ACCEPTING}

# The reasons that each override of staff lifts. A group that is full or whose last places are held has no place, and a patient cannot be in
# two visits at once: nothing lifts these. Outside the working hours there is no grid of starts, and within them OFF_GRID still applies.
LIFTED_BY: dict[OverrideCode, frozenset[Reason]] = {
    OverrideCode.OVERBOOK: frozenset({TAKEN, HELD, BUFFER}),
    OverrideCode.OFF_HOURS: frozenset({OUTSIDE_HOURS}),
    OverrideCode.SHORT_NOTICE: frozenset({TOO_SOON}),
    OverrideCode.BEYOND_HORIZON: frozenset({BEYOND_HORIZON}),
    OverrideCode.CAP: CAPS,
    OverrideCode.ON_LEAVE: frozenset({ON_LEAVE}),
}


def free_starts(grid: AvailabilityGrid) -> Bitmap:
    """Return the candidates at which the service can be booked: those that no rule refuses."""
    refused = 0
    for reason in RULES:
        refused |= reason.rule(grid).bits
    return Bitmap.of_spans([(grid.candidates.start, grid.candidates.stop)], grid.frame) - Bitmap(grid.frame, refused)


def reasons_against(grid: AvailabilityGrid, starts_at: datetime) -> list[Reason]:
    """Return every reason why a visit cannot start at an instant within one of the candidates; an empty list if it can be booked."""
    grain = grain_of(starts_at)
    is_between_grains = instant_of(grain) != starts_at
    return [reason for reason in RULES if grain in reason.rule(grid) or (reason is OFF_GRID and is_between_grains)]


def reasons_lifted_by(override: OverrideCode | None) -> frozenset[Reason]:
    """Return the reasons that an override lifts; none without an override."""
    return LIFTED_BY[override] if override else frozenset()


def conflict_of(reasons: Sequence[Reason]) -> type[Conflict] | None:
    """Return the conflict to raise if every reason against a start is a claim of somebody else; None otherwise.

    A booking takes precedence over a hold, and the doctor's time over the patient's. A cap that is reached as well changes nothing; a cap
    alone is not a conflict.
    """
    if set(reasons) - CONFLICTS.keys() - CAPS:
        return None
    return next((refusal for reason, refusal in CONFLICTS.items() if reason in reasons), None)


def mildest_conflict(conflicts: Iterable[type[Conflict]]) -> type[Conflict] | None:
    """Return the conflict that is last in CONFLICTS, which is that of the doctor who is nearest to being free; None without conflicts."""
    return max(conflicts, key=list(CONFLICTS.values()).index, default=None)


def merged_reasons(reasons_by_doctor: Sequence[Sequence[Reason]]) -> list[Reason]:
    """Return the reasons of several doctors, each once and in the order of the rules.

    Doctors who see no patients are left out, unless no doctor does. Without any doctor the reason is that the service is not offered.
    """
    seeing_patients = [reasons for reasons in reasons_by_doctor if not SEES_NO_PATIENTS & set(reasons)]
    given = {reason for reasons in seeing_patients or reasons_by_doctor for reason in reasons}
    return [reason for reason in RULES if reason in given] or [SERVICE_INACTIVE]
