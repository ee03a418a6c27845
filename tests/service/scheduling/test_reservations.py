"""Reservations, as appointment-service requests them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.identity import Role
from tests.running import RunningService
from tests.service.scheduling.clinic import APPOINTMENTS, DoctorService, a_clinic, release, reserve
from tests.tokens import bearer, service_bearer
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, PATIENT, a_doctor, a_reservation_request, a_service

OTHER = UUID(int=0xB)


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[RunningService]:
    async with a_clinic(tmp_path, DoctorService([a_doctor()], [a_service()])) as clinic:
        yield clinic


async def get(clinic: RunningService, path: str) -> Any:
    return await clinic.http.get(f"/internal/reservations{path}", headers=APPOINTMENTS)


async def test_a_reservation_is_granted_and_can_be_read(clinic: RunningService) -> None:
    granted = await reserve(clinic, 1)
    assert granted.status_code == 200, granted.text
    assert granted.json() == {
        "appointment_id": str(UUID(int=1)),
        "service_id": str(CHECKUP),
        "doctor_id": str(DOCTOR),
        "patient_id": str(PATIENT),
        "starts_at": "2026-03-09T08:00:00Z",
        "ends_at": "2026-03-09T08:30:00Z",
        "revision": 1,
        "live": True,
        "override": None,
    }
    assert (await reserve(clinic, 1)).json() == granted.json()
    assert (await get(clinic, f"/{UUID(int=1)}")).json() == granted.json()


async def test_a_taken_time_is_a_conflict_with_alternatives(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    refused = await reserve(clinic, 2, patient_id=OTHER)
    assert (refused.status_code, refused.json()["code"]) == (409, "slot_taken")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["alternatives"][0] == {"doctor_id": str(DOCTOR), "starts_at": "2026-03-09T08:30:00Z"}
    assert len(refused.json()["alternatives"]) == 5


async def test_a_time_that_cannot_be_booked_is_refused_with_reasons(clinic: RunningService) -> None:
    refused = await reserve(clinic, 1, starts_at=NINE.replace(hour=3, minute=5))
    assert (refused.status_code, refused.json()["code"]) == (422, "not_bookable")
    assert [reason["code"] for reason in refused.json()["reasons"]] == ["outside_hours"]
    assert refused.json()["reasons"][0]["detail"]


async def test_a_request_that_arrives_after_its_release_is_refused(clinic: RunningService) -> None:
    assert (await release(clinic, 1, revision=1)).status_code == 204
    late = await reserve(clinic, 1)
    assert (late.status_code, late.json()["code"]) == (409, "reservation_released")
    assert (await reserve(clinic, 1, revision=2)).status_code == 200
    assert (await release(clinic, 1, revision=2)).status_code == 204
    assert (await release(clinic, 1, revision=2)).status_code == 204
    assert (await get(clinic, f"/{UUID(int=1)}")).json()["live"] is False


async def test_of_racing_requests_one_is_granted(clinic: RunningService) -> None:
    responses = await asyncio.gather(*(reserve(clinic, number, patient_id=UUID(int=100 + number)) for number in range(1, 21)))
    assert sorted(response.status_code for response in responses) == [200] + [409] * 19
    assert {response.json()["code"] for response in responses if response.status_code == 409} == {"slot_taken"}


async def test_live_reservations_are_listed_in_pages(clinic: RunningService) -> None:
    for number in range(1, 6):
        await reserve(clinic, number, starts_at=NINE.replace(hour=7 + number))
    await release(clinic, 2, revision=1)
    first = (await get(clinic, "?limit=2")).json()
    second = (await get(clinic, f"?limit=2&after={first['next']}")).json()
    assert [UUID(item["appointment_id"]).int for item in first["items"] + second["items"]] == [1, 3, 4, 5]
    assert second["next"] is None
    assert (await get(clinic, "?after=nonsense")).json()["code"] == "bad_cursor"


async def test_only_appointment_service_may_call(clinic: RunningService) -> None:
    path, body = f"/internal/reservations/{UUID(int=1)}", a_reservation_request().model_dump(mode="json")
    assert (await clinic.http.put(path, json=body)).status_code == 401
    for headers in (bearer(Role.ADMIN), bearer(Role.PATIENT), service_bearer("patient-service")):
        assert (await clinic.http.put(path, json=body, headers=headers)).status_code == 403
        assert (await clinic.http.delete(f"{path}?revision=1", headers=headers)).status_code == 403


@pytest.mark.parametrize("wrong", [{"revision": 0}, {"starts_at": "2026-03-09T08:00:00"}, {"colour": "red"}, {"doctor_id": "any"}])
async def test_a_malformed_request_is_refused(clinic: RunningService, wrong: dict[str, Any]) -> None:
    body = a_reservation_request().model_dump(mode="json") | wrong
    response = await clinic.http.put(f"/internal/reservations/{UUID(int=1)}", json=body, headers=APPOINTMENTS)
    assert response.status_code == 422
    assert (await get(clinic, f"/{UUID(int=1)}")).status_code == 404


async def test_a_release_requires_a_revision(clinic: RunningService) -> None:
    response = await clinic.http.delete(f"/internal/reservations/{UUID(int=1)}", headers=APPOINTMENTS)
    assert response.status_code == 422


async def test_reservations_are_not_in_the_public_openapi_document(clinic: RunningService) -> None:
    document = (await clinic.http.get("/openapi.json")).json()
    assert {"/slots", "/doctors/{doctor_id}/slots"} <= set(document["paths"])
    assert [path for path in document["paths"] if "internal" in path or "reservation" in path] == []
