"""Holds in SQL."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.holds import Hold
from scheduling_svc.ports import LostRace
from scheduling_svc.repository import grains, seats
from scheduling_svc.repository.tables import CLAIMS, ClaimKind
from shared.contracts.grains import Span
from shared.kit.clock import Clock

SELECT_HOLDS = select(CLAIMS).where(CLAIMS.c.kind == ClaimKind.HOLD)


class HoldReader:
    """Reads holds."""

    connection: AsyncConnection

    async def find_hold(self, hold_id: UUID) -> Hold | None:
        """Return a hold, also one that has ended, while its row is still there."""
        row = (await self.connection.execute(SELECT_HOLDS.where(CLAIMS.c.id == hold_id))).one_or_none()
        return from_row(row) if row else None


class HoldWriter(HoldReader):
    """Writes holds, with their grains and seats."""

    now: Clock

    async def list_holds_of_owner(self, owner_id: UUID) -> list[Hold]:
        """Return the holds that were not dropped, active or expired."""
        return await self._list_live(CLAIMS.c.owner_id == owner_id)

    async def list_holds_overlapping(self, doctor_id: UUID, span: Span) -> list[Hold]:
        """Return the holds of a doctor's time that were not dropped, active or expired."""
        return await self._list_live(CLAIMS.c.doctor_id == doctor_id, CLAIMS.c.span_to > span.start, CLAIMS.c.span_from < span.stop)

    async def insert_hold(self, hold: Hold, *, capacity: int = 1, from_hold: Hold | None = None) -> None:
        """Insert a hold; the row of the owner's last one for this service, which was dropped before, is deleted. Raise LostRace.

        What `from_hold` has passes to the new hold.
        """
        if from_hold:
            await self.hand_over_hold(from_hold, hold.id)
        dropped = CLAIMS.c.owner_id == hold.owner_id, CLAIMS.c.service_id == hold.service_id, CLAIMS.c.live.is_(False)
        await self.connection.execute(delete(CLAIMS).where(*dropped))
        try:
            await self.connection.execute(insert(CLAIMS), to_row(hold) | {"changed_at": self.now()})
            if from_hold is None:
                await grains.take_grains(self.connection, hold.id, hold.resource_spans)
            if hold.session and from_hold is None:
                await seats.take_seat(self.connection, hold.session, hold.id, seats.SeatTerms(capacity), now=self.now())
        except IntegrityError:
            raise LostRace from None

    async def hand_over_hold(self, hold: Hold, claim_id: UUID) -> None:
        """End a hold, and give its time or its seat to another claim; raise LostRace if it was dropped or extended since it was read."""
        unchanged = CLAIMS.c.id == hold.id, CLAIMS.c.live, CLAIMS.c.expires_at == hold.expires_at
        ended = update(CLAIMS).where(*unchanged).values(live=False, changed_at=self.now())
        if not (await self.connection.execute(ended)).rowcount:
            raise LostRace
        for resource_span in hold.resource_spans:
            await grains.hand_over_grains(self.connection, hold.id, claim_id, resource_span)
        if hold.session_id:
            await seats.hand_over_seat(self.connection, hold.session_id, hold.id, claim_id)

    async def extend_hold(self, hold: Hold) -> None:
        """Write the new end of a hold; raise LostRace if it was dropped or extended since it was read."""
        values = {"expires_at": hold.expires_at, "extended": hold.extended, "changed_at": self.now()}
        unchanged = CLAIMS.c.id == hold.id, CLAIMS.c.live, CLAIMS.c.extended.is_(False)
        if not (await self.connection.execute(update(CLAIMS).where(*unchanged).values(values))).rowcount:
            raise LostRace

    async def drop_hold(self, hold: Hold) -> None:
        """Free the time of a hold. Do nothing if it was dropped before; raise LostRace if it was extended since it was read."""
        live = CLAIMS.c.id == hold.id, CLAIMS.c.live
        dropped = update(CLAIMS).where(*live, CLAIMS.c.expires_at == hold.expires_at).values(live=False, changed_at=self.now())
        if not (await self.connection.execute(dropped)).rowcount:
            if (await self.connection.execute(select(CLAIMS.c.id).where(*live))).one_or_none():
                raise LostRace
            return
        await grains.free_grains(self.connection, hold.id, hold.resource_spans)
        if hold.session:
            await seats.release_seat(self.connection, hold.session.id, hold.id, now=self.now())

    async def delete_holds_of_owner(self, owner_id: UUID) -> int:
        """Free the time of all holds of a person, and delete their rows; return how many. Raise LostRace if one was changed meanwhile."""
        for hold in await self.list_holds_of_owner(owner_id):
            await self.drop_hold(hold)
        of_owner = delete(CLAIMS).where(CLAIMS.c.kind == ClaimKind.HOLD, CLAIMS.c.owner_id == owner_id)
        return (await self.connection.execute(of_owner)).rowcount

    async def _list_live(self, *conditions: ColumnElement[bool]) -> list[Hold]:
        holds = SELECT_HOLDS.where(CLAIMS.c.live, *conditions).order_by(CLAIMS.c.id)
        return [from_row(row) for row in await self.connection.execute(holds)]


def to_row(hold: Hold) -> dict[str, Any]:
    """Return the row of a hold, without `changed_at`."""
    return {
        "id": hold.id,
        "kind": ClaimKind.HOLD,
        "revision": 1,
        "live": hold.live,
        "over": False,
        "service_id": hold.service_id,
        "doctor_id": hold.doctor_id,
        "visit_from": hold.visit.start,
        "visit_to": hold.visit.stop,
        "span_from": hold.span.start,
        "span_to": hold.span.stop,
        "session_id": hold.session_id,
        "owner_id": hold.owner_id,
        "expires_at": hold.expires_at,
        "extended": hold.extended,
    }


def from_row(row: Any) -> Hold:
    """Return the hold of a row."""
    return Hold(
        id=row.id,
        owner_id=row.owner_id,
        service_id=row.service_id,
        doctor_id=row.doctor_id,
        visit=range(row.visit_from, row.visit_to),
        span=range(row.span_from, row.span_to),
        expires_at=row.expires_at,
        session_id=row.session_id,
        extended=row.extended,
        live=row.live,
    )
