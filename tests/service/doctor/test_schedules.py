"""Working hours over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.events import DoctorChanged
from shared.contracts.identity import Role
from tests.service.doctor.running_doctor import ADMIN, RunningDoctor
from tests.tokens import bearer

MORNINGS = {"weekday": 1, "start": "09:00", "end": "12:00"}
NIGHTS = {"weekday": 6, "start": "22:00", "end": "02:00"}


async def test_weekly_hours_become_windows_in_the_doctors_time_zone(doctors_on_sql: RunningDoctor) -> None:
    doctor = await doctors_on_sql.create_doctor()
    put = await doctors_on_sql.put_weekly_hours(doctor["id"], MORNINGS, NIGHTS | {"valid_from": "2026-03-07", "valid_to": "2026-03-07"})
    assert (put.status_code, put.headers["etag"], put.json()["version"]) == (200, '"2"', 2)
    got = await doctors_on_sql.http.get(f"/doctors/{doctor['id']}/schedules")
    assert got.headers["etag"] == '"2"'
    assert put.json() == got.json() | {"outside_hours": [], "outside_hours_complete": True}
    assert got.json() == {
        "doctor_id": doctor["id"],
        "time_zone": "Europe/Berlin",
        "weekly": [
            MORNINGS | {"valid_from": None, "valid_to": None},
            NIGHTS | {"valid_from": "2026-03-07", "valid_to": "2026-03-07"},
        ],
        "overrides": [],
        "windows": [
            {"starts_at": "2026-03-07T21:00:00Z", "ends_at": "2026-03-08T01:00:00Z", "local_start": "2026-03-07T22:00"},
            {"starts_at": "2026-03-09T08:00:00Z", "ends_at": "2026-03-09T11:00:00Z", "local_start": "2026-03-09T09:00"},
            {"starts_at": "2026-03-16T08:00:00Z", "ends_at": "2026-03-16T11:00:00Z", "local_start": "2026-03-16T09:00"},
        ],
        "version": 2,
    }


async def test_events_carry_all_rules_and_the_sum_of_both_versions(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    await doctors.put_weekly_hours(doctor["id"], MORNINGS)
    await doctors.update_doctor(doctor["id"], 1, bio="Kind.")
    await doctors.put_override(doctor["id"], "2026-03-09", version=2)
    events = await doctors.list_events(DoctorChanged)
    assert [(event.version, len(event.rules.weekly), len(event.rules.overrides)) for event in events] == [
        (2, 0, 0),
        (3, 1, 0),
        (4, 1, 0),
        (5, 1, 1),
    ]


async def test_windows_keep_their_local_time_when_the_clocks_change(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    await doctors.put_weekly_hours(doctor["id"], MORNINGS)
    response = await doctors.http.get(
        f"/doctors/{doctor['id']}/schedules", params={"from": "2026-03-23T00:00:00+01:00", "to": "2026-03-31T00:00:00+02:00"}
    )
    windows = response.json()["windows"]
    assert [window["starts_at"] for window in windows] == ["2026-03-23T08:00:00Z", "2026-03-30T07:00:00Z"]
    assert [window["local_start"][-5:] for window in windows] == ["09:00", "09:00"]


async def test_an_override_closes_opens_and_frees_a_date(doctors_on_sql: RunningDoctor) -> None:
    doctor = await doctors_on_sql.create_doctor()
    path, own = f"/doctors/{doctor['id']}/schedules", bearer(Role.DOCTOR, doctor["id"])
    await doctors_on_sql.put_weekly_hours(doctor["id"], MORNINGS, headers=own)
    off = await doctors_on_sql.put_override(doctor["id"], "2026-03-09", version=2, headers=own)
    assert (off.status_code, off.headers["etag"], off.json()["windows"], off.json()["version"]) == (200, '"3"', [], 3)
    shown = (await doctors_on_sql.http.get(path)).json()
    assert [window["starts_at"] for window in shown["windows"]] == ["2026-03-16T08:00:00Z"]
    assert shown["overrides"] == [{"id": off.json()["id"], "date": "2026-03-09", "windows": []}]
    opened = await doctors_on_sql.put_override(doctor["id"], "2026-03-09", {"start": "14:00", "end": "24:00"}, version=3, headers=own)
    assert (opened.json()["id"], opened.json()["windows"]) == (off.json()["id"], [{"start": "14:00", "end": "24:00"}])
    assert (await doctors_on_sql.http.get(path)).json()["windows"][0]["ends_at"] == "2026-03-09T23:00:00Z"
    stale = await doctors_on_sql.http.delete(f"{path}/overrides/2026-03-09", headers=own | {"If-Match": '"3"'})
    assert (stale.status_code, stale.json()["version"]) == (412, 4)
    dropped = await doctors_on_sql.http.delete(f"{path}/overrides/2026-03-09", headers=own | {"If-Match": '"4"'})
    assert (dropped.status_code, dropped.headers["etag"]) == (200, '"5"')
    assert dropped.json() == {"date": "2026-03-09", "version": 5, "outside_hours": [], "outside_hours_complete": True}
    again = (await doctors_on_sql.http.get(path)).json()
    assert (again["overrides"], again["version"], again["windows"][0]["starts_at"]) == ([], 5, "2026-03-09T08:00:00Z")
    gone = await doctors_on_sql.http.delete(f"{path}/overrides/2026-03-09", headers=own)
    assert gone.status_code == 404


@pytest.mark.parametrize(
    ("weekly", "code", "pointer"),
    [
        ([MORNINGS, MORNINGS | {"start": "11:00"}], "windows_overlap", "/weekly/1"),
        ([NIGHTS, {"weekday": 7, "start": "01:00", "end": "03:00"}], "windows_overlap", "/weekly/1"),
        ([MORNINGS | {"valid_from": "2026-03-10", "valid_to": "2026-03-09"}], "validity_reversed", "/weekly/0/valid_from"),
        ([MORNINGS, NIGHTS | {"end": "22:00"}], "empty_window", "/weekly/1/end"),
        ([{"weekday": 1, "start": "00:00", "end": "00:00"}], "empty_window", "/weekly/0/end"),
        ([MORNINGS | {"weekday": 0}], "validation_failed", "/weekly/0/weekday"),
        ([MORNINGS | {"weekday": "1"}], "validation_failed", "/weekly/0/weekday"),
        ([MORNINGS | {"start": "9:00"}], "validation_failed", "/weekly/0/start"),
        ([MORNINGS | {"end": "12:01"}], "validation_failed", "/weekly/0/end"),
        ([MORNINGS | {"note": "x"}], "validation_failed", "/weekly/0/note"),
        ([{"weekday": day % 7 + 1, "start": "09:00", "end": "09:05"} for day in range(101)], "validation_failed", "/weekly"),
    ],
)
async def test_invalid_weekly_hours_are_refused(doctors: RunningDoctor, weekly: list[dict[str, Any]], code: str, pointer: str) -> None:
    response = await doctors.put_weekly_hours((await doctors.create_doctor())["id"], *weekly)
    assert (response.status_code, response.json()["code"], response.json()["errors"][0]["pointer"]) == (422, code, pointer)


async def test_invalid_overrides_are_refused(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    overlapping = await doctors.put_override(
        doctor["id"], "2026-03-09", {"start": "09:00", "end": "12:00"}, {"start": "11:00", "end": "13:00"}, version=1
    )
    assert (overlapping.status_code, overlapping.json()["code"]) == (422, "windows_overlap")
    empty = await doctors.put_override(doctor["id"], "2026-03-09", {"start": "09:00", "end": "09:00"}, version=1)
    assert (empty.status_code, empty.json()["code"], empty.json()["errors"][0]["pointer"]) == (422, "empty_window", "/windows/0/end")
    for date in ("2026-02-30", "tomorrow", "1969-12-31", "2200-01-01"):
        assert (await doctors.put_override(doctor["id"], date, version=1)).status_code == 422
    too_many = [{"start": f"{hour:02}:00", "end": f"{hour:02}:30"} for hour in range(21)]
    assert (await doctors.put_override(doctor["id"], "2026-03-09", *too_many, version=1)).status_code == 422


async def test_only_the_doctor_and_admins_change_hours_and_only_with_the_current_version(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    path = f"/doctors/{doctor['id']}/schedules"
    for target, field in ((path, "weekly"), (f"{path}/overrides/2026-03-09", "windows")):
        body: dict[str, Any] = {field: []}
        assert (await doctors.http.put(target, json=body)).status_code == 401
        assert (await doctors.http.put(target, json=body, headers=bearer(Role.RECEPTION))).status_code == 403
        assert (await doctors.http.put(target, json=body, headers=ADMIN)).status_code == 428
        for if_match in ({}, {"If-Match": '"1"'}):
            other = await doctors.http.put(target, json={"nonsense": 1}, headers=bearer(Role.DOCTOR) | if_match)
            assert (other.status_code, other.json()["code"]) == (403, "not_yours")
        assert (await doctors.http.put(target, json=body, headers=ADMIN | {"If-Match": '"2"'})).status_code == 412
    assert (await doctors.http.delete(f"{path}/overrides/2026-03-09", headers=bearer(Role.DOCTOR))).status_code == 403
    assert (await doctors.put_weekly_hours(str(uuid4()))).status_code == 404
    assert (await doctors.http.get(f"/doctors/{uuid4()}/schedules")).status_code == 404


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "2026-03-09T00:00:00Z", "to": "2026-03-09T00:00:00Z"}, "range_reversed"),
        ({"to": "2026-03-01T00:00:00Z"}, "range_reversed"),
        ({"from": "2026-03-01T00:00:00Z", "to": "2026-05-03T00:00:00Z"}, "range_too_long"),
        ({"from": "2026-03-09T00:00:00"}, "offset_required"),
        ({"from": "2026-03-09"}, "not_an_instant"),
        ({"weeks": "2"}, "unknown_parameter"),
    ],
)
async def test_an_invalid_range_is_refused(doctors: RunningDoctor, query: dict[str, str], code: str) -> None:
    response = await doctors.http.get(f"/doctors/{(await doctors.create_doctor())['id']}/schedules", params=query)
    assert (response.status_code, response.json()["code"]) == (422, code)


async def test_ranges_at_the_limits_of_time_are_answered(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor(time_zone="Pacific/Kiritimati")
    await doctors.put_weekly_hours(doctor["id"], *({"weekday": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)))
    for starts_at, windows in (("1970-01-02T00:00:00Z", 1), ("2199-12-31T00:00:00Z", 1), ("2199-12-31T23:59:59Z", 0)):
        response = await doctors.http.get(f"/doctors/{doctor['id']}/schedules", params={"from": starts_at})
        assert (response.status_code, len(response.json()["windows"])) == (200, windows)


async def windows_of(doctors: RunningDoctor, doctor: dict[str, Any], starts_at: str, ends_at: str) -> list[str]:
    """Return the working windows of a doctor, as local start and UTC range."""
    response = await doctors.http.get(f"/doctors/{doctor['id']}/schedules", params={"from": starts_at, "to": ends_at})
    assert response.status_code == 200, response.text
    return [f"{window['local_start']} {window['starts_at'][11:16]}-{window['ends_at'][11:16]}" for window in response.json()["windows"]]


async def test_a_day_may_have_several_windows_one_until_midnight_and_one_past_it(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    afternoon = {"weekday": 1, "start": "14:00", "end": "18:00"}
    evening, tuesday = {"weekday": 1, "start": "20:00", "end": "24:00"}, {"weekday": 2, "start": "22:00", "end": "02:00"}
    assert (await doctors.put_weekly_hours(doctor["id"], MORNINGS, afternoon, evening, tuesday)).status_code == 200
    assert await windows_of(doctors, doctor, "2026-03-09T00:00:00+01:00", "2026-03-12T00:00:00+01:00") == [
        "2026-03-09T09:00 08:00-11:00",
        "2026-03-09T14:00 13:00-17:00",
        "2026-03-09T20:00 19:00-23:00",
        "2026-03-10T22:00 21:00-01:00",
    ]


async def test_a_window_until_midnight_and_one_from_midnight_become_one(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    late, early = {"weekday": 1, "start": "20:00", "end": "24:00"}, {"weekday": 2, "start": "00:00", "end": "03:00"}
    await doctors.put_weekly_hours(doctor["id"], late, early)
    windows = await windows_of(doctors, doctor, "2026-03-09T00:00:00+01:00", "2026-03-11T00:00:00+01:00")
    assert windows == ["2026-03-09T20:00 19:00-02:00"]


async def test_weekly_hours_are_valid_from_their_first_to_their_last_day(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    march = MORNINGS | {"valid_from": "2026-03-09", "valid_to": "2026-03-16"}
    later = {"weekday": 1, "start": "13:00", "end": "15:00", "valid_from": "2026-03-17"}
    await doctors.put_weekly_hours(doctor["id"], march, later)
    assert await windows_of(doctors, doctor, "2026-03-02T00:00:00+01:00", "2026-03-24T00:00:00+01:00") == [
        "2026-03-09T09:00 08:00-11:00",
        "2026-03-16T09:00 08:00-11:00",
        "2026-03-23T13:00 12:00-14:00",
    ]


async def test_an_override_opens_a_day_off_and_replaces_the_night_window_of_its_date(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    await doctors.put_weekly_hours(doctor["id"], NIGHTS)
    sunday = await doctors.put_override(doctor["id"], "2026-03-08", {"start": "10:00", "end": "12:00"}, version=2)
    assert sunday.status_code == 200
    weekend = ("2026-03-07T00:00:00+01:00", "2026-03-09T00:00:00+01:00")
    assert await windows_of(doctors, doctor, *weekend) == ["2026-03-07T22:00 21:00-01:00", "2026-03-08T10:00 09:00-11:00"]
    assert (await doctors.put_override(doctor["id"], "2026-03-07", version=3)).status_code == 200
    assert await windows_of(doctors, doctor, *weekend) == ["2026-03-08T10:00 09:00-11:00"]
    night = await doctors.put_override(doctor["id"], "2026-03-08", {"start": "23:00", "end": "01:00"}, version=4)
    assert night.status_code == 200
    assert await windows_of(doctors, doctor, *weekend) == ["2026-03-08T23:00 22:00-23:00"]


async def test_hours_follow_the_doctors_time_zone_and_an_event_is_published(doctors_on_sql: RunningDoctor) -> None:
    doctor = await doctors_on_sql.create_doctor()
    await doctors_on_sql.put_weekly_hours(doctor["id"], MORNINGS)
    monday = ("2026-03-09T00:00:00Z", "2026-03-10T00:00:00Z")
    assert await windows_of(doctors_on_sql, doctor, *monday) == ["2026-03-09T09:00 08:00-11:00"]
    path, range_of_monday = f"/doctors/{doctor['id']}/schedules", dict(zip(("from", "to"), monday, strict=True))
    assert (await doctors_on_sql.update_doctor(doctor["id"], 1, time_zone="Asia/Kathmandu")).status_code == 200
    moved = await doctors_on_sql.http.get(path, params=range_of_monday, headers={"If-None-Match": '"2"'})
    assert (moved.status_code, moved.headers["etag"], moved.json()["version"]) == (200, '"3"', 3)
    assert (await doctors_on_sql.put_weekly_hours(doctor["id"], NIGHTS, version=2)).status_code == 412
    assert await windows_of(doctors_on_sql, doctor, *monday) == ["2026-03-09T09:00 03:15-06:15"]
    last = (await doctors_on_sql.list_events(DoctorChanged))[-1]
    assert (last.rules.time_zone, [window.start for window in last.rules.weekly], last.version) == ("Asia/Kathmandu", ["09:00"], 5)
    await doctors_on_sql.update_doctor(doctor["id"], 2, time_zone="Asia/Kathmandu", bio="Kind.")
    assert (await doctors_on_sql.http.get(path)).json()["version"] == 3, "the same time zone again leaves the hours as they are"
    assert (await doctors_on_sql.update_doctor(doctor["id"], 3, time_zone="Mars/Olympus")).json()["code"] == "unknown_time_zone"


async def test_hours_that_have_not_changed_are_304_in_a_range_of_its_own(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    await doctors.put_weekly_hours(doctor["id"], MORNINGS)
    path, march = f"/doctors/{doctor['id']}/schedules", {"from": "2026-03-09T00:00:00Z", "to": "2026-03-16T00:00:00Z"}
    unchanged = await doctors.http.get(path, params=march, headers={"If-None-Match": '"2"'})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", '"2"')
    from_now = await doctors.http.get(path, headers={"If-None-Match": '"2"'})
    assert (from_now.status_code, from_now.headers["etag"]) == (200, '"2"'), "the range that begins now has other windows every day"
    await doctors.put_weekly_hours(doctor["id"], NIGHTS, version=2)
    changed = await doctors.http.get(path, params=march, headers={"If-None-Match": '"2"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"3"')
