"""Bulk changes: every appointment gets its own outcome, once, and what a request does not finish the job does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from admin_svc.domain.bulk import (
    GIVE_UP_AFTER,
    KEEP_OUTCOMES,
    BulkAction,
    BulkChange,
    BulkItem,
    BulkOutcome,
    BulkRequest,
    BulkTarget,
    OutcomeStatus,
    ProposedStart,
)
from admin_svc.domain.refusals import NoSuchBulkChange
from admin_svc.ports import AdminAppointment
from admin_svc.usecases.bulk import BulkChanges
from shared.contracts.derived_ids import derive_id
from shared.contracts.http import Actor
from shared.contracts.identity import Caller, Role
from shared.contracts.moves import MovePreview, PlannedMove
from shared.contracts.pages import Page
from shared.contracts.refusals import Conflict, NotFound, Unavailable
from shared.contracts.relayed_refusals import SlotTaken
from shared.kit.clock import MovableClock
from tests.running import NOON
from tests.unit.admin.memory_chain import MemoryChain

S = OutcomeStatus
CHANGE, DOCTOR, COLLEAGUE = UUID(int=0xC0), UUID(int=0xD1), UUID(int=0xD2)
RECEPTIONIST = Caller(UUID(int=0xEC), Role.RECEPTION)
NINE = datetime.fromisoformat("2026-03-09T08:00:00+00:00")


def always() -> bool:
    return True


@dataclass
class BulkBackends(MemoryChain):
    """The database of admin-service, and the services that it calls.

    `refusals` are raised for appointments by id, `unavailable` are those for which a service does not answer. `calls` are the ids of the
    calls that were carried out.
    """

    appointments: dict[UUID, AdminAppointment] = field(default_factory=dict)
    changes: dict[UUID, BulkChange] = field(default_factory=dict)
    finished: dict[UUID, datetime] = field(default_factory=dict)
    due: set[UUID] = field(default_factory=set)
    refusals: dict[UUID, Exception] = field(default_factory=dict)
    unavailable: set[UUID] = field(default_factory=set)
    calls: list[UUID] = field(default_factory=list)
    sent: list[tuple[UUID, UUID, str]] = field(default_factory=list)
    taken: dict[UUID, tuple[str, datetime | None]] = field(default_factory=dict)
    moved_during_paging: list[AdminAppointment] = field(default_factory=list)

    def add(self, number: int, status: str = "booked", **fields: Any) -> UUID:
        appointment_id = UUID(int=number)
        values = {"id": appointment_id, "status": status, "starts_at": NINE + number * timedelta(hours=1), "version": 2}
        values |= {"doctor": {"id": str(DOCTOR)}, "patient_id": str(UUID(int=1000 + number))}
        self.appointments[appointment_id] = AdminAppointment.model_validate(values | fields)
        return appointment_id

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[BulkBackends]:
        yield self

    async def insert_bulk_change(self, change: BulkChange) -> None:
        self.changes.setdefault(change.id, change)

    async def find_bulk_change(self, change_id: UUID) -> BulkChange | None:
        return self.changes.get(change_id)

    async def save_bulk_item(self, change_id: UUID, item: BulkItem) -> None:
        self.changes[change_id] = self.changes[change_id].with_items({item.id: item})

    async def finish_bulk_change(self, change_id: UUID, now: datetime) -> None:
        self.finished.setdefault(change_id, now)
        change = self.changes[change_id]
        self.changes[change_id] = replace(change, request=replace(change.request, reason=None, text=None))

    async def make_bulk_change_due(self, change_id: UUID, now: datetime) -> None:
        self.due.add(change_id)

    async def take_due_bulk_changes(self, now: datetime) -> list[UUID]:
        due, self.due = self.due - self.finished.keys(), set()
        return sorted(due)

    async def delete_bulk_changes(self, finished_before: datetime, limit: int) -> int:
        old = [change_id for change_id, at in self.finished.items() if at < finished_before][:limit]
        for change_id in old:
            del self.changes[change_id], self.finished[change_id]
        return len(old)

    async def look_up(self, ids: Sequence[UUID]) -> Mapping[UUID, AdminAppointment]:
        return {appointment_id: self.appointments[appointment_id] for appointment_id in ids if appointment_id in self.appointments}

    async def list_appointments(self, **query: Any) -> Page[AdminAppointment]:
        start = int(query["after"] or 0)
        rows = [*self.appointments.values(), *self.moved_during_paging]
        end = start + int(query["limit"])
        return Page(items=rows[start:end], next=str(end) if end < len(rows) else None)

    async def cancel_for(self, appointment_id: UUID, by: Actor, operation_id: UUID, reason: str | None) -> AdminAppointment:
        appointment = self._answer(appointment_id)
        if appointment.status == "cancelled":
            return appointment
        return self._change(appointment, operation_id, status="cancelled")

    async def update(
        self, appointment_id: UUID, changes: Mapping[str, Any], expected_version: int | None, by: Actor, operation_id: UUID
    ) -> AdminAppointment:
        appointment = self._answer(appointment_id)
        moved = {"doctor": {"id": changes["doctor_id"]}} if "doctor_id" in changes else {}
        return self._change(appointment, operation_id, **moved, **({"starts_at": changes["starts_at"]} if "starts_at" in changes else {}))

    async def send(self, message_id: UUID, patient_id: UUID, text: str) -> None:
        self.sent.append((message_id, patient_id, text))

    async def preview(self, by: Actor, moves: Sequence[PlannedMove]) -> Sequence[MovePreview]:
        return [self._preview(move) for move in moves]

    def _preview(self, move: PlannedMove) -> MovePreview:
        code, starts_at = self.taken.get(move.appointment_id, (None, self.appointments[move.appointment_id].starts_at))
        return MovePreview(appointment_id=move.appointment_id, doctor_id=move.doctor_id, starts_at=move.starts_at or starts_at, code=code)

    def _answer(self, appointment_id: UUID) -> AdminAppointment:
        if appointment_id in self.unavailable:
            raise Unavailable
        if appointment_id in self.refusals:
            raise self.refusals[appointment_id]
        if appointment_id not in self.appointments:
            raise NotFound
        return self.appointments[appointment_id]

    def _change(self, appointment: AdminAppointment, operation_id: UUID, **fields: Any) -> AdminAppointment:
        if operation_id not in self.calls:
            self.calls.append(operation_id)
            changed = appointment.model_dump() | fields | {"version": appointment.version + 1}
            self.appointments[appointment.id] = AdminAppointment.model_validate(changed)
        return self.appointments[appointment.id]


@pytest.fixture
def services() -> BulkBackends:
    return BulkBackends()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON, running=False)


@pytest.fixture
def changes(services: BulkBackends, clock: MovableClock) -> BulkChanges:
    return bulk_changes(services, clock)


def bulk_changes(services: BulkBackends, clock: MovableClock, may_go_on: Callable[[], bool] = always) -> BulkChanges:
    return BulkChanges(services, services, services, services, clock, may_go_on)


def a_request(*ids: UUID, action: BulkAction = BulkAction.CANCEL, target: BulkTarget | None = None, **fields: Any) -> BulkRequest:
    items = tuple(BulkItem(position, item_id, target or BulkTarget()) for position, item_id in enumerate(ids))
    return BulkRequest(action, items, **fields)


def statuses(change: BulkChange) -> list[OutcomeStatus]:
    return [item.outcome.status for item in change.items]


async def test_every_appointment_has_an_outcome_of_its_own(changes: BulkChanges, services: BulkBackends) -> None:
    booked, cancelled, begun, unknown = services.add(1), services.add(2, "cancelled"), services.add(3, "checked_in"), UUID(int=9)
    services.refusals[begun] = Conflict(code="illegal_move")
    change = await changes.start(CHANGE, a_request(booked, cancelled, begun, unknown, reason="Closed"), RECEPTIONIST)
    assert statuses(change) == [S.DONE, S.UNCHANGED, S.REFUSED, S.REFUSED]
    assert [item.outcome.code for item in change.items] == [None, None, "illegal_move", "not_found"]
    assert (change.is_finished, services.calls) == (True, [derive_id(CHANGE, booked)])


async def test_a_days_list_moves_to_a_colleague_at_the_same_times(changes: BulkChanges, services: BulkBackends) -> None:
    ids = [services.add(number) for number in (1, 2)]
    services.refusals[ids[1]] = SlotTaken(alternatives=[])
    request = a_request(*ids, action=BulkAction.MOVE, target=BulkTarget(COLLEAGUE))
    moved, refused = (item.outcome for item in (await changes.start(CHANGE, request, RECEPTIONIST)).items)
    assert (moved.status, moved.doctor_id, moved.starts_at) == (S.DONE, COLLEAGUE, NINE + timedelta(hours=1))
    assert (refused.status, refused.code) == (S.REFUSED, "slot_taken")


async def test_a_message_goes_to_the_patient_of_each_appointment_once(changes: BulkChanges, services: BulkBackends) -> None:
    ids = [services.add(number, "completed") for number in (1, 2)]
    request = a_request(*ids, action=BulkAction.MESSAGE, text="Please bring your card.")
    assert statuses(await changes.start(CHANGE, request, RECEPTIONIST)) == [S.DONE, S.DONE]
    await changes.start(CHANGE, request, RECEPTIONIST)
    assert services.sent == [(derive_id(CHANGE, item_id), UUID(int=1000 + item_id.int), "Please bring your card.") for item_id in ids]


async def test_the_audit_trail_has_one_line_about_a_bulk_change_however_often_it_is_sent(
    changes: BulkChanges, services: BulkBackends
) -> None:
    request = a_request(services.add(1), services.add(2), reason="Burst pipe")
    for _ in range(2):
        await changes.start(CHANGE, request, RECEPTIONIST)
    (line,) = services.lines
    assert (line.action, line.actor_id, line.subject_id, line.row_id) == ("bulk.start", RECEPTIONIST.id, CHANGE, CHANGE)
    assert line.after == {"action": "cancel", "appointments": "2"}


async def test_texts_are_deleted_when_all_have_outcomes(changes: BulkChanges, services: BulkBackends) -> None:
    await changes.start(CHANGE, a_request(services.add(1), reason="Burst pipe"), RECEPTIONIST)
    assert "Burst pipe" not in repr(services.changes)


async def test_what_a_request_has_no_time_for_the_job_does(services: BulkBackends, clock: MovableClock) -> None:
    ids, left = [services.add(number) for number in range(1, 201)], [17]

    def has_time_for_some() -> bool:
        left[0] -= 1
        return left[0] >= 0

    hurried = bulk_changes(services, clock, has_time_for_some)
    change = await hurried.start(CHANGE, a_request(*ids), RECEPTIONIST)
    assert (statuses(change).count(S.DONE), change.is_finished) == (17, False)
    job = bulk_changes(services, clock)
    assert await job.complete_pending() == 1
    assert statuses(await job.get(CHANGE)) == [S.DONE] * 200
    assert len(services.calls) == len(set(services.calls)) == 200
    assert await job.complete_pending() == 0


async def test_a_repeated_request_continues_and_changes_nothing_twice(services: BulkBackends, clock: MovableClock) -> None:
    ids = [services.add(number) for number in (1, 2, 3)]
    services.unavailable = {ids[1]}
    changes = bulk_changes(services, clock)
    first = await changes.start(CHANGE, a_request(*ids), RECEPTIONIST)
    assert statuses(first) == [S.DONE, S.PENDING, S.DONE]
    services.unavailable = set()
    assert statuses(await changes.start(CHANGE, a_request(*ids), RECEPTIONIST)) == [S.DONE, S.DONE, S.DONE]
    assert len(services.calls) == 3


async def test_an_appointment_whose_service_never_answers_fails_after_a_day(services: BulkBackends, clock: MovableClock) -> None:
    appointment_id = services.add(1)
    services.unavailable = {appointment_id}
    changes = bulk_changes(services, clock)
    await changes.start(CHANGE, a_request(appointment_id), RECEPTIONIST)
    clock.advance(GIVE_UP_AFTER)
    assert await changes.complete_pending() == 1
    (item,) = (await changes.get(CHANGE)).items
    assert (item.outcome.status, item.outcome.code) == (S.FAILED, "unavailable")


async def test_outcomes_are_kept_for_a_month(changes: BulkChanges, services: BulkBackends, clock: MovableClock) -> None:
    await changes.start(CHANGE, a_request(services.add(1)), RECEPTIONIST)
    clock.advance(KEEP_OUTCOMES)
    assert await changes.delete_old() == 0
    clock.advance(timedelta(seconds=1))
    assert await changes.delete_old() == 1
    with pytest.raises(NoSuchBulkChange):
        await changes.get(CHANGE)


@pytest.mark.parametrize("action", list(BulkAction))
async def test_a_preview_changes_nothing(changes: BulkChanges, services: BulkBackends, action: BulkAction) -> None:
    ids = [services.add(1), services.add(2, "cancelled"), services.add(3, "completed"), UUID(int=9)]
    before = dict(services.appointments)
    preview = await changes.preview(a_request(*ids, action=action, target=BulkTarget(COLLEAGUE)), RECEPTIONIST)
    expected = {
        BulkAction.CANCEL: [S.DONE, S.UNCHANGED, S.REFUSED, S.REFUSED],
        BulkAction.MOVE: [S.DONE, S.REFUSED, S.REFUSED, S.REFUSED],
        BulkAction.MESSAGE: [S.DONE, S.DONE, S.DONE, S.REFUSED],
    }
    assert [item.outcome.status for item in preview.items] == expected[action]
    assert (services.appointments, services.changes, services.sent) == (before, {}, [])


async def test_the_preview_of_a_move_proposes_another_start_where_the_time_is_taken(changes: BulkChanges, services: BulkBackends) -> None:
    ids = [services.add(1), services.add(2)]
    services.taken = {ids[0]: ("taken", NINE), ids[1]: ("on_leave", None)}
    preview = await changes.preview(a_request(*ids, action=BulkAction.MOVE, target=BulkTarget(COLLEAGUE)), RECEPTIONIST)
    outcomes = [item.outcome for item in preview.items]
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [(S.REFUSED, "taken"), (S.REFUSED, "on_leave")]
    assert [outcome.proposal for outcome in outcomes] == [ProposedStart(COLLEAGUE, NINE), None]


async def test_a_preview_by_filter_shows_at_most_as_many_as_one_change_can_have(changes: BulkChanges, services: BulkBackends) -> None:
    for number in range(1, 251):
        services.add(number)
    preview = await changes.preview_matching(a_request(), {}, BulkTarget(), RECEPTIONIST)
    assert (len(preview.items), preview.complete) == (200, False)
    services.appointments = dict(list(services.appointments.items())[:200])
    preview = await changes.preview_matching(a_request(), {}, BulkTarget(), RECEPTIONIST)
    assert (len(preview.items), preview.complete) == (200, True)
    assert {item.outcome for item in preview.items} == {BulkOutcome(S.DONE)}


async def test_an_appointment_that_moves_while_pages_are_read_is_previewed_once(changes: BulkChanges, services: BulkBackends) -> None:
    ids = [services.add(number) for number in range(1, 151)]
    services.moved_during_paging = [services.appointments[ids[0]]]
    preview = await changes.preview_matching(a_request(), {}, BulkTarget(), RECEPTIONIST)
    assert [item.id for item in preview.items] == ids
