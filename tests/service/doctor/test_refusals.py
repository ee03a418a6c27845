"""What doctor-service refuses, and what it reports first when several things are wrong."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.contracts.identity import Role
from tests.service.doctor.running_doctor import ADA, ADMIN, CHECKUP, RunningDoctor
from tests.tokens import bearer

OVERLAPPING = [{"start": "09:00", "end": "12:00"}, {"start": "11:00", "end": "13:00"}]
MONDAYS = [{"weekday": 1, **window} for window in OVERLAPPING]
STALE = {"If-Match": '"9"'}
MINUTES = (
    "duration_minutes",
    "buffer_before_minutes",
    "buffer_after_minutes",
    "slot_step_minutes",
    "min_notice_minutes",
    "cancel_cutoff_minutes",
    "reschedule_cutoff_minutes",
)


def first_error(response: httpx.Response) -> tuple[int, str, str]:
    """Return the status, and code and pointer of the first error."""
    error = response.json()["errors"][0]
    return response.status_code, error["code"], error["pointer"]


@pytest.mark.parametrize("minutes", [1, 7, 32])
async def test_minutes_are_multiples_of_five(doctors: RunningDoctor, minutes: int) -> None:
    service = await doctors.create_service()
    for name in MINUTES:
        created = await doctors.http.post("/services", json=CHECKUP | {name: minutes}, headers=ADMIN)
        assert (created.status_code, created.json()["errors"][0]["pointer"]) == (422, f"/{name}")
        updated = await doctors.http.patch(f"/services/{service}", json={name: minutes}, headers=ADMIN | {"If-Match": '"1"'})
        assert (updated.status_code, updated.json()["errors"][0]["pointer"]) == (422, f"/{name}")
    assert (await doctors.http.get(f"/services/{service}")).json()["version"] == 1


@pytest.mark.parametrize("zone", ["localtime", "Factory", "europe/berlin", "Mars/Olympus", "+02:00"])
async def test_a_time_zone_is_an_iana_name(doctors: RunningDoctor, zone: str) -> None:
    created = await doctors.http.post("/doctors", json=ADA | {"time_zone": zone}, headers=ADMIN)
    updated = await doctors.update_doctor((await doctors.create_doctor())["id"], 1, time_zone=zone)
    assert first_error(created) == first_error(updated) == (422, "unknown_time_zone", "/time_zone")


@pytest.mark.parametrize("text", ["a\nb", "a\t", "a\u202eb", "\u200b", " "])
async def test_names_titles_and_places_are_one_line_that_shows_something(doctors: RunningDoctor, text: str) -> None:
    for name, value in {"full_name": text, "title": text, "location": text, "specialties": [text]}.items():
        created = await doctors.http.post("/doctors", json=ADA | {name: value}, headers=ADMIN)
        assert first_error(created) == (422, "control_character", f"/{name}/0" if name == "specialties" else f"/{name}")
    for name in ("name", "specialty"):
        created = await doctors.http.post("/services", json=CHECKUP | {name: text}, headers=ADMIN)
        assert first_error(created) == (422, "control_character", f"/{name}")


REQUIRED_OF_A_SERVICE = ("name", "mode", "horizon_days", "capacity", "requires_approval", "active", *MINUTES)
REQUIRED_OF_A_DOCTOR = ("full_name", "time_zone", "specialties", "languages", "services", "accepting_patients", "active")


async def test_null_does_not_remove_required_fields(doctors: RunningDoctor) -> None:
    service, doctor = await doctors.create_service(), (await doctors.create_doctor())["id"]
    for name in REQUIRED_OF_A_SERVICE:
        response = await doctors.http.patch(f"/services/{service}", json={name: None}, headers=ADMIN | {"If-Match": '"1"'})
        assert first_error(response) == (422, "null_not_allowed", f"/{name}")
    for name in REQUIRED_OF_A_DOCTOR:
        updated = await doctors.http.patch(f"/doctors/{doctor}", json={name: None}, headers=ADMIN | {"If-Match": '"1"'})
        assert first_error(updated) == (422, "null_not_allowed", f"/{name}")


NOT_A_DATE = [
    "1773014400",
    "20521",
    "2026-03-09T00:00:00",
    "2026-03-09T00:00:00Z",
    "2026-3-9",
    "20260309",
    "2026-02-30",
    "2026-13-01",
    "today",
]


@pytest.mark.parametrize("text", NOT_A_DATE)
async def test_the_date_of_an_override_has_the_form_of_a_date(doctors: RunningDoctor, text: str) -> None:
    doctor = await doctors.create_doctor()
    put = await doctors.put_override(doctor["id"], text, version=1)
    path = f"/doctors/{doctor['id']}/schedules/overrides/{text}"
    deleted = await doctors.http.delete(path, headers=ADMIN)
    assert first_error(put) == first_error(deleted) == (422, "not_a_date", "/date")


@pytest.mark.parametrize("value", [*NOT_A_DATE, 20521, 1773014400, 20521.0, True])
async def test_the_validity_of_weekly_hours_has_the_form_of_dates(doctors: RunningDoctor, value: object) -> None:
    doctor = await doctors.create_doctor()
    for name in ("valid_from", "valid_to"):
        response = await doctors.put_weekly_hours(doctor["id"], {"weekday": 1, "start": "09:00", "end": "12:00", name: value})
        assert first_error(response) == (422, "not_a_date", f"/weekly/0/{name}")


async def test_a_window_may_end_at_twenty_four_but_not_start_then(doctors: RunningDoctor) -> None:
    doctor, late = await doctors.create_doctor(), {"start": "24:00", "end": "02:00"}
    weekly = await doctors.put_weekly_hours(doctor["id"], {"weekday": 1, **late})
    override = await doctors.put_override(doctor["id"], "2026-03-09", late, version=1)
    assert first_error(weekly)[::2] == (422, "/weekly/0/start")
    assert first_error(override)[::2] == (422, "/windows/0/start")


async def send_change(doctors: RunningDoctor, doctor_id: str, target: str, body: Any, headers: dict[str, str]) -> tuple[int, str]:
    method = "PATCH" if target == "" else "PUT"
    response = await doctors.http.request(method, f"/doctors/{doctor_id}{target}", json=body, headers=headers)
    return response.status_code, response.json()["code"]


WEEK, DATE, PROFILE = "/schedules", "/schedules/overrides/2026-03-09", ""
INVALID_HOURS = [
    (WEEK, {"weekly": MONDAYS}, "windows_overlap"),
    (WEEK, {"weekly": [MONDAYS[0] | {"valid_from": "2026-03-10", "valid_to": "2026-03-09"}]}, "validity_reversed"),
    (DATE, {"windows": OVERLAPPING}, "windows_overlap"),
]


@pytest.mark.parametrize(("target", "body", "code"), INVALID_HOURS)
async def test_invalid_hours_are_reported_before_a_missing_doctor_and_a_stale_version(
    doctors: RunningDoctor, target: str, body: dict[str, Any], code: str
) -> None:
    doctor = await doctors.create_doctor()
    assert await send_change(doctors, str(uuid4()), target, body, ADMIN | STALE) == (422, code)
    assert await send_change(doctors, doctor["id"], target, body, ADMIN | STALE) == (422, code)
    assert await send_change(doctors, doctor["id"], target, body, ADMIN) == (428, "precondition_required")


@pytest.mark.parametrize(
    ("target", "body"),
    [(target, body) for target, body, _ in INVALID_HOURS] + [(PROFILE, {"bio": 1}), (PROFILE, {"full_name": "X"}), (PROFILE, {})],
)
async def test_another_doctors_profile_is_refused_before_anything_else(doctors: RunningDoctor, target: str, body: dict[str, Any]) -> None:
    doctor, another = await doctors.create_doctor(), bearer(Role.DOCTOR)
    for headers in (another, another | STALE, another | {"If-Match": "nonsense"}):
        assert await send_change(doctors, doctor["id"], target, body, headers) == (403, "not_yours")
    assert await send_change(doctors, str(uuid4()), target, body, another) == (403, "not_yours")
