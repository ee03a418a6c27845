"""Which booked visits lie outside the working hours of their doctor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from scheduling_svc.domain.availability import starts_within_hours
from scheduling_svc.domain.claims import BookedSlot, Claim
from shared.contracts.appointments import OverrideCode
from shared.contracts.grains import DAY
from shared.contracts.hours import Hours

MAX_FRAME = 64 * DAY


def claims_outside_hours(hours: Hours, claims: Sequence[Claim]) -> Iterator[Claim]:
    """Yield the claims whose visits do not lie within the hours, as the rule `outside_hours` decides about new visits.

    Visits that staff booked outside the hours on purpose are left out. The claims are in the order of their starts. The hours are expanded
    in parts, so that a visit years ahead costs no more than a near one.
    """
    judged = [claim for claim in claims if claim.override is not OverrideCode.OFF_HOURS]
    booked = [(claim, claim.slot) for claim in judged if claim.slot is not None]
    for _, part in groupby(booked, key=lambda item: item[1].visit.start // MAX_FRAME):
        yield from _outside_hours(hours, list(part))


def _outside_hours(hours: Hours, booked: Sequence[tuple[Claim, BookedSlot]]) -> Iterator[Claim]:
    slots = [slot for _, slot in booked]
    frame = range(min(slot.visit.start for slot in slots), max(slot.visit.stop for slot in slots))
    working, _ = hours.expand(frame, 1)
    within_hours = {duration: starts_within_hours(working, duration) for duration in {slot.duration for slot in slots}}
    for claim, slot in booked:
        if slot.visit.start not in within_hours[slot.duration]:
            yield claim
