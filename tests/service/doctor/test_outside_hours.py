"""Every change of hours lists the booked visits that now lie outside them, and the calendar follows before the response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from shared.contracts.events import DoctorChanged
from shared.contracts.identity import Role
from shared.kit.sql import Database
from tests.service.doctor.running_doctor import ADMIN, RunningDoctor, run_doctor_service
from tests.tokens import bearer

DAY = "2026-03-09"
VISIT = {"appointment_id": str(UUID(int=1)), "starts_at": "2026-03-09T08:00:00Z"}


async def put_weekly_hours(doctors: RunningDoctor, doctor_id: str, headers: dict[str, str]) -> httpx.Response:
    return await doctors.put_weekly_hours(doctor_id, version=2, headers=headers)


async def put_override(doctors: RunningDoctor, doctor_id: str, headers: dict[str, str]) -> httpx.Response:
    return await doctors.put_override(doctor_id, DAY, version=2, headers=headers)


async def delete_override(doctors: RunningDoctor, doctor_id: str, headers: dict[str, str]) -> httpx.Response:
    return await doctors.http.delete(f"/doctors/{doctor_id}/schedules/overrides/{DAY}", headers=headers)


async def change_time_zone(doctors: RunningDoctor, doctor_id: str, headers: dict[str, str]) -> httpx.Response:
    return await doctors.update_doctor(doctor_id, 1, ADMIN, time_zone="Asia/Tokyo")


CHANGES = [put_weekly_hours, put_override, delete_override, change_time_zone]
Change = Callable[[RunningDoctor, str, dict[str, str]], Awaitable[httpx.Response]]


@pytest.fixture
async def doctor_id(doctors: RunningDoctor) -> str:
    """A doctor with an override; the versions of profile and schedule are 1 and 2."""
    doctor = await doctors.create_doctor()
    await doctors.put_override(doctor["id"], DAY, {"start": "09:00", "end": "12:00"}, version=1)
    doctors.calendar.followed.clear()
    return str(doctor["id"])


def rules_version_after(change: Change) -> int:
    """Return the sum of the versions of profile and schedule; a new time zone is a change of both."""
    return 5 if change is change_time_zone else 4


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("complete", [True, False])
async def test_a_change_of_hours_lists_the_visits_outside_them(
    doctors: RunningDoctor, doctor_id: str, change: Change, complete: bool
) -> None:
    doctors.calendar.outside_hours, doctors.calendar.complete = [VISIT], complete
    changed = await change(doctors, doctor_id, bearer(Role.DOCTOR, doctor_id))
    assert (changed.status_code, changed.json()["outside_hours"], changed.json()["outside_hours_complete"]) == (200, [VISIT], complete)
    assert doctors.calendar.followed == [(doctor_id, rules_version_after(change))], "the calendar judges by the new rules"


@pytest.mark.parametrize("change", CHANGES)
async def test_the_change_is_made_although_the_calendar_does_not_answer(doctors: RunningDoctor, doctor_id: str, change: Change) -> None:
    doctors.calendar.is_down = True
    changed = await change(doctors, doctor_id, ADMIN)
    assert (changed.status_code, changed.json()["outside_hours"], changed.json()["outside_hours_complete"]) == (200, None, False)
    assert (await doctors.list_events(DoctorChanged))[-1].version == rules_version_after(change)


async def test_the_visits_are_not_public(doctors: RunningDoctor, doctor_id: str) -> None:
    doctors.calendar.outside_hours = [VISIT]
    for path in (f"/doctors/{doctor_id}", f"/doctors/{doctor_id}/schedules"):
        assert not {"outside_hours", "outside_hours_complete"} & (await doctors.http.get(path)).json().keys()
    renamed = await doctors.update_doctor(doctor_id, 1, title="Dr.")
    assert "outside_hours" not in renamed.json(), "the hours did not change"


async def test_the_calendar_follows_every_change_of_a_doctor_or_a_service(doctors: RunningDoctor) -> None:
    service = await doctors.create_service()
    await doctors.http.patch(f"/services/{service}", json={"duration_minutes": 45}, headers=ADMIN | {"If-Match": '"1"'})
    doctor = await doctors.create_doctor()
    await doctors.update_doctor(doctor["id"], 1, accepting_patients=False)
    assert doctors.calendar.followed == [(service, 1), (service, 2), (doctor["id"], 2), (doctor["id"], 3)]


async def test_a_calendar_that_does_not_answer_stops_no_change_of_a_doctor_or_a_service(doctors: RunningDoctor) -> None:
    doctors.calendar.is_down = True
    service = await doctors.create_service()
    changed = await doctors.http.patch(f"/services/{service}", json={"active": False}, headers=ADMIN | {"If-Match": '"1"'})
    assert changed.status_code == 200
    doctor = await doctors.create_doctor()
    assert (await doctors.update_doctor(doctor["id"], 1, active=False)).json()["active"] is False


async def test_a_change_that_is_refused_asks_nothing(doctors: RunningDoctor, doctor_id: str) -> None:
    window: dict[str, Any] = {"start": "09:00", "end": "09:00"}
    assert (await doctors.put_override(doctor_id, DAY, window, version=2)).status_code == 422
    assert (await doctors.put_override(doctor_id, DAY, version=1)).status_code == 412
    assert doctors.calendar.followed == []


async def test_stored_windows_that_end_when_they_start_are_still_shown(tmp_path: Path, sql_url: str) -> None:
    """They were accepted before, and last a whole day."""
    async with run_doctor_service(tmp_path, database_url=sql_url) as doctors:
        doctor = await doctors.create_doctor()
        async with Database(sql_url) as database, database.write() as connection:
            weekly = '[{"weekday": 1, "start": "09:00", "end": "09:00", "valid_from": null, "valid_to": null}]'
            await connection.execute(text("UPDATE doctors SET weekly = :weekly"), {"weekly": weekly})
        shown = (await doctors.http.get(f"/doctors/{doctor['id']}/schedules")).json()
        assert shown["weekly"][0]["end"] == "09:00"
        assert (shown["windows"][0]["starts_at"], shown["windows"][0]["ends_at"]) == ("2026-03-02T12:00:00Z", "2026-03-03T08:00:00Z")
