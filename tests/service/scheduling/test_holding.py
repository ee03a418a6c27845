"""Holds over HTTP: only the owner can book a held time for five minutes, and then it is free again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, PATIENT, a_doctor, a_service

OTHER, SECOND, THIRD, FOURTH = (UUID(int=number) for number in (0xB, 0x52, 0x53, 0x54))
SERVICES = [CHECKUP, SECOND, THIRD, FOURTH]
HALF, FIVE = timedelta(minutes=30), timedelta(minutes=5)
ME, SOMEONE = bearer(Role.PATIENT, PATIENT), bearer(Role.PATIENT, OTHER)


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    rules = DoctorService([a_doctor(services=SERVICES)], [a_service(id=service) for service in SERVICES])
    async with a_clinic(tmp_path, rules, database_url=sql_url) as clinic:
        yield clinic


async def hold(clinic: RunningService, start: datetime = NINE, by: dict[str, str] = ME, service: UUID = CHECKUP) -> httpx.Response:
    body = {"service_id": str(service), "doctor_id": str(DOCTOR), "starts_at": format_instant(start)}
    return await clinic.http.post("/holds", json=body, headers=by)


async def slot(clinic: RunningService, by: dict[str, str] | None = None, start: datetime = NINE) -> dict[str, Any] | None:
    """Return the start as the caller's list shows it."""
    path = f"/slots?service_id={CHECKUP}&from={format_instant(start)}&to={format_instant(start + FIVE)}"
    items = (await clinic.http.get(path, headers=by)).json()["items"]
    return items[0] if items else None


async def book(clinic: RunningService, number: int = 1, person: UUID = PATIENT, start: datetime = NINE, **request: Any) -> httpx.Response:
    return await reserve(clinic, number, patient_id=person, starts_at=start, **request)


async def test_a_hold_is_its_owners_for_five_minutes(clinic: RunningService) -> None:
    response = await hold(clinic)
    body = response.json()
    assert response.status_code == 201, body
    assert body["expires_at"] == format_instant(clinic.clock() + FIVE)
    assert response.headers["Location"] == f"/holds/{body['id']}"
    assert (await clinic.http.get(response.headers["Location"], headers=ME)).json() == body
    mine = await slot(clinic, ME)
    assert mine is not None
    assert mine["held_by_you"] is True
    assert await slot(clinic, SOMEONE) is None
    assert await slot(clinic) is None


async def test_only_its_owner_can_read_or_extend_a_hold(clinic: RunningService) -> None:
    path = f"/holds/{(await hold(clinic)).json()['id']}"
    for stranger in (SOMEONE, bearer(Role.RECEPTION), bearer(Role.ADMIN)):
        responses = [await clinic.http.get(path, headers=stranger), await clinic.http.post(f"{path}/extend", headers=stranger)]
        assert [(response.status_code, response.json()["code"]) for response in responses] == [(404, "no_such_hold")] * 2
    assert (await clinic.http.get(path, headers=ME)).json()["extended"] is False


async def test_others_get_the_end_of_a_hold_and_alternatives(clinic: RunningService) -> None:
    expires_at = (await hold(clinic)).json()["expires_at"]
    for refused in (await hold(clinic, by=SOMEONE), await book(clinic, person=OTHER)):
        problem = refused.json()
        assert (refused.status_code, problem["code"], problem["available_again_at"]) == (409, "slot_held", expires_at)
        assert problem["alternatives"][0]["starts_at"] == format_instant(NINE + HALF)
    explained = await clinic.http.get(
        f"/slots/explain?service_id={CHECKUP}&doctor_id={DOCTOR}&starts_at={format_instant(NINE)}", headers=SOMEONE
    )
    assert [reason["code"] for reason in explained.json()["reasons"]] == ["held"]


async def test_a_hold_ends_exactly_at_its_end(clinic: RunningService) -> None:
    response = (await hold(clinic)).json()
    clinic.clock.advance(FIVE - timedelta(microseconds=1))
    assert (await book(clinic, person=OTHER)).status_code == 409
    clinic.clock.advance(timedelta(microseconds=1))
    assert await slot(clinic) is not None
    assert (await clinic.http.get(f"/holds/{response['id']}", headers=ME)).status_code == 404
    assert (await book(clinic, person=OTHER)).status_code == 200


async def test_an_expired_hold_can_be_replaced_by_another(clinic: RunningService) -> None:
    await hold(clinic)
    clinic.clock.advance(FIVE)
    assert (await hold(clinic, by=SOMEONE)).status_code == 201
    assert (await book(clinic)).json()["code"] == "slot_held"


async def test_a_hold_is_extended_once_and_not_when_it_is_over(clinic: RunningService) -> None:
    first = (await hold(clinic)).json()
    path = f"/holds/{first['id']}/extend"
    extended = await clinic.http.post(path, headers=ME)
    assert (extended.status_code, extended.json()["expires_at"]) == (200, format_instant(clinic.clock() + 2 * FIVE))
    assert (await clinic.http.post(path, headers=ME)).json()["code"] == "hold_extended"
    clinic.clock.advance(2 * FIVE)
    second = (await hold(clinic)).json()
    clinic.clock.advance(FIVE)
    assert (await clinic.http.post(f"/holds/{second['id']}/extend", headers=ME)).json()["code"] == "hold_expired"


