"""Service types over HTTP."""

from __future__ import annotations

import pytest

from shared.contracts.events import ServiceChanged
from shared.contracts.identity import Role
from tests.service.doctor.running_doctor import ADMIN, CHECKUP, RunningDoctor
from tests.tokens import bearer, service_bearer


async def test_a_created_service_is_listed_and_published(doctors: RunningDoctor) -> None:
    created = await doctors.http.post("/services", json=CHECKUP, headers=ADMIN)
    assert created.status_code == 201, created.text
    service = created.json()
    assert created.headers["etag"] == '"1"'
    assert created.headers["location"] == f"/services/{service['id']}"
    assert service["slot_step_minutes"] == 30
    assert [item["id"] for item in (await doctors.http.get("/services")).json()["items"]] == [service["id"]]
    assert (await doctors.http.get("/specialties")).json() == {"items": ["General practice"]}
    assert [str(event.service_id) for event in await doctors.list_events(ServiceChanged)] == [service["id"]]


async def test_the_same_key_creates_one_service_and_returns_the_same_response(doctors: RunningDoctor) -> None:
    headers = ADMIN | {"Idempotency-Key": "a"}
    first = await doctors.http.post("/services", json=CHECKUP, headers=headers)
    again = await doctors.http.post("/services", json=CHECKUP, headers=headers)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    other = await doctors.http.post("/services", json=CHECKUP | {"name": "Other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_change_needs_the_current_version(doctors: RunningDoctor) -> None:
    created = (await doctors.http.post("/services", json=CHECKUP, headers=ADMIN)).json()
    path, admin = f"/services/{created['id']}", ADMIN
    assert (await doctors.http.patch(path, json={"name": "X"}, headers=admin)).status_code == 428
    changed = await doctors.http.patch(path, json={"name": "X"}, headers=admin | {"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert (await doctors.http.patch(path, json={"name": "Y"}, headers=admin | {"If-Match": '"1"'})).status_code == 412


async def test_only_admins_create_services(doctors: RunningDoctor) -> None:
    assert (await doctors.http.post("/services", json=CHECKUP)).status_code == 401
    assert (await doctors.http.post("/services", content=b"{", headers=bearer(Role.PATIENT))).status_code == 403


async def test_pages_have_no_gaps(doctors_on_sql: RunningDoctor) -> None:
    for number in range(5):
        await doctors_on_sql.create_service(name=f"S{number // 2}")
    names, path = [], "/services?limit=2"
    while path:
        page = await doctors_on_sql.http.get(path)
        names += [item["name"] for item in page.json()["items"]]
        path = page.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert names == ["S0", "S0", "S1", "S1", "S2"]


LIMITS = {"capacity": 12, "daily_cap": 4, "weekly_cap": 2}


async def test_limits_are_stored_listed_and_readable_for_the_calendar(doctors_on_sql: RunningDoctor) -> None:
    created = await doctors_on_sql.http.post("/services", json=CHECKUP | LIMITS, headers=ADMIN)
    assert created.status_code == 201, created.text
    service = created.json()
    assert {name: service[name] for name in LIMITS} == LIMITS
    assert (await doctors_on_sql.http.get(f"/services/{service['id']}")).json() == service
    assert (await doctors_on_sql.http.get("/services")).json()["items"] == [service]
    rules = await doctors_on_sql.http.get(f"/internal/services/{service['id']}", headers=service_bearer("scheduling-service"))
    assert rules.json() == service


async def test_without_limits_a_visit_has_one_patient_and_there_are_no_caps(doctors: RunningDoctor) -> None:
    service = (await doctors.http.post("/services", json=CHECKUP, headers=ADMIN)).json()
    assert {name: service[name] for name in LIMITS} == {"capacity": 1, "daily_cap": None, "weekly_cap": None}


async def test_limits_can_be_changed_and_null_removes_a_cap(doctors: RunningDoctor) -> None:
    created = (await doctors.http.post("/services", json=CHECKUP | LIMITS, headers=ADMIN)).json()
    path = f"/services/{created['id']}"
    changed = await doctors.http.patch(path, json={"capacity": 200, "daily_cap": None}, headers=ADMIN | {"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    assert changed.json() == created | {"capacity": 200, "daily_cap": None, "version": 2}
    again = await doctors.http.patch(path, json={"weekly_cap": 1000, "daily_cap": 1}, headers=ADMIN | {"If-Match": '"2"'})
    assert again.json() == created | {"capacity": 200, "daily_cap": 1, "weekly_cap": 1000, "version": 3}
    unchanged = await doctors.http.patch(path, json={"weekly_cap": 1000}, headers=ADMIN | {"If-Match": '"3"'})
    assert unchanged.json()["version"] == 3
    published = [event.rules for event in await doctors.list_events(ServiceChanged)]
    assert [(rules.capacity, rules.daily_cap, rules.weekly_cap, rules.version) for rules in published] == [
        (12, 4, 2, 1),
        (200, None, 2, 2),
        (200, 1, 1000, 3),
    ]


INVALID = [(name, value) for name in LIMITS for value in (0, -1, 1.0, 2.5, "3", True, [1])]


@pytest.mark.parametrize(("name", "value"), [*INVALID, ("capacity", 201), ("daily_cap", 1001), ("weekly_cap", 1001), ("capacity", None)])
async def test_an_invalid_limit_is_refused(doctors: RunningDoctor, name: str, value: object) -> None:
    response = await doctors.http.post("/services", json=CHECKUP | {name: value}, headers=ADMIN)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, f"/{name}")
    created = (await doctors.http.post("/services", json=CHECKUP, headers=ADMIN)).json()
    updated = await doctors.http.patch(f"/services/{created['id']}", json={name: value}, headers=ADMIN | {"If-Match": '"1"'})
    assert updated.status_code == 422
    assert (await doctors.http.get(f"/services/{created['id']}")).json() == created
