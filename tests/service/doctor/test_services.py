"""Service types over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.contracts.events import ServiceChanged
from shared.contracts.identity import Role
from tests.running import RunningService, run_service
from tests.service.doctor.practice import ADMIN, CHECKUP, Practice
from tests.tokens import bearer, service_bearer


@pytest.fixture(name="doctors")
async def _doctors(tmp_path: Path) -> AsyncIterator[RunningService]:
    async with run_service("doctor_svc", tmp_path, record_events=(ServiceChanged,)) as here:
        yield here


async def test_an_offered_service_is_listed_and_announced(doctors: RunningService) -> None:
    made = await doctors.http.post("/services", json=CHECKUP, headers=bearer(Role.ADMIN))
    assert made.status_code == 201, made.text
    service = made.json()
    assert made.headers["etag"] == '"1"'
    assert made.headers["location"] == f"/services/{service['id']}"
    assert service["slot_step_minutes"] == 30
    assert [item["id"] for item in (await doctors.http.get("/services")).json()["items"]] == [service["id"]]
    assert (await doctors.http.get("/specialties")).json() == {"items": ["General practice"]}
    await doctors.run_until_idle()
    assert [str(event.service_id) for event in doctors.published if isinstance(event, ServiceChanged)] == [service["id"]]


async def test_the_same_key_offers_once_and_answers_the_same(doctors: RunningService) -> None:
    headers = bearer(Role.ADMIN) | {"Idempotency-Key": "a"}
    first = await doctors.http.post("/services", json=CHECKUP, headers=headers)
    again = await doctors.http.post("/services", json=CHECKUP, headers=headers)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    other = await doctors.http.post("/services", json=CHECKUP | {"name": "Other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_change_needs_the_version_that_was_read(doctors: RunningService) -> None:
    made = (await doctors.http.post("/services", json=CHECKUP, headers=bearer(Role.ADMIN))).json()
    path, admin = f"/services/{made['id']}", bearer(Role.ADMIN)
    assert (await doctors.http.patch(path, json={"name": "X"}, headers=admin)).status_code == 428
    changed = await doctors.http.patch(path, json={"name": "X"}, headers=admin | {"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert (await doctors.http.patch(path, json={"name": "Y"}, headers=admin | {"If-Match": '"1"'})).status_code == 412


async def test_only_an_admin_offers(doctors: RunningService) -> None:
    assert (await doctors.http.post("/services", json=CHECKUP)).status_code == 401
    assert (await doctors.http.post("/services", content=b"{", headers=bearer(Role.PATIENT))).status_code == 403


async def test_pages_have_no_gaps(anywhere: Practice) -> None:
    for number in range(5):
        await anywhere.offer(name=f"S{number // 2}")
    names, path = [], "/services?limit=2"
    while path:
        page = await anywhere.http.get(path)
        names += [item["name"] for item in page.json()["items"]]
        path = page.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert names == ["S0", "S0", "S1", "S1", "S2"]


LIMITS = {"capacity": 12, "daily_cap": 4, "weekly_cap": 2}


async def test_limits_are_kept_listed_and_told_to_the_calendar(anywhere: Practice) -> None:
    made = await anywhere.http.post("/services", json=CHECKUP | LIMITS, headers=ADMIN)
    assert made.status_code == 201, made.text
    service = made.json()
    assert {name: service[name] for name in LIMITS} == LIMITS
    assert (await anywhere.http.get(f"/services/{service['id']}")).json() == service
    assert (await anywhere.http.get("/services")).json()["items"] == [service]
    rules = await anywhere.http.get(f"/internal/services/{service['id']}", headers=service_bearer("scheduling-service"))
    assert rules.json() == service


async def test_without_limits_a_visit_has_one_patient_and_there_are_as_many_as_fit(doctors: RunningService) -> None:
    service = (await doctors.http.post("/services", json=CHECKUP, headers=ADMIN)).json()
    assert {name: service[name] for name in LIMITS} == {"capacity": 1, "daily_cap": None, "weekly_cap": None}


async def test_limits_change_and_null_takes_a_cap_away(doctors: RunningService) -> None:
    made = (await doctors.http.post("/services", json=CHECKUP | LIMITS, headers=ADMIN)).json()
    path = f"/services/{made['id']}"
    changed = await doctors.http.patch(path, json={"capacity": 200, "daily_cap": None}, headers=ADMIN | {"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    assert changed.json() == made | {"capacity": 200, "daily_cap": None, "version": 2}
    again = await doctors.http.patch(path, json={"weekly_cap": 1000, "daily_cap": 1}, headers=ADMIN | {"If-Match": '"2"'})
    assert again.json() == made | {"capacity": 200, "daily_cap": 1, "weekly_cap": 1000, "version": 3}
    same = await doctors.http.patch(path, json={"weekly_cap": 1000}, headers=ADMIN | {"If-Match": '"3"'})
    assert same.json()["version"] == 3
    await doctors.run_until_idle()
    told = [event.rules for event in doctors.published if isinstance(event, ServiceChanged)]
    assert [(rules.capacity, rules.daily_cap, rules.weekly_cap, rules.version) for rules in told] == [
        (12, 4, 2, 1),
        (200, None, 2, 2),
        (200, 1, 1000, 3),
    ]


WRONG = [(name, value) for name in LIMITS for value in (0, -1, 1.0, 2.5, "3", True, [1])]


@pytest.mark.parametrize(("name", "value"), [*WRONG, ("capacity", 201), ("daily_cap", 1001), ("weekly_cap", 1001), ("capacity", None)])
async def test_a_limit_that_makes_no_sense_is_refused(doctors: RunningService, name: str, value: object) -> None:
    offered = await doctors.http.post("/services", json=CHECKUP | {name: value}, headers=ADMIN)
    assert (offered.status_code, offered.json()["errors"][0]["pointer"]) == (422, f"/{name}")
    made = (await doctors.http.post("/services", json=CHECKUP, headers=ADMIN)).json()
    amended = await doctors.http.patch(f"/services/{made['id']}", json={name: value}, headers=ADMIN | {"If-Match": '"1"'})
    assert amended.status_code == 422
    assert (await doctors.http.get(f"/services/{made['id']}")).json() == made
