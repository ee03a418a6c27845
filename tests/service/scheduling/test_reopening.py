"""Time under several leaves and closures opens when all of them have ended; a cancelled appointment can be restored only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, release, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, a_doctor, a_service

HALF = timedelta(minutes=30)
FIRST, SECOND, THIRD, LATER = (NINE + number * HALF for number in (0, 1, 2, 12))
SELF, ADMIN = bearer(Role.DOCTOR, DOCTOR), bearer(Role.ADMIN)


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    """A clinic with appointments at nine and at half past nine."""
    rules = DoctorService([a_doctor(), a_doctor(id=COLLEAGUE)], [a_service()])
    async with a_clinic(tmp_path, rules, database_url=sql_url) as clinic:
        for number, start in ((1, FIRST), (2, SECOND)):
            assert await book(clinic, number, start) == "granted"
        yield clinic


async def book(clinic: RunningService, number: int, start: datetime, revision: int = 1) -> str:
    """Return `granted` or the code of the refusal."""
    response = await reserve(clinic, number, patient_id=UUID(int=0xAA00 + number), starts_at=start, revision=revision)
    if response.status_code == 200:
        return "granted"
    problem = response.json()
    return " ".join(reason["code"] for reason in problem["reasons"]) if "reasons" in problem else str(problem["code"])


async def is_open(clinic: RunningService, start: datetime) -> bool:
    """Return True if a start is free; list and explanation must agree."""
    query = f"service_id={CHECKUP}&doctor_id={DOCTOR}"
    listed = await clinic.http.get(f"/slots?{query}&from={format_instant(start)}&to={format_instant(start + HALF)}")
    explained = (await clinic.http.get(f"/slots/explain?{query}&starts_at={format_instant(start)}", headers=ADMIN)).json()
    assert bool(listed.json()["items"]) is explained["bookable"]
    assert {reason["code"] for reason in explained["reasons"]} <= {"on_leave"}
    return bool(explained["bookable"])


async def take(clinic: RunningService, **actions: str) -> str:
    """Take a leave of the morning and return the path by which it can be withdrawn."""
    affected = [{"appointment_id": str(UUID(int=int(number[1:]))), "action": action} for number, action in actions.items()]
    body = {"starts_at": format_instant(FIRST), "ends_at": format_instant(FIRST + 6 * HALF), "reason": "Away", "affected": affected}
    response = await clinic.http.post(f"/doctors/{DOCTOR}/leaves", json=body, headers=SELF)
    assert response.status_code == 201, response.text
    return f"/doctors/{DOCTOR}/leaves/{response.json()['id']}"


async def close(clinic: RunningService) -> str:
    body = {"from": format_instant(FIRST), "to": format_instant(FIRST + 4 * HALF), "reason": "Holiday"}
    response = await clinic.http.post("/admin/closures", json=body, headers=ADMIN)
    return f"/admin/closures/{response.json()['id']}"


async def end(clinic: RunningService, path: str, by: dict[str, str] = ADMIN) -> httpx.Response:
    return await clinic.http.delete(path, headers=by)


KEPT: dict[str, Any] = {"_1": "keep", "_2": "keep"}


@pytest.mark.parametrize("leave_first", [True, False])
@pytest.mark.parametrize("leave_ends_first", [True, False])
async def test_time_under_a_leave_and_a_closure_opens_when_both_have_ended(
    clinic: RunningService, leave_first: bool, leave_ends_first: bool
) -> None:
    paths = {"leave": await take(clinic, **KEPT)} if leave_first else {}
    paths["closure"] = await close(clinic)
    paths["leave"] = paths.get("leave") or await take(clinic, **KEPT)
    for ending in sorted(paths, reverse=leave_ends_first):
        assert not await is_open(clinic, THIRD)
        assert await book(clinic, 3, THIRD) == "on_leave"
        assert (await end(clinic, paths[ending])).status_code == 204
    assert await is_open(clinic, THIRD)
    assert await book(clinic, 3, THIRD) == "granted"
    assert await book(clinic, 4, FIRST) == "slot_taken"


async def test_the_time_of_a_released_appointment_opens_when_closure_and_leave_have_ended(clinic: RunningService) -> None:
    closure, leave = await close(clinic), await take(clinic, **KEPT)
    await release(clinic, 1, 1)
    for path in (closure, leave):
        assert (await book(clinic, 3, FIRST), await is_open(clinic, FIRST)) == ("on_leave", False)
        await end(clinic, path)
    assert (await is_open(clinic, FIRST), await book(clinic, 3, FIRST)) == (True, "granted")


@pytest.mark.parametrize("action", ["cancel", "keep"])
async def test_a_cancelled_appointment_can_be_restored_only_after_the_leave(clinic: RunningService, action: str) -> None:
    """The appointment was cancelled by the leave, or kept in it and cancelled later."""
    leave = await take(clinic, _1=action, _2="keep")
    if action == "keep":
        await release(clinic, 1, 2)
    assert await book(clinic, 1, FIRST, revision=3) == "on_leave"
    assert await book(clinic, 1, LATER, revision=4) == "granted"
    await end(clinic, leave)
    assert await book(clinic, 1, FIRST, revision=5) == "granted"


async def test_a_kept_appointment_can_move_out_of_a_leave_and_not_back(clinic: RunningService) -> None:
    await take(clinic, **KEPT)
    assert await book(clinic, 1, FIRST, revision=2) == "granted"
    assert await book(clinic, 1, THIRD, revision=3) == "on_leave"
    assert await book(clinic, 1, LATER, revision=4) == "granted"
    assert await book(clinic, 1, FIRST, revision=5) == "on_leave"
    assert not await is_open(clinic, FIRST)


async def test_a_leave_cannot_be_withdrawn_under_another_doctor(clinic: RunningService) -> None:
    leave = await take(clinic, **KEPT)
    elsewhere = leave.replace(str(DOCTOR), str(COLLEAGUE))
    for by in (ADMIN, bearer(Role.DOCTOR, COLLEAGUE)):
        refused = await end(clinic, elsewhere, by)
        assert (refused.status_code, refused.json()["code"]) == (404, "no_such_leave")
    assert (await end(clinic, leave, bearer(Role.DOCTOR, COLLEAGUE))).status_code == 403
    assert (await end(clinic, leave.replace(str(DOCTOR), str(uuid4())))).status_code == 404
    assert not await is_open(clinic, THIRD)
    assert (await end(clinic, leave, SELF)).status_code == 204


async def test_of_several_withdrawals_at_once_one_succeeds(clinic: RunningService) -> None:
    for _ in range(3):
        leave = await take(clinic, **KEPT)
        responses = await asyncio.gather(*(end(clinic, leave, by) for by in (SELF, ADMIN, SELF, ADMIN)))
        assert sorted(response.status_code for response in responses) == [204, 404, 404, 404]
        assert await is_open(clinic, THIRD)
