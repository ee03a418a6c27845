"""Lists of free times over HTTP: how long they may be, how they continue, and which times are free for a move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from shared.kit.paging import encode_cursor
from tests.running import NOON, RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, release, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, PATIENT, a_doctor, a_service

FOLLOW_UP = UUID(int=0x7)
DAY, HALF = timedelta(days=1), timedelta(minutes=30)
DOCTOR_IDS = [DOCTOR, COLLEAGUE, *(UUID(int=0xD3 + number) for number in range(3))]
ME, STAFF, THE_DOCTOR = bearer(Role.PATIENT, PATIENT), bearer(Role.RECEPTION), bearer(Role.DOCTOR, DOCTOR)


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[RunningService]:
    doctors = [a_doctor(id=doctor_id, services=[CHECKUP, FOLLOW_UP], location="Zürich, Rue du Rhône") for doctor_id in DOCTOR_IDS]
    async with a_clinic(tmp_path, DoctorService(doctors, [a_service(), a_service(id=FOLLOW_UP)])) as clinic:
        yield clinic


async def get(clinic: RunningService, path: str, by: dict[str, str] | None = None, **query: Any) -> httpx.Response:
    named = {"from" if name == "begins" else "to" if name == "ends" else name: value for name, value in query.items()}
    return await clinic.http.get(path, params={"service_id": str(CHECKUP)} | named, headers=by)


@pytest.mark.parametrize("path", ["/slots", f"/doctors/{DOCTOR}/slots"])
async def test_a_range_of_more_than_sixty_two_days_is_refused(clinic: RunningService, path: str) -> None:
    last = NOON + 62 * DAY
    response = await get(clinic, path, begins=format_instant(NOON), ends=format_instant(last), limit=1000)
    assert (response.status_code, response.json()["complete"]) == (200, True)
    refused = await get(clinic, path, begins=format_instant(NOON), ends=format_instant(last + timedelta(seconds=1)))
    assert (refused.status_code, refused.json()["code"], refused.json()["longest_days"]) == (422, "range_too_long", 62)
    assert refused.json()["errors"][0]["pointer"] == "/to"


async def test_more_than_eighty_named_doctors_are_refused(clinic: RunningService) -> None:
    assert (await get(clinic, "/slots", doctor_id=[str(DOCTOR)] * 80)).status_code == 200
    refused = await get(clinic, "/slots", doctor_id=[str(DOCTOR)] * 81)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")
    assert refused.json()["errors"][0]["pointer"] == "/doctor_id"


@pytest.mark.parametrize("path", ["/slots", "/slots/earliest"])
async def test_the_pages_of_a_list_have_no_gaps_and_no_repeats(clinic: RunningService, path: str) -> None:
    """Five doctors are free at each start, so that a page may end between two of them."""
    whole = (await get(clinic, path, begins=format_instant(NINE), limit=20)).json()["items"]
    for limit in (2, 5, 7):
        cursor: dict[str, Any] = {}
        for first in range(0, 20, limit):
            page = (await get(clinic, path, begins=format_instant(NINE), limit=limit, **cursor)).json()
            assert (page["items"][: 20 - first], page["complete"]) == (whole[first : first + limit], False)
            cursor = {"after": page["next"]}


@pytest.mark.parametrize("path", ["/slots", "/slots/earliest"])
async def test_a_list_links_to_its_next_page(clinic: RunningService, path: str) -> None:
    first = await get(clinic, path, begins=format_instant(NINE), limit=2)
    following = await get(clinic, path, begins=format_instant(NINE), limit=2, after=first.json()["next"])
    assert first.links["next"]["url"].startswith(path)
    linked = await clinic.http.get(first.links["next"]["url"])
    assert linked.json()["items"] == following.json()["items"]
    assert linked.json()["items"] != first.json()["items"]


@pytest.mark.parametrize(
    ("path", "query"), [("/slots", {"ends": format_instant(NINE + HALF)}), ("/slots/earliest", {"begins": format_instant(NINE + 77 * DAY)})]
)
async def test_the_last_page_is_complete(clinic: RunningService, path: str, query: dict[str, Any]) -> None:
    response = await get(clinic, path, **query, limit=1000)
    whole = response.json()
    assert (whole["complete"], whole["next"], "Link" in response.headers) == (True, None, False)
    page = (await get(clinic, path, **query, limit=len(whole["items"]) - 1)).json()
    rest = (await get(clinic, path, **query, limit=1, after=page["next"])).json()
    assert (page["items"] + rest["items"], rest["complete"], rest["next"]) == (whole["items"], True, None)


BAD_CURSORS = [
    ("nonsense",),
    (format_instant(NINE),),
    (format_instant(NINE), str(DOCTOR), "more"),
    (format_instant(NINE), "nobody"),
    ("yesterday", str(DOCTOR)),
    ("2026-03-09T08:00:00", str(DOCTOR)),
    ("9999-03-09T08:00:00Z", str(DOCTOR)),
]


@pytest.mark.parametrize("path", ["/slots", "/slots/earliest", f"/doctors/{DOCTOR}/slots"])
async def test_a_cursor_of_another_list_is_refused(clinic: RunningService, path: str) -> None:
    for cursor in ("nonsense", *map(encode_cursor, BAD_CURSORS)):
        refused = await get(clinic, path, after=cursor)
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor"), cursor
        assert refused.json()["errors"][0]["pointer"] == "/after"


@pytest.mark.parametrize("path", ["/slots", "/slots/earliest"])
async def test_a_cursor_before_the_list_returns_all_of_it_and_a_cursor_after_it_nothing(clinic: RunningService, path: str) -> None:
    whole = (await get(clinic, path, begins=format_instant(NINE + HALF))).json()["items"]
    for before in ("1970-01-02T00:00:00Z", format_instant(NINE)):
        found = await get(clinic, path, begins=format_instant(NINE + HALF), after=encode_cursor((before, str(DOCTOR))))
        assert found.json()["items"] == whole
    beyond = (await get(clinic, path, after=encode_cursor(("2199-12-31T00:00:00Z", str(DOCTOR))))).json()
    assert (beyond["items"], beyond["complete"], beyond["next"]) == ([], True, None)


async def test_words_are_compared_without_accents_and_case(clinic: RunningService) -> None:
    for word in ("zurich", "ZÜRICH", "rhone"):
        assert (await get(clinic, "/slots/earliest", location=word)).json()["items"] != []
    assert (await get(clinic, "/slots/earliest", location="zuerich")).json()["items"] == []


async def starts(clinic: RunningService, by: dict[str, str], doctor: UUID = DOCTOR, **query: Any) -> list[int]:
    """Return the free starts of two hours, in half hours after nine."""
    window = {"begins": format_instant(NINE), "ends": format_instant(NINE + 4 * HALF), "doctor_id": str(doctor)}
    items = (await get(clinic, "/slots", by, **window | query)).json()["items"]
    return [number for number in range(4) for slot in items if slot["starts_at"] == format_instant(NINE + number * HALF)]


async def test_the_list_for_a_move_leaves_out_times_at_which_the_patient_is_busy(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    await reserve(clinic, 2, doctor_id=COLLEAGUE, starts_at=NINE + 2 * HALF)
    moved: dict[str, Any] = {"exclude_appointment": str(UUID(int=1))}
    for caller in (ME, THE_DOCTOR, STAFF):
        assert await starts(clinic, caller, **moved) == [0, 1, 3]
    for caller in (THE_DOCTOR, STAFF):
        assert await starts(clinic, caller) == [1, 2, 3]
    assert await starts(clinic, STAFF, COLLEAGUE, **moved) == [0, 1, 3]


async def list_for_move(clinic: RunningService, by: dict[str, str], service: UUID = CHECKUP) -> tuple[int, str]:
    """Return status and code."""
    response = await get(clinic, "/slots", by, service_id=str(service), exclude_appointment=str(UUID(int=1)))
    return response.status_code, response.json().get("code", "")


async def test_a_move_keeps_the_service(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    for caller in (ME, THE_DOCTOR, STAFF):
        assert await list_for_move(clinic, caller) == (200, "")
        assert await list_for_move(clinic, caller, FOLLOW_UP) == (404, "no_such_reservation")


async def test_a_released_reservation_cannot_be_moved(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    await release(clinic, 1, 1)
    for caller in (ME, THE_DOCTOR, STAFF):
        assert await list_for_move(clinic, caller) == (404, "no_such_reservation")
    await reserve(clinic, 1, revision=2)
    assert await list_for_move(clinic, ME) == (200, "")


async def test_another_doctor_cannot_exclude_the_appointment(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    assert await list_for_move(clinic, bearer(Role.DOCTOR, COLLEAGUE)) == (404, "no_such_reservation")
