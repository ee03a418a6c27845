"""The claims of appointments in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.ports import LostRace
from scheduling_svc.repository import grains, seats
from scheduling_svc.repository.tables import CLAIMS, ClaimKind
from shared.contracts.grains import Span, first_grain_at_or_after, grain_of
from shared.kit.clock import Clock
from shared.kit.keyset_pagination import rows_after
from shared.kit.paging import parse_instant, parse_sort_key
from shared.kit.raw_insert import insert_statement

SELECT_CLAIM = select(CLAIMS).where(CLAIMS.c.id == bindparam("claim"), CLAIMS.c.kind == ClaimKind.RESERVATION)
SELECT_LIVE = select(CLAIMS).where(CLAIMS.c.live, CLAIMS.c.kind == ClaimKind.RESERVATION)
# Together these columns never return to earlier values, so that they tell whether the row has changed.
UPDATE_UNCHANGED = update(CLAIMS).where(
    CLAIMS.c.id == bindparam("claim"),
    CLAIMS.c.revision == bindparam("seen_revision"),
    CLAIMS.c.live == bindparam("seen_live"),
    CLAIMS.c.begun == bindparam("seen_begun"),
    CLAIMS.c.requested == bindparam("seen_requested"),
    CLAIMS.c.appointment_version == bindparam("seen_version"),
    CLAIMS.c.archived == bindparam("seen_archived"),
    CLAIMS.c.patient_id.is_not_distinct_from(bindparam("seen_patient", type_=CLAIMS.c.patient_id.type)),
)


def _select_upcoming(doctor_ids: Collection[UUID], now: datetime) -> Select[Any]:
    """Return the query for the claims of these doctors whose visit has not begun, in the order of time."""
    upcoming = SELECT_LIVE.where(
        CLAIMS.c.doctor_id.in_(doctor_ids), CLAIMS.c.visit_from >= first_grain_at_or_after(now), CLAIMS.c.begun.is_(False)
    )
    return upcoming.order_by(CLAIMS.c.visit_from, CLAIMS.c.id)


class ClaimReader:
    """Reads the claims of appointments."""

    connection: AsyncConnection

    async def find_claim(self, appointment_id: UUID) -> Claim | None:
        """Return the claim of an appointment, also a released one."""
        row = (await self.connection.execute(SELECT_CLAIM, {"claim": appointment_id})).one_or_none()
        return from_row(row) if row else None

    async def list_affected_claims(self, doctor_ids: Collection[UUID], span: Span, now: datetime, limit: int) -> list[Claim]:
        """Return the claims of these doctors whose visit touches a span and has not begun, in the order of time."""
        claims = _select_upcoming(doctor_ids, now).where(CLAIMS.c.visit_to > span.start, CLAIMS.c.visit_from < span.stop)
        return [from_row(row) for row in await self.connection.execute(claims.limit(limit))]

    async def list_upcoming_claims(self, doctor_id: UUID, now: datetime, limit: int, after: Claim | None) -> list[Claim]:
        """Return the claims of a doctor whose visit has not begun, by start and id: those that come after a claim, if one is given."""
        claims = _select_upcoming([doctor_id], now).limit(limit)
        if after is not None and after.slot is not None:
            claims = claims.where(rows_after((CLAIMS.c.visit_from, CLAIMS.c.id), (after.slot.visit.start, after.id)))
        return [from_row(row) for row in await self.connection.execute(claims)]


class ClaimWriter(ClaimReader):
    """Writes the claims of appointments, with their grains and seats."""

    now: Clock

    async def save_claim(self, claim: Claim, previous: Claim | None, *, capacity: int = 1) -> None:
        """Free what only the previous claim took, and take what only the new one needs; raise LostRace if the row has changed or time is
        taken.

        Both happen in one transaction, so that a claim may move over its own time. The time of a patient into whom the previous one was
        merged may be taken: nothing is decided again, and the grains are those of a lane above.
        """
        if claim == previous:
            return
        row = to_row(claim) | {"changed_at": self.now()}
        try:
            if previous is None:
                await self._take(claim, capacity, first_statements=[insert_statement(CLAIMS, row)])
            else:
                await self._update_unchanged(row, previous)
                await self._free(previous, claim)
                await self._take(claim, capacity, previous)
        except IntegrityError:
            raise LostRace from None

    async def has_overlap(self, claim: Claim) -> bool:
        """Return True if another claim has some of the time that a claim takes of its patient, too."""
        return claim.slot is not None and await grains.has_upper_lane(self.connection, claim.slot.patient_id, claim.slot.visit)

    async def _update_unchanged(self, row: dict[str, Any], previous: Claim) -> None:
        seen = {
            "claim": previous.id,
            "seen_revision": previous.revision,
            "seen_live": previous.live,
            "seen_begun": previous.begun,
            "seen_requested": previous.requested,
            "seen_version": previous.appointment_version,
            "seen_archived": previous.archived,
            "seen_patient": previous.slot.patient_id if previous.slot else None,
        }
        if not (await self.connection.execute(UPDATE_UNCHANGED, row | seen)).rowcount:
            raise LostRace

    async def _take(self, claim: Claim, capacity: int, previous: Claim | None = None, *, first_statements: Sequence[str] = ()) -> None:
        kept = previous.resource_spans if previous else []
        taken = [resource_span for resource_span in claim.resource_spans if resource_span not in kept]
        may_overlap = claim.may_overlap or (previous is not None and claim.has_other_patient(previous))
        await grains.take_grains(self.connection, claim.id, taken, may_overlap=may_overlap, first_statements=first_statements)
        if claim.session and (previous is None or claim.session != previous.session):
            await seats.take_seat(self.connection, claim.session, claim.id, capacity=capacity, now=self.now())

    async def _free(self, previous: Claim, claim: Claim) -> None:
        kept = claim.resource_spans
        freed = [resource_span for resource_span in previous.resource_spans if resource_span not in kept]
        await grains.free_grains(self.connection, previous.id, freed)
        if previous.session and previous.session != claim.session:
            await seats.release_seat(self.connection, previous.session.id, previous.id, now=self.now())


async def list_live(connection: AsyncConnection, limit: int, after: tuple[str, ...] | None, ends_after: int | None = None) -> list[Claim]:
    """Return claims that hold time, and end after a grain if one is given, in the order of their ends and ids."""
    claims = SELECT_LIVE.order_by(CLAIMS.c.visit_to, CLAIMS.c.id).limit(limit)
    if ends_after is not None:
        claims = claims.where(CLAIMS.c.visit_to > ends_after)
    if after is not None:
        key = parse_sort_key(after, lambda text: grain_of(parse_instant(text)), UUID)
        claims = claims.where(rows_after((CLAIMS.c.visit_to, CLAIMS.c.id), key))
    return [from_row(row) for row in await connection.execute(claims)]


def to_row(claim: Claim) -> dict[str, Any]:
    """Return the row of a claim, without `changed_at`; a seat has no span of its own."""
    slot = claim.slot
    span = slot.span if slot is not None and not slot.session_id else None
    return {
        "id": claim.id,
        "kind": ClaimKind.RESERVATION,
        "revision": claim.revision,
        "live": claim.live,
        "over": claim.may_overlap,
        "begun": claim.begun,
        "requested": claim.requested,
        "appointment_version": claim.appointment_version,
        "archived": claim.archived,
        "service_id": slot and slot.service_id,
        "doctor_id": slot and slot.doctor_id,
        "patient_id": slot and slot.patient_id,
        "visit_from": slot and slot.visit.start,
        "visit_to": slot and slot.visit.stop,
        "span_from": span.start if span is not None else None,
        "span_to": span.stop if span is not None else None,
        "session_id": slot and slot.session_id,
    }


def from_row(row: Any) -> Claim:
    """Return the claim of a row; for a seat the visit stands for the span, which is that of its session."""
    slot = None
    if row.doctor_id is not None:
        visit = range(row.visit_from, row.visit_to)
        span = range(row.span_from, row.span_to) if row.span_from is not None else visit
        slot = BookedSlot(row.service_id, row.doctor_id, row.patient_id, visit, span, row.session_id)
    return Claim(row.id, row.revision, slot, row.live, row.over, row.begun, row.appointment_version, row.requested, row.archived)
