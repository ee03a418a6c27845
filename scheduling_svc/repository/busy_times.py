"""Reading the busy times of many people; the number of queries depends neither on the number of people nor on that of days.

Each query is an object of its own: what it selects, and how its rows become busy times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, reduce
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.busy_times import BookedTime, BusyTimes, GroupOccupancy
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.terms import ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.repository import holds
from scheduling_svc.repository.tables import CLAIMS, SEATS, ClaimKind
from shared.contracts.grains import DAY, Span

NO_ID = UUID(int=0)
# Caps count the visits of whole days and ISO weeks: a week on both sides of the span, and a day more, because a local week may be an hour
# longer than seven days.
CAPS_MARGIN = 8 * DAY
# No visit with its buffers is longer. A claim that ends later than this after a span has begun after the span, so that the index range can
# end there.
MAX_CLAIM_LENGTH = 3 * DAY
COLUMNS = CLAIMS.c
SEATED = CLAIMS.alias("seated")


class BusyTimesReader:
    """Reads busy times."""

    connection: AsyncConnection

    async def list_busy_times(
        self, service: ServiceTerms, doctor_ids: Collection[UUID], within: Span, viewer: Viewer
    ) -> Mapping[UUID, BusyTimes]:
        """Return the busy times that touch a span, by person, in two queries; one more if there may be groups, and one more for caps."""
        parameters = _parameters(service, list(doctor_ids), within, viewer)
        collected: dict[UUID, _CollectedTimes] = defaultdict(_CollectedTimes)
        for person_id, booked in await BookedTimesQuery.run(self.connection, parameters):
            collected[person_id].booked += booked
        await self._collect_blocked(collected, parameters, viewer)
        has_held_seats = any(times.has_held_seats for times in collected.values())
        if service.is_group or viewer.exclude_appointment_id is not None or has_held_seats:
            for doctor_id, occupancy in await GroupOccupancyQuery.run(self.connection, parameters):
                collected[doctor_id].sessions.append(occupancy)
        if service.is_capped:
            wider = parameters | {"begin": within.start - CAPS_MARGIN, "end": within.stop + CAPS_MARGIN}
            for doctor_id, start in await CountedStartsQuery.run(self.connection, wider):
                collected[doctor_id].counted_starts.append(start)
        return {person_id: times.busy_times() for person_id, times in collected.items()}

    async def _collect_blocked(self, collected: dict[UUID, _CollectedTimes], parameters: dict[str, Any], viewer: Viewer) -> None:
        for row in await BlockedTimesQuery.run(self.connection, parameters):
            times = collected[row.doctor_id]
            if row.kind != ClaimKind.HOLD:
                times.absences.append((row.span_from, row.span_to))
                continue
            hold = holds.from_row(row)
            (times.holds if hold.is_active(viewer.now) else times.expired_holds).append(hold)


@dataclass(slots=True)
class _CollectedTimes:
    """The busy times of one person while the results of the queries are collected."""

    booked: list[BookedTime] = field(default_factory=list)
    absences: list[tuple[int, int]] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    expired_holds: list[Hold] = field(default_factory=list)
    sessions: list[GroupOccupancy] = field(default_factory=list)
    counted_starts: list[int] = field(default_factory=list)

    @property
    def has_held_seats(self) -> bool:
        return any(hold.session_id for hold in (*self.holds, *self.expired_holds))

    def busy_times(self) -> BusyTimes:
        times = BusyTimes(self.booked, self.absences, self.holds, self.expired_holds, self.sessions, self.counted_starts)
        return times.without_empty_sessions()


class BookedTimesQuery:
    """Selects the visits and group sessions of doctors, with buffers, and the visits of patients, without.

    There is one row per person, with the four times of all visits packed into one string of numbers: decoding a row in a Python driver
    takes longer than all bit operations on it.
    """

    @staticmethod
    @cache
    def statement() -> CompoundSelect[Any]:
        """Build the statement, once."""
        as_doctor = BookedTimesQuery._of_person(
            COLUMNS.doctor_id, COLUMNS.span_from, COLUMNS.span_to, [ClaimKind.RESERVATION, ClaimKind.SESSION]
        )
        as_patient = BookedTimesQuery._of_person(COLUMNS.patient_id, COLUMNS.visit_from, COLUMNS.visit_to, [ClaimKind.RESERVATION])
        return union_all(as_doctor, as_patient)

    @staticmethod
    def _of_person(
        person: ColumnElement[Any], begin: ColumnElement[Any], end: ColumnElement[Any], kinds: list[ClaimKind]
    ) -> Select[str, str]:
        times: list[ColumnElement[str]] = [cast(time, String(11)) for time in (COLUMNS.visit_from, COLUMNS.visit_to, begin, end)]
        packed = func.aggregate_strings(reduce(lambda text, time: text + "," + time, times), ",")
        conditions = (
            person.in_(bindparam("people", expanding=True)),
            COLUMNS.live,
            COLUMNS.kind.in_(kinds),
            COLUMNS.id != bindparam("excluded", type_=COLUMNS.id.type),
            _overlaps_span(begin, end),
            end < bindparam("latest"),
        )
        return select(type_coerce(person, String), packed).where(*conditions).group_by(person)

    @staticmethod
    async def run(connection: AsyncConnection, parameters: Mapping[str, Any]) -> Iterator[tuple[UUID, Iterator[BookedTime]]]:
        """Return (person, booked times) for every row."""
        rows = await connection.execute(BookedTimesQuery.statement(), parameters)
        return ((UUID(person_id), BookedTimesQuery._unpack(packed)) for person_id, packed in rows)

    @staticmethod
    def _unpack(packed: str) -> Iterator[BookedTime]:
        numbers = map(int, packed.split(","))
        return map(BookedTime._make, zip(numbers, numbers, numbers, numbers, strict=True))


class BlockedTimesQuery:
    """Selects the holds, leaves and closures of people: of the doctors in question, and of the patient, who may be a doctor, too."""

    @staticmethod
    @cache
    def statement() -> Select[Any]:
        """Build the statement, once."""
        kinds = [ClaimKind.HOLD, ClaimKind.LEAVE, ClaimKind.CLOSURE]
        return select(CLAIMS).where(
            _is_doctor_in("people"), COLUMNS.live, COLUMNS.kind.in_(kinds), _overlaps_span(COLUMNS.span_from, COLUMNS.span_to)
        )

    @staticmethod
    async def run(connection: AsyncConnection, parameters: Mapping[str, Any]) -> Iterator[Any]:
        """Return the rows of `claims`."""
        return iter(await connection.execute(BlockedTimesQuery.statement(), parameters))


class GroupOccupancyQuery:
    """Selects the group sessions of people and counts their seats: booked ones, and active holds of others than the viewer."""

    @staticmethod
    @cache
    def statement() -> Select[Any]:
        """Build the statement, once."""
        return (
            select(
                COLUMNS.id,
                COLUMNS.service_id,
                COLUMNS.doctor_id,
                COLUMNS.visit_from,
                COLUMNS.visit_to,
                COLUMNS.span_from,
                COLUMNS.span_to,
                func.count(case((SEATED.c.kind == ClaimKind.RESERVATION, 1))).label("booked_seats"),
                func.count(case((SEATED.c.kind == ClaimKind.HOLD, 1))).label("held_seats"),
            )
            .join(SEATS, SEATS.c.session_id == COLUMNS.id)
            .outerjoin(SEATED, and_(SEATED.c.id == SEATS.c.claim_id, _counts_for_viewer(SEATED.c)))
            .where(
                _is_doctor_in("people"),
                COLUMNS.kind == ClaimKind.SESSION,
                COLUMNS.live,
                _overlaps_span(COLUMNS.span_from, COLUMNS.span_to),
            )
            .group_by(COLUMNS.id)
        )

    @staticmethod
    async def run(connection: AsyncConnection, parameters: Mapping[str, Any]) -> Iterator[tuple[UUID, GroupOccupancy]]:
        """Return (doctor, occupancy) for every session."""
        rows = await connection.execute(GroupOccupancyQuery.statement(), parameters)
        return ((row.doctor_id, GroupOccupancyQuery._occupancy(row)) for row in rows)

    @staticmethod
    def _occupancy(row: Any) -> GroupOccupancy:
        time = BookedTime(row.visit_from, row.visit_to, row.span_from, row.span_to)
        return GroupOccupancy(row.id, row.service_id, time, row.booked_seats, row.held_seats)


class CountedStartsQuery:
    """Selects the starts of visits that count against the caps of a service: reservations, holds of others, and each session once.

    A session counts if at least one of its seats counts for the viewer. Its seats are not counted themselves.
    """

    @staticmethod
    @cache
    def statement() -> Select[Any]:
        """Build the statement, once."""
        has_seat = exists().where(SEATS.c.session_id == COLUMNS.id, SEATED.c.id == SEATS.c.claim_id, _counts_for_viewer(SEATED.c))
        return select(COLUMNS.doctor_id, COLUMNS.visit_from).where(
            _is_doctor_in("doctors"),
            COLUMNS.kind.in_([ClaimKind.RESERVATION, ClaimKind.SESSION, ClaimKind.HOLD]),
            COLUMNS.live,
            COLUMNS.session_id.is_(None),
            or_(COLUMNS.kind != ClaimKind.SESSION, has_seat),
            COLUMNS.service_id == bindparam("service"),
            _overlaps_span(COLUMNS.span_from, COLUMNS.span_to),
            _counts_for_viewer(COLUMNS),
        )

    @staticmethod
    async def run(connection: AsyncConnection, parameters: Mapping[str, Any]) -> Iterator[tuple[UUID, int]]:
        """Return (doctor, start in grains) for every visit."""
        rows = await connection.execute(CountedStartsQuery.statement(), parameters)
        return ((row.doctor_id, row.visit_from) for row in rows)


def _parameters(service: ServiceTerms, doctor_ids: list[UUID], within: Span, viewer: Viewer) -> dict[str, Any]:
    """Return the parameters that all queries share."""
    patient_ids = [viewer.patient_id] if viewer.patient_id and viewer.patient_id not in doctor_ids else []
    return {
        "people": doctor_ids + patient_ids,
        "doctors": doctor_ids,
        "begin": within.start,
        "end": within.stop,
        "latest": within.stop + MAX_CLAIM_LENGTH,
        "excluded": viewer.exclude_appointment_id or NO_ID,
        "viewer": viewer.id or NO_ID,
        "now": viewer.now,
        "service": service.id,
    }


def _is_doctor_in(parameter: str) -> ColumnElement[bool]:
    return COLUMNS.doctor_id.in_(bindparam(parameter, expanding=True))


def _overlaps_span(begin: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(end > bindparam("begin"), begin < bindparam("end"))


def _counts_for_viewer(claim: Any) -> ColumnElement[bool]:
    """Return the condition that a claim prevents the viewer from booking: it is not the excluded appointment, not the viewer's own hold,
    and not an expired hold."""
    is_of_others = or_(claim.owner_id.is_(None), claim.owner_id != bindparam("viewer", type_=COLUMNS.id.type))
    is_active = or_(claim.expires_at.is_(None), claim.expires_at > bindparam("now", type_=COLUMNS.expires_at.type))
    return and_(claim.id != bindparam("excluded", type_=COLUMNS.id.type), is_of_others, is_active)
