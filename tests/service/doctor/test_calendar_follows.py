"""The free times that follow a successful change show it, while the event of the change is still on its way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.identity import Service
from shared.contracts.values import format_instant
from tests.service.doctor.doctor_and_calendar import DoctorAndCalendar, run_doctor_and_calendar
from tests.unit.scheduling.builders import NINE

DAY, HOUR = "2026-03-09", timedelta(hours=1)
ALL_DAY = 16
Change = Callable[[DoctorAndCalendar, str, str], Awaitable[Any]]


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[DoctorAndCalendar]:
    async with run_doctor_and_calendar(tmp_path) as both:
        yield both


def patch_doctor(**changes: Any) -> Change:
    return lambda both, doctor, _service: both.request("PATCH", f"/doctors/{doctor}", changes, version=1)


def patch_service(**changes: Any) -> Change:
    return lambda both, _doctor, service: both.request("PATCH", f"/services/{service}", changes, version=1)


def put_weekly_hours(both: DoctorAndCalendar, doctor: str, _service: str) -> Awaitable[Any]:
    weekly = [{"weekday": 1, "start": "09:00", "end": "10:00"}]
    return both.request("PUT", f"/doctors/{doctor}/schedules", {"weekly": weekly}, version=2)


def put_override(both: DoctorAndCalendar, doctor: str, _service: str) -> Awaitable[Any]:
    return both.request("PUT", f"/doctors/{doctor}/schedules/overrides/{DAY}", {"windows": []}, version=2)


async def delete_override(both: DoctorAndCalendar, doctor: str, service: str) -> None:
    await put_override(both, doctor, service)
    await both.request("DELETE", f"/doctors/{doctor}/schedules/overrides/{DAY}")


async def create_doctor(both: DoctorAndCalendar, _doctor: str, service: str) -> None:
    await both.create_doctor(service)


def close_clinic(both: DoctorAndCalendar, _doctor: str, _service: str) -> Awaitable[Any]:
    closure = {"from": format_instant(NINE), "to": format_instant(NINE + HOUR), "reason": "Flooded"}
    return both.request("POST", "/admin/closures", closure)


def take_leave(both: DoctorAndCalendar, doctor: str, _service: str) -> Awaitable[Any]:
    leave = {"starts_at": format_instant(NINE), "ends_at": format_instant(NINE + 2 * HOUR), "reason": "Ill", "affected": []}
    return both.request("POST", f"/doctors/{doctor}/leaves", leave)


@pytest.mark.parametrize("path", ["/slots", "/slots/earliest"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(put_weekly_hours, 2, id="weekly hours"),
        pytest.param(put_override, 0, id="day off"),
        pytest.param(delete_override, ALL_DAY, id="deleted override"),
        pytest.param(patch_doctor(active=False), 0, id="inactive doctor"),
        pytest.param(patch_doctor(services=[]), 0, id="services of the doctor"),
        pytest.param(patch_doctor(time_zone="Asia/Kathmandu"), ALL_DAY, id="zone"),
        pytest.param(patch_service(duration_minutes=60, slot_step_minutes=60), ALL_DAY // 2, id="duration"),
        pytest.param(patch_service(active=False), 0, id="inactive service"),
        pytest.param(patch_service(min_notice_minutes=90 * 24 * 60), 0, id="notice"),
        pytest.param(create_doctor, 2 * ALL_DAY, id="new doctor"),
        pytest.param(close_clinic, ALL_DAY - 2, id="closure"),
        pytest.param(take_leave, ALL_DAY - 4, id="leave"),
    ],
)
async def test_free_times_show_a_change_before_its_event_arrives(both: DoctorAndCalendar, change: Change, expected: int, path: str) -> None:
    service = await both.create_service()
    doctor = await both.create_doctor(service)
    before = await both.list_slots(service, path)
    await change(both, doctor, service)
    slots = await both.list_slots(service, path)
    assert (len(before), len(slots)) == (ALL_DAY, expected)
    assert (slots == before) is (change is delete_override)


async def test_a_doctor_who_accepts_no_patients_has_no_free_times_for_patients_at_once(both: DoctorAndCalendar) -> None:
    service = await both.create_service()
    doctor = await both.create_doctor(service)
    await patch_doctor(accepting_patients=False)(both, doctor, service)
    anonymous = await both.request("GET", f"/slots?service_id={service}", headers={})
    assert anonymous["items"] == []


async def test_the_visits_outside_changed_hours_are_listed_by_the_new_hours(both: DoctorAndCalendar) -> None:
    service = await both.create_service()
    doctor = await both.create_doctor(service)
    for number, start in ((1, NINE + 2 * HOUR), (2, NINE), (3, NINE + timedelta(days=1))):
        await both.book(number, service, doctor, start)
    visits = [
        {"appointment_id": str(UUID(int=number)), "starts_at": format_instant(start)}
        for number, start in ((2, NINE), (1, NINE + 2 * HOUR), (3, NINE + timedelta(days=1)))
    ]
    off = await put_override(both, doctor, service)
    assert (off["outside_hours"], off["outside_hours_complete"]) == (visits[:2], True)
    mondays = await both.request(
        "PUT", f"/doctors/{doctor}/schedules", {"weekly": [{"weekday": 1, "start": "09:00", "end": "10:00"}]}, version=3
    )
    assert mondays["outside_hours"] == visits
    opened = await both.request("DELETE", f"/doctors/{doctor}/schedules/overrides/{DAY}")
    assert opened["outside_hours"] == visits[1:]
    moved = await patch_doctor(time_zone="Asia/Tokyo")(both, doctor, service)
    assert moved["outside_hours"] == visits


async def test_the_calendar_follows_by_the_event_if_it_did_not_answer(both: DoctorAndCalendar) -> None:
    service = await both.create_service()
    doctor = await both.create_doctor(service)
    both.stopped.add(Service.SCHEDULING)
    off = await put_override(both, doctor, service)
    assert (off["version"], off["outside_hours"], off["outside_hours_complete"]) == (3, None, False)
    both.stopped.clear()
    assert len(await both.list_slots(service)) == ALL_DAY
    both.bus.release()
    await both.background_work.run_until_idle()
    assert await both.list_slots(service) == []
