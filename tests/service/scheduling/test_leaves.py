"""A doctor's leave over HTTP: which appointments it affects, what is done with them, and which time reopens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.events import LeaveTaken
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import RunningService, run_service
from tests.service.scheduling.clinic import APPOINTMENTS, DoctorService, release, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, a_doctor, a_service

HALF, DAY = timedelta(minutes=30), timedelta(days=1)
MORNING = (NINE, NINE + 6 * HALF)
SELF, ADMIN = bearer(Role.DOCTOR, DOCTOR), bearer(Role.ADMIN)


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    rules = DoctorService([a_doctor(), a_doctor(id=COLLEAGUE)], [a_service(buffer_after_minutes=10)])
    async with run_service("scheduling_svc", tmp_path, rules, database_url=sql_url, record_events=(LeaveTaken,)) as clinic:
        await clinic.run_until_idle()
        for number, start in enumerate((NINE, NINE + 2 * HALF, NINE + 4 * HALF), start=1):
            assert (await book(clinic, number, start)).status_code == 200
        yield clinic


async def book(clinic: RunningService, number: int, start: datetime, doctor: UUID = DOCTOR, revision: int = 1) -> httpx.Response:
    return await reserve(clinic, number, patient_id=UUID(int=0xAA00 + number), starts_at=start, doctor_id=doctor, revision=revision)


async def preview(clinic: RunningService, by: dict[str, str] = SELF, time: tuple[datetime, datetime] = MORNING) -> httpx.Response:
    body = {"starts_at": format_instant(time[0]), "ends_at": format_instant(time[1])}
    return await clinic.http.post(f"/doctors/{DOCTOR}/leaves/preview", json=body, headers=by)


async def take(
    clinic: RunningService,
    decisions: Sequence[dict[str, Any]],
    by: dict[str, str] = SELF,
    time: tuple[datetime, datetime] = MORNING,
) -> httpx.Response:
    body = {"starts_at": format_instant(time[0]), "ends_at": format_instant(time[1]), "reason": "Away", "affected": list(decisions)}
    return await clinic.http.post(f"/doctors/{DOCTOR}/leaves", json=body, headers=by)


def keep(*numbers: int) -> list[dict[str, Any]]:
    return [{"appointment_id": str(UUID(int=number)), "action": "keep"} for number in numbers]


def cancel(number: int) -> dict[str, Any]:
    return {"appointment_id": str(UUID(int=number)), "action": "cancel"}


def move(number: int, start: datetime, doctor: UUID = COLLEAGUE) -> dict[str, Any]:
    target = {"doctor_id": str(doctor), "starts_at": format_instant(start)}
    return {"appointment_id": str(UUID(int=number)), "action": "move", **target}


async def get_reservation(clinic: RunningService, number: int) -> dict[str, Any]:
    response: dict[str, Any] = (await clinic.http.get(f"/internal/reservations/{UUID(int=number)}", headers=APPOINTMENTS)).json()
    return response


async def list_free_starts(clinic: RunningService, doctor: UUID = DOCTOR) -> list[str]:
    """Return the free starts of the morning."""
    path = f"/slots?service_id={CHECKUP}&doctor_id={doctor}&from={format_instant(MORNING[0])}&to={format_instant(MORNING[1])}"
    return [slot["starts_at"][11:16] for slot in (await clinic.http.get(path)).json()["items"]]


async def test_a_preview_lists_the_affected_appointments_with_proposals(clinic: RunningService) -> None:
    affected = (await preview(clinic)).json()["affected"]
    assert [item["appointment_id"] for item in affected] == [str(UUID(int=number)) for number in (1, 2, 3)]
    assert affected[0] == {
        "appointment_id": str(UUID(int=1)),
        "starts_at": format_instant(NINE),
        "proposals": [
            {"doctor_id": str(COLLEAGUE), "starts_at": format_instant(NINE)},
            {"doctor_id": str(DOCTOR), "starts_at": format_instant(MORNING[1])},
        ],
    }


async def test_all_first_proposals_can_be_taken_at_once_and_all_last_ones_too(clinic: RunningService) -> None:
    for index in (0, -1):
        affected = (await preview(clinic)).json()["affected"]
        decisions = [{"appointment_id": item["appointment_id"], "action": "move", **item["proposals"][index]} for item in affected]
        taken = await take(clinic, decisions)
        assert taken.status_code == 201, taken.text
        assert (await clinic.http.delete(f"/doctors/{DOCTOR}/leaves/{taken.json()['id']}", headers=SELF)).status_code == 204
        for number, item in enumerate(affected, start=1):
            back = await book(clinic, number, datetime.fromisoformat(item["starts_at"]), revision=9 + index)
            assert back.status_code == 200, back.text


async def test_each_appointment_is_kept_cancelled_or_moved_as_decided(clinic: RunningService) -> None:
    response = await take(clinic, [*keep(1), cancel(2), move(3, NINE + 4 * HALF)])
    leave = response.json()
    assert response.status_code == 201, leave
    assert [item["action"] for item in leave["affected"]] == ["keep", "cancel", "move"]
    kept, cancelled, moved = [await get_reservation(clinic, number) for number in (1, 2, 3)]
    assert (kept["live"], kept["doctor_id"], kept["revision"]) == (True, str(DOCTOR), 1)
    assert cancelled["live"] is False
    assert (moved["doctor_id"], moved["starts_at"], moved["revision"]) == (str(COLLEAGUE), format_instant(NINE + 4 * HALF), 2)
    assert await list_free_starts(clinic) == []
    assert format_instant(NINE + 4 * HALF)[11:16] not in await list_free_starts(clinic, COLLEAGUE)


async def test_one_event_lists_the_displaced_appointments(clinic: RunningService) -> None:
    await take(clinic, [*keep(1), cancel(2), move(3, NINE + 4 * HALF)])
    await clinic.run_until_idle()
    (event,) = clinic.published
    assert isinstance(event, LeaveTaken)
    displaced = {
        item.appointment_id.int: (item.action, item.previous_starts_at, item.starts_at, item.doctor_id, item.revision)
        for item in event.displaced
    }
    later = NINE + 4 * HALF
    assert displaced == {2: ("cancelled", NINE + 2 * HALF, None, None, 2), 3: ("moved", later, later, COLLEAGUE, 2)}
    assert (event.actor.id, event.doctor_id) == (DOCTOR, DOCTOR)


async def test_a_request_that_arrives_after_a_leave_does_not_undo_it(clinic: RunningService) -> None:
    await take(clinic, [*keep(1), cancel(2), move(3, NINE + 4 * HALF)])
    late = await book(clinic, 2, NINE + 8 * HALF, revision=2)
    assert (late.status_code, late.json()["code"]) == (409, "reservation_released")
    answered = await book(clinic, 3, NINE + 8 * HALF, revision=2)
    assert (answered.status_code, answered.json()) == (200, await get_reservation(clinic, 3))
    assert (await get_reservation(clinic, 3))["starts_at"] == format_instant(NINE + 4 * HALF)


async def test_a_request_with_a_higher_revision_than_a_leave_is_granted(clinic: RunningService) -> None:
    await take(clinic, [*keep(1), cancel(2), move(3, NINE + 4 * HALF)])
    for number in (2, 3):
        response = (await book(clinic, number, NINE + 4 * number * HALF, revision=3)).json()
        assert (response["starts_at"], response["doctor_id"], response["live"]) == (
            format_instant(NINE + 4 * number * HALF),
            str(DOCTOR),
            True,
        )
    assert format_instant(NINE + 4 * HALF)[11:16] in await list_free_starts(clinic, COLLEAGUE)


async def test_a_booking_made_in_between_is_not_lost(clinic: RunningService) -> None:
    assert (await preview(clinic)).status_code == 200
    await release(clinic, 3, 1)
    assert (await book(clinic, 4, NINE + 5 * HALF)).status_code == 200
    refused = await take(clinic, keep(1, 2, 3))
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "affected_changed")
    assert [UUID(item["appointment_id"]).int for item in problem["affected"]] == [1, 2, 4]
    assert (await get_reservation(clinic, 4))["live"] is True
    assert (await clinic.http.get(f"/doctors/{DOCTOR}/leaves", headers=SELF)).json()["items"] == []
    assert clinic.published == []


@pytest.mark.parametrize("decided", [(), (1, 2), (1, 2, 3, 9)])
async def test_every_appointment_must_be_decided_about_and_no_other(clinic: RunningService, decided: tuple[int, ...]) -> None:
    before = await list_free_starts(clinic)
    refused = await take(clinic, keep(*decided))
    assert (refused.status_code, refused.json()["code"]) == (409, "affected_changed")
    assert len(refused.json()["affected"]) == 3
    assert await list_free_starts(clinic) == before


async def test_a_move_that_is_not_possible_undoes_everything(clinic: RunningService) -> None:
    assert (await book(clinic, 5, NINE, COLLEAGUE)).status_code == 200
    before = await list_free_starts(clinic)
    refused = (await take(clinic, [move(1, NINE), cancel(2), *keep(3)])).json()
    assert (refused["code"], refused["appointment_id"]) == ("slot_taken", str(UUID(int=1)))
    refused = (await take(clinic, [move(1, NINE + 2 * HALF, DOCTOR), cancel(2), *keep(3)])).json()
    assert (refused["code"], [reason["code"] for reason in refused["reasons"]]) == ("not_bookable", ["on_leave"])
    assert await list_free_starts(clinic) == before
    assert (await get_reservation(clinic, 2))["live"] is True


async def test_a_kept_appointment_that_is_cancelled_later_reopens_nothing_and_a_withdrawn_leave_does(clinic: RunningService) -> None:
    leave = (await take(clinic, keep(1, 2, 3))).json()
    await release(clinic, 1, 1)
    assert await list_free_starts(clinic) == []
    assert (await book(clinic, 6, NINE)).json()["reasons"][0]["code"] == "on_leave"
    path = f"/doctors/{DOCTOR}/leaves/{leave['id']}"
    assert [(await clinic.http.delete(path, headers=SELF)).status_code for _ in range(2)] == [204, 404]
    assert "08:00" in await list_free_starts(clinic)
    assert (await book(clinic, 6, NINE)).status_code == 200
    assert (await book(clinic, 7, NINE + 2 * HALF)).json()["code"] == "slot_taken"


async def test_no_buffer_reaches_into_a_leave(clinic: RunningService) -> None:
    time = (NINE + 12 * HALF, NINE + 14 * HALF)
    assert (await take(clinic, [], time=time)).status_code == 201
    path = f"/slots/explain?service_id={CHECKUP}&doctor_id={DOCTOR}&starts_at={format_instant(time[0] - HALF)}"
    reasons = (await clinic.http.get(path, headers=SELF)).json()["reasons"]
    assert [reason["code"] for reason in reasons] == ["on_leave"]


async def test_holds_in_its_time_are_dropped(clinic: RunningService) -> None:
    time = (NINE + 12 * HALF, NINE + 14 * HALF)
    body = {"service_id": str(CHECKUP), "doctor_id": str(DOCTOR), "starts_at": format_instant(time[0])}
    patient = bearer(Role.PATIENT)
    held = (await clinic.http.post("/holds", json=body, headers=patient)).json()
    leave = (await take(clinic, [], time=time)).json()
    assert (await clinic.http.get(f"/holds/{held['id']}", headers=patient)).status_code == 404
    await clinic.http.delete(f"/doctors/{DOCTOR}/leaves/{leave['id']}", headers=SELF)
    assert (await clinic.http.post("/holds", json=body, headers=bearer(Role.PATIENT))).status_code == 201


async def test_a_repeated_request_with_a_key_takes_one_leave(clinic: RunningService) -> None:
    responses = [await take(clinic, keep(1, 2, 3), by=SELF | {"Idempotency-Key": "once"}) for _ in range(2)]
    assert responses[0].json() == responses[1].json()
    assert len((await clinic.http.get(f"/doctors/{DOCTOR}/leaves", headers=ADMIN)).json()["items"]) == 1


async def test_a_leave_can_be_read_at_its_location_until_it_is_withdrawn(clinic: RunningService) -> None:
    taken = await take(clinic, [cancel(1), *keep(2, 3)])
    location = taken.headers["Location"]
    for by in (SELF, ADMIN):
        shown = await clinic.http.get(location, headers=by)
        assert (shown.status_code, shown.json()) == (200, taken.json())
    assert (await clinic.http.get(location.replace(str(DOCTOR), str(COLLEAGUE)), headers=ADMIN)).json()["code"] == "no_such_leave"
    assert (await clinic.http.get(location, headers=bearer(Role.DOCTOR, COLLEAGUE))).status_code == 403
    assert (await clinic.http.delete(location, headers=SELF)).status_code == 204
    assert (await clinic.http.get(location, headers=SELF)).json()["code"] == "no_such_leave"


async def test_leaves_are_listed_the_latest_first_in_pages(clinic: RunningService) -> None:
    for days in (1, 3, 2):
        assert (await take(clinic, [], time=(NINE + days * DAY, NINE + days * DAY + HALF))).status_code == 201
    path, dates = f"/doctors/{DOCTOR}/leaves?limit=2", []
    while path:
        response = await clinic.http.get(path, headers=SELF)
        dates += [leave["starts_at"][:10] for leave in response.json()["items"]]
        path = response.headers["Link"].split(">")[0][1:] if "Link" in response.headers else ""
    assert dates == ["2026-03-12", "2026-03-11", "2026-03-10"]


@pytest.mark.parametrize(
    ("time", "code"),
    [
        ((MORNING[1], MORNING[0]), "range_reversed"),
        ((NINE - 9 * DAY, NINE - 8 * DAY), "already_over"),
        ((NINE, NINE + 367 * DAY), "range_too_long"),
    ],
)
async def test_an_invalid_range_is_refused(clinic: RunningService, time: tuple[datetime, datetime], code: str) -> None:
    for refused in (await preview(clinic, time=time), await take(clinic, [], time=time)):
        assert (refused.status_code, refused.json()["code"]) == (422, code)


async def test_inconsistent_decisions_are_refused(clinic: RunningService) -> None:
    move_without_start = {"appointment_id": str(UUID(int=1)), "action": "move"}
    cancel_with_start = {**cancel(1), "starts_at": format_instant(NINE)}
    for decisions, code in (
        ([move_without_start], "target_required"),
        ([cancel_with_start], "target_required"),
        (keep(1, 1), "decided_twice"),
    ):
        refused = await take(clinic, decisions)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    refused = await take(clinic, [move(1, NINE, uuid4()), *keep(2, 3)])
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_doctor")


async def test_only_the_doctor_and_admins_may_take_a_leave(clinic: RunningService) -> None:
    expected = {Role.PATIENT: 403, Role.RECEPTION: 403, Role.DOCTOR: 403, Role.ADMIN: 200}
    for role, status in expected.items():
        assert (await preview(clinic, by=bearer(role))).status_code == status
    assert (await preview(clinic, by={})).status_code == 401
    path = f"/doctors/{uuid4()}/leaves"
    assert (await clinic.http.get(path, headers=ADMIN)).status_code == 404
