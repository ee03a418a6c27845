"""A group session has at most as many seats as its capacity, and exactly one for each of its visits.

Sessions, seats and claims are in one database and are read in one snapshot. The capacity is agreed when a visit is booked, so the
largest one of the session's appointments and of the present rules counts.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from careslot.auditor.checks.claims import ClaimFacts, find_claims
from careslot.auditor.checks.reservations import SHORTEST_RETENTION
from careslot.auditor.findings import Finding, Key
from careslot.auditor.sql_store import select_in
from careslot.auditor.stores import Stores
from scheduling_svc.repository.tables import CLAIMS, SEATS, SERVICES, ClaimKind
from shared.contracts.identity import Service

SESSIONS_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class GroupCheck:
    """Goes through the group sessions, and through seats without a session."""

    name = "groups are not overfull"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the ids of all sessions, those of rows of seats, and those that live claims name."""
        scheduling = stores.sql[Service.SCHEDULING]
        for column, conditions in ((CLAIMS.c.id, (CLAIMS.c.kind == ClaimKind.SESSION,)), (SEATS.c.session_id, ())):
            async for page in scheduling.values(column, *conditions, length=SESSIONS_AT_ONCE):
                yield [(str(session_id),) for session_id in page]
        seated = (CLAIMS.c.session_id.is_not(None), CLAIMS.c.live.is_(True))
        async for claim_ids in scheduling.values(CLAIMS.c.id, *seated, length=SESSIONS_AT_ONCE):
            rows = await scheduling.fetch_in([CLAIMS.c.session_id], CLAIMS.c.id, claim_ids)
            yield [(str(session_id),) for session_id in sorted({row.session_id for row in rows if row.session_id})]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return what is wrong with these sessions."""
        ids = [UUID(key[0]) for key in keys]
        async with stores.sql[Service.SCHEDULING].snapshot() as connection:
            sessions = await find_claims(connection, ids)
            seats = await _read_seats(connection, ids)
            members = await _read_members(connection, ids, sessions, seats)
            capacities = await _read_capacities(connection, sessions)
        booked = await stores.appointments.find({claim_id for taken in seats.values() for claim_id in taken.values()})
        findings = list[Finding]()
        for session_id in ids:
            session, taken = sessions.get(session_id), seats[session_id]
            agreed = [booked[claim_id].capacity for claim_id in taken.values() if claim_id in booked]
            capacity = max([*agreed, capacities.get(session.service_id, 1) if session and session.service_id else 1])
            if session is None or not _may_be_deleted_in_part(session, stores.now()):
                findings += judge_session(session_id, session, taken, members[session_id], capacity)
        return findings


async def _read_seats(connection: AsyncConnection, session_ids: Sequence[UUID]) -> dict[UUID, dict[int, UUID]]:
    """Return the claim of each seat, by session."""
    seats = defaultdict[UUID, dict[int, UUID]](dict)
    for row in await connection.execute(select(SEATS).where(SEATS.c.session_id.in_(session_ids))):
        seats[row.session_id][row.seat] = row.claim_id
    return seats


async def _read_members(
    connection: AsyncConnection, session_ids: Sequence[UUID], sessions: Mapping[UUID, ClaimFacts], seats: Mapping[UUID, Mapping[int, UUID]]
) -> dict[UUID, list[UUID]]:
    """Return the live claims that name each session. They are found by an index, as claims of its doctor or of its seats."""
    doctor_ids = {session.doctor_id for session in sessions.values()}
    seated = [claim_id for taken in seats.values() for claim_id in taken.values()]
    of_session = CLAIMS.c.session_id.in_(session_ids), CLAIMS.c.live.is_(True)
    found = dict[UUID, UUID]()
    for column, values in ((CLAIMS.c.doctor_id, doctor_ids), (CLAIMS.c.id, seated)):
        rows = await select_in(connection, select(CLAIMS.c.id, CLAIMS.c.session_id).where(*of_session), column, values)
        found |= {row.id: row.session_id for row in rows}
    members = defaultdict[UUID, list[UUID]](list)
    for claim_id, session_id in sorted(found.items()):
        members[session_id].append(claim_id)
    return members


async def _read_capacities(connection: AsyncConnection, sessions: Mapping[UUID, ClaimFacts]) -> dict[UUID, int]:
    """Return the capacity that the rules of each service have now."""
    rows = await select_in(
        connection, select(SERVICES.c.id, SERVICES.c.rules), SERVICES.c.id, {session.service_id for session in sessions.values()}
    )
    return {row.id: _capacity_of(row.rules) for row in rows}


def judge_session(
    session_id: UUID, session: ClaimFacts | None, seats: Mapping[int, UUID], members: Sequence[UUID], capacity: int
) -> list[Finding]:
    """Return what is wrong with a session. `seats` are the claims that have a seat, `members` the live claims that should have one."""
    key, ids = (str(session_id),), {"session": str(session_id)}
    findings = list[Finding]()
    if len(seats) > capacity or any(seat >= capacity for seat in seats):
        findings.append(Finding("group_overfull", key, ids | {"seats": str(len(seats)), "capacity": str(capacity)}, (tuple(seats),)))
    differing_claims = sorted(set(seats.values()) ^ set(members))
    if differing_claims:
        differing = " ".join(map(str, differing_claims))
        findings.append(Finding("seat_differs", key, ids | {"claims": differing}, tuple(differing_claims)))
    is_live = session is not None and session.live
    if is_live is not bool(seats):
        findings.append(Finding("session_differs", key, ids | {"seats": str(len(seats))}, (is_live, len(seats))))
    return findings


def _may_be_deleted_in_part(session: ClaimFacts, now: datetime) -> bool:
    """Return whether the session is so old that it and its seats are deleted, in several transactions."""
    return session.ends_at is not None and now - session.ends_at > SHORTEST_RETENTION


def _capacity_of(rules: Any) -> int:
    fields = json.loads(rules)
    return int(fields.get("capacity", 1)) if isinstance(fields, dict) else 1
