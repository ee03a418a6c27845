"""Previews of moves: all of them can be made together, and nothing is changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from scheduling_svc.domain.claims import Claim, requested_slot
from scheduling_svc.domain.terms import ServiceTerms
from scheduling_svc.usecases.move_previews import MovePreviewing
from shared.contracts.http import Actor, WeeklyWindow
from shared.contracts.identity import Role
from shared.contracts.moves import MovePreview, PlannedMove, PlannedMoves
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, a_doctor, a_reservation_request, a_service
from tests.unit.scheduling.fakes import InMemoryCalendar

HALF = timedelta(minutes=30)
DESK = Actor(id=UUID(int=0xEC), role=Role.RECEPTION)


@pytest.fixture
def store() -> InMemoryCalendar:
    return InMemoryCalendar({DOCTOR: a_doctor(), COLLEAGUE: a_doctor(id=COLLEAGUE), CHECKUP: a_service()})


def add(store: InMemoryCalendar, number: int, *, halves: int = 0, doctor_id: UUID = DOCTOR, **changes: Any) -> UUID:
    request = a_reservation_request(patient_id=UUID(int=1000 + number), starts_at=NINE + halves * HALF)
    appointment_id = UUID(int=number)
    claim = Claim(appointment_id, 1, requested_slot(request, ServiceTerms.from_rules(a_service()), doctor_id))
    store.claims[appointment_id] = replace(claim, **changes)
    return appointment_id


async def preview(store: InMemoryCalendar, *ids: UUID, doctor_id: UUID | None = COLLEAGUE, **changes: Any) -> list[MovePreview]:
    moves = [PlannedMove(appointment_id=item_id, doctor_id=doctor_id, **changes) for item_id in ids]
    return await MovePreviewing(store, lambda: NOON).preview(PlannedMoves(by=DESK, moves=moves))


async def test_a_days_list_keeps_its_times_where_the_colleague_is_free(store: InMemoryCalendar) -> None:
    ids = [add(store, number, halves=number) for number in range(4)]
    add(store, 9, halves=2, doctor_id=COLLEAGUE)
    previews = await preview(store, *ids)
    assert [item.code for item in previews] == [None, None, "taken", None]
    assert [item.starts_at for item in previews] == [NINE, NINE + HALF, NINE + 4 * HALF, NINE + 3 * HALF]
    assert {item.doctor_id for item in previews} == {COLLEAGUE}


async def test_no_two_proposals_have_the_same_time(store: InMemoryCalendar) -> None:
    ids = [add(store, number) for number in (1, 2, 3)]
    starts = [item.starts_at for item in await preview(store, *ids)]
    assert starts == [NINE, NINE + HALF, NINE + 2 * HALF]


async def test_a_colleague_without_a_free_time_on_that_day_has_none_to_propose(store: InMemoryCalendar) -> None:
    store.known[COLLEAGUE] = a_doctor(id=COLLEAGUE, weekly=[WeeklyWindow(weekday=2, start="09:00", end="17:00")])
    (item,) = await preview(store, add(store, 1))
    assert (item.code, item.starts_at) == ("outside_hours", None)


async def test_a_move_to_the_same_place_is_no_move(store: InMemoryCalendar) -> None:
    (item,) = await preview(store, add(store, 1), doctor_id=None)
    assert (item.code, item.starts_at, item.doctor_id) == (None, NINE, DOCTOR)


async def test_a_start_that_the_request_names_is_tried_first(store: InMemoryCalendar) -> None:
    (item,) = await preview(store, add(store, 1), starts_at=NINE + 5 * HALF)
    assert (item.code, item.starts_at) == (None, NINE + 5 * HALF)


@pytest.mark.parametrize("changes", [{"live": False}, {"begun": True}], ids=str)
async def test_a_visit_that_is_over_or_has_begun_cannot_move(store: InMemoryCalendar, changes: dict[str, Any]) -> None:
    (item,) = await preview(store, add(store, 1, **changes))
    assert (item.code, item.starts_at) == ("no_such_reservation", None)


async def test_an_unknown_appointment_or_doctor_has_a_code(store: InMemoryCalendar) -> None:
    known = add(store, 1)
    assert [item.code for item in await preview(store, UUID(int=99))] == ["no_such_reservation"]
    assert [item.code for item in await preview(store, known, doctor_id=UUID(int=99))] == ["unknown_doctor"]


async def test_a_preview_changes_nothing(store: InMemoryCalendar) -> None:
    item_id = add(store, 1)
    before = dict(store.claims)
    await preview(store, item_id)
    assert (store.claims, store.events) == (before, [])
