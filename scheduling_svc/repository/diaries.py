"""Looking into many people's diaries with a number of queries that depends on neither people nor days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, case, cast, exists, func, or_, select, type_coerce, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.diary import Diary, Engagement, Group, View
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.terms import Service
from scheduling_svc.repository import holds
from scheduling_svc.repository.claims import RESERVATION
from scheduling_svc.repository.holds import HOLD
from scheduling_svc.repository.seats import SESSION
from scheduling_svc.repository.tables import CLAIMS, SEATS
from shared.contracts.grains import DAY, Span

NOBODY = UUID(int=0)
WEEK = 8 * DAY  # a week, and what its first and last day may be longer
LONGEST = 3 * DAY  # no visit takes so long with its buffers: what ends later than that after a span began after it
COLUMNS = CLAIMS.c
MEMBER = CLAIMS.alias("member")


def _touching(begin: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(end > bindparam("begin"), begin < bindparam("end"))


def _seen(claim: Any) -> ColumnElement[bool]:
    """What counts for the one who asks: not the claim that may move over itself, not their own holds, nor those that are over."""
    others = or_(claim.owner_id.is_(None), claim.owner_id != bindparam("viewer", type_=COLUMNS.id.type))
    standing = or_(claim.expires_at.is_(None), claim.expires_at > bindparam("now", type_=COLUMNS.expires_at.type))
    return and_(claim.id != bindparam("but", type_=COLUMNS.id.type), others, standing)


def _engaged(person: ColumnElement[Any], begin: ColumnElement[Any], end: ColumnElement[Any], *kinds: str) -> Select[str, str]:
    """A row per person with all numbers in one text: a driver in Python takes longer for rows than the engine for its bits."""
    counts = and_(COLUMNS.live, COLUMNS.kind.in_(kinds), COLUMNS.id != bindparam("but", type_=COLUMNS.id.type))
    times: list[ColumnElement[str]] = [cast(time, String(11)) for time in (COLUMNS.visit_from, COLUMNS.visit_to, begin, end)]
    numbers = func.aggregate_strings(reduce(lambda so_far, time: so_far + "," + time, times), ",")
    those = person.in_(bindparam("people", expanding=True)), counts, _touching(begin, end), end < bindparam("latest")
    return select(type_coerce(person, String), numbers).where(*those).group_by(person)


IN_QUESTION = COLUMNS.doctor_id.in_(bindparam("doctors", expanding=True))
ANYBODY = COLUMNS.doctor_id.in_(bindparam("people", expanding=True))  # the patient may be somebody's doctor

ENGAGED = union_all(
    _engaged(COLUMNS.doctor_id, COLUMNS.span_from, COLUMNS.span_to, RESERVATION, SESSION),
    _engaged(COLUMNS.patient_id, COLUMNS.visit_from, COLUMNS.visit_to, RESERVATION),
)
# Holds, leaves and closures, in one range of the index per doctor: their names come before those of visits.
BLOCKED = select(CLAIMS).where(ANYBODY, COLUMNS.live, COLUMNS.kind < RESERVATION, _touching(COLUMNS.span_from, COLUMNS.span_to))
GROUPS = (
    select(
        COLUMNS.id,
        COLUMNS.service_id,
        COLUMNS.doctor_id,
        COLUMNS.visit_from,
        COLUMNS.visit_to,
        COLUMNS.span_from,
        COLUMNS.span_to,
        func.count(case((MEMBER.c.kind == RESERVATION, 1))),
        func.count(case((MEMBER.c.kind == HOLD, 1))),
    )
    .join(SEATS, SEATS.c.session_id == COLUMNS.id)
    .outerjoin(MEMBER, and_(MEMBER.c.id == SEATS.c.claim_id, _seen(MEMBER.c)))
    .where(ANYBODY, COLUMNS.kind == SESSION, COLUMNS.live, _touching(COLUMNS.span_from, COLUMNS.span_to))
    .group_by(COLUMNS.id)
)
# The caps look farther than the groups that are looked at one by one.
SAT_IN = exists().where(SEATS.c.session_id == COLUMNS.id, MEMBER.c.id == SEATS.c.claim_id, _seen(MEMBER.c))
COUNTED = select(COLUMNS.doctor_id, COLUMNS.visit_from).where(
    IN_QUESTION,
    COLUMNS.kind.in_([RESERVATION, SESSION, HOLD]),
    COLUMNS.live,
    COLUMNS.session_id.is_(None),
    or_(COLUMNS.kind != SESSION, SAT_IN),
    COLUMNS.service_id == bindparam("service"),
    _touching(COLUMNS.span_from, COLUMNS.span_to),
    _seen(COLUMNS),
)


@dataclass(slots=True)
class _Pages:
    """A diary being written."""

    engagements: list[Engagement] = field(default_factory=list)
    away: list[tuple[int, int]] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    lapsed: list[Hold] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)

    @property
    def has_held_seats(self) -> bool:
        return any(hold.session_id for hold in (*self.holds, *self.lapsed))

    def diary(self) -> Diary:
        diary = Diary(self.engagements, self.away, self.holds, self.lapsed, self.groups, self.counted)
        return diary.without_empty_groups()


async def diaries(
    connection: AsyncConnection, service: Service, doctor_ids: Collection[UUID], within: Span, view: View
) -> Mapping[UUID, Diary]:
    """Three queries at most beside the first two, each only where there can be something to find."""
    asked = _Asked(connection, service, list(doctor_ids), within, view)
    pages: dict[UUID, _Pages] = defaultdict(_Pages)
    await asked.engagements(pages)
    await asked.blocked(pages)
    if service.is_shared or view.but is not None or any(page.has_held_seats for page in pages.values()):
        await asked.groups(pages)
    if service.is_capped:
        await asked.counted(pages)
    return {person: page.diary() for person, page in pages.items()}


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question and its queries."""

    connection: AsyncConnection
    service: Service
    doctors: list[UUID]
    within: Span
    view: View

    def _given(self, more: int = 0) -> dict[str, Any]:
        view = self.view
        patient = [view.patient_id] if view.patient_id and view.patient_id not in self.doctors else []
        return {
            "people": self.doctors + patient,
            "doctors": self.doctors,
            "begin": self.within.start - more,
            "end": self.within.stop + more,
            "latest": self.within.stop + LONGEST,
            "but": view.but or NOBODY,
            "viewer": view.viewer_id or NOBODY,
            "now": view.now,
            "service": self.service.id,
        }

    async def engagements(self, pages: dict[UUID, _Pages]) -> None:
        for who, text in await self.connection.execute(ENGAGED, self._given()):
            numbers = map(int, text.split(","))
            pages[UUID(who)].engagements += map(Engagement._make, zip(numbers, numbers, numbers, numbers, strict=True))

    async def blocked(self, pages: dict[UUID, _Pages]) -> None:
        for row in await self.connection.execute(BLOCKED, self._given()):
            page = pages[row.doctor_id]
            if row.kind != HOLD:
                page.away.append((row.span_from, row.span_to))
            else:
                hold = holds.from_row(row)
                (page.holds if hold.stands(self.view.now) else page.lapsed).append(hold)

    async def groups(self, pages: dict[UUID, _Pages]) -> None:
        rows: Iterable[Any] = await self.connection.execute(GROUPS, self._given())
        for session_id, service_id, doctor_id, starts, ends, first, last, booked, held in rows:
            pages[doctor_id].groups.append(Group(session_id, service_id, Engagement(starts, ends, first, last), booked, held))

    async def counted(self, pages: dict[UUID, _Pages]) -> None:
        for doctor_id, start in await self.connection.execute(COUNTED, self._given(more=WEEK)):
            pages[doctor_id].counted.append(start)