async def test_a_new_hold_for_a_service_replaces_the_last(clinic: RunningService) -> None:
    first = (await hold(clinic)).json()
    assert (await hold(clinic, NINE + HALF)).status_code == 201
    assert await slot(clinic) is not None
    assert (await clinic.http.get(f"/holds/{first['id']}", headers=ME)).status_code == 404


async def test_an_owner_has_at_most_three_holds(clinic: RunningService) -> None:
    held = [await hold(clinic, NINE + number * HALF, service=service) for number, service in enumerate(SERVICES)]
    assert [response.status_code for response in held] == [201, 201, 201, 409]
    assert (held[-1].json()["code"], held[-1].json()["limit"]) == ("too_many_holds", 3)
    clinic.clock.advance(FIVE)
    assert (await hold(clinic, NINE + 3 * HALF, service=FOURTH)).status_code == 201


async def test_a_booking_uses_up_the_hold_that_it_names(clinic: RunningService) -> None:
    held = (await hold(clinic)).json()
    assert (await book(clinic, hold_id=UUID(held["id"]))).status_code == 200
    assert (await clinic.http.get(f"/holds/{held['id']}", headers=ME)).status_code == 404
    assert (await hold(clinic, NINE + HALF, by=SOMEONE)).status_code == 201


async def test_the_owner_books_a_held_time_without_naming_the_hold(clinic: RunningService) -> None:
    await hold(clinic)
    assert (await book(clinic)).status_code == 200
    clinic.clock.advance(FIVE)
    assert await slot(clinic) is None


async def test_a_hold_is_only_for_its_owner_service_doctor_and_time(clinic: RunningService) -> None:
    held = UUID((await hold(clinic)).json()["id"])
    wrong = [
        await book(clinic, 1, OTHER, hold_id=held),
        await book(clinic, 2, PATIENT, NINE + HALF, hold_id=held),
        await book(clinic, 3, PATIENT, service_id=SECOND, hold_id=held),
        await book(clinic, 4, PATIENT, by=Actor(id=OTHER, role=Role.RECEPTION), hold_id=held),
        await book(clinic, 5, PATIENT, hold_id=uuid4()),
    ]
    assert [(response.status_code, response.json()["code"]) for response in wrong] == [(409, "hold_mismatch")] * 5
    assert (await book(clinic, 6, hold_id=held)).status_code == 200


async def test_a_booking_with_an_expired_hold_is_refused_with_alternatives(clinic: RunningService) -> None:
    held = UUID((await hold(clinic)).json()["id"])
    clinic.clock.advance(FIVE)
    refused = (await book(clinic, hold_id=held)).json()
    assert refused["code"] == "hold_expired"
    assert format_instant(NINE) in [alternative["starts_at"] for alternative in refused["alternatives"]]


async def test_an_expired_hold_of_another_owner_is_still_a_mismatch(clinic: RunningService) -> None:
    held = UUID((await hold(clinic)).json()["id"])
    clinic.clock.advance(FIVE)
    assert (await book(clinic, person=OTHER, hold_id=held)).json()["code"] == "hold_mismatch"
    assert (await book(clinic, start=NINE + HALF, hold_id=held)).json()["code"] == "hold_mismatch"


async def test_only_its_owner_can_delete_a_hold_and_may_repeat_it(clinic: RunningService) -> None:
    path = f"/holds/{(await hold(clinic)).json()['id']}"
    assert (await clinic.http.delete(path, headers=SOMEONE)).status_code == 404
    assert await slot(clinic) is None
    assert [(await clinic.http.delete(path, headers=ME)).status_code for _ in range(2)] == [204, 204]
    assert await slot(clinic) is not None
    assert (await clinic.http.delete(f"/holds/{uuid4()}", headers=ME)).status_code == 404


async def test_a_repeated_request_with_a_key_makes_one_hold(clinic: RunningService) -> None:
    responses = [await hold(clinic, by=ME | {"Idempotency-Key": "k"}) for _ in range(2)]
    assert responses[0].json() == responses[1].json()
    assert responses[1].headers["Idempotent-Replayed"] == "true"


async def test_patients_and_staff_may_hold(clinic: RunningService) -> None:
    roles = {Role.PATIENT: 201, Role.RECEPTION: 201, Role.ADMIN: 201, Role.DOCTOR: 403}
    for number, (role, expected) in enumerate(roles.items()):
        assert (await hold(clinic, NINE + number * HALF, by=bearer(role))).status_code == expected
    assert (await hold(clinic, by={})).status_code == 401


async def test_a_time_that_cannot_be_booked_cannot_be_held(clinic: RunningService) -> None:
    refused = (await hold(clinic, NINE - timedelta(days=1))).json()
    assert (refused["code"], [reason["code"] for reason in refused["reasons"]]) == ("not_bookable", ["outside_hours"])
    await book(clinic, person=OTHER)
    assert (await hold(clinic)).json()["code"] == "slot_taken"
    await book(clinic, 2, PATIENT, NINE + HALF)
    assert (await hold(clinic, NINE + HALF)).json()["code"] == "slot_taken"
    unknown = {"service_id": str(uuid4()), "doctor_id": str(DOCTOR), "starts_at": format_instant(NINE)}
    assert (await clinic.http.post("/holds", json=unknown, headers=ME)).json()["code"] == "unknown_service"
