"""Service types over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.contracts.events import ServiceChanged
from shared.contracts.identity import Role
from tests.running import Running, running
from tests.service.doctor.practice import CHECKUP, Practice
from tests.tokens import bearer


@pytest.fixture(name="doctors")
async def _doctors(tmp_path: Path) -> AsyncIterator[Running]:
    async with running("doctor_svc", tmp_path, hears=(ServiceChanged,)) as here:
        yield here


async def test_an_offered_service_is_listed_and_announced(doctors: Running) -> None:
    made = await doctors.http.post("/services", json=CHECKUP, headers=bearer(Role.ADMIN))
    assert made.status_code == 201, made.text
    service = made.json()
    assert made.headers["etag"] == '"1"'
    assert made.headers["location"] == f"/services/{service['id']}"
    assert service["slot_step_minutes"] == 30
    assert [item["id"] for item in (await doctors.http.get("/services")).json()["items"]] == [service["id"]]
    assert (await doctors.http.get("/specialties")).json() == {"items": ["General practice"]}
    await doctors.settle()
    assert [str(event.service_id) for event in doctors.heard if isinstance(event, ServiceChanged)] == [service["id"]]


async def test_the_same_key_offers_once_and_answers_the_same(doctors: Running) -> None:
    headers = bearer(Role.ADMIN) | {"Idempotency-Key": "a"}
    first = await doctors.http.post("/services", json=CHECKUP, headers=headers)
    again = await doctors.http.post("/services", json=CHECKUP, headers=headers)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    other = await doctors.http.post("/services", json=CHECKUP | {"name": "Other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_change_needs_the_version_that_was_read(doctors: Running) -> None:
    made = (await doctors.http.post("/services", json=CHECKUP, headers=bearer(Role.ADMIN))).json()
    path, admin = f"/services/{made['id']}", bearer(Role.ADMIN)
    assert (await doctors.http.patch(path, json={"name": "X"}, headers=admin)).status_code == 428
    changed = await doctors.http.patch(path, json={"name": "X"}, headers=admin | {"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert (await doctors.http.patch(path, json={"name": "Y"}, headers=admin | {"If-Match": '"1"'})).status_code == 412


async def test_only_an_admin_offers(doctors: Running) -> None:
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
