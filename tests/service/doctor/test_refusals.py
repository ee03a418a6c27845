"""What doctor-service does not take, and what it says first where several things are wrong."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.contracts.identity import Role
from tests.service.doctor.practice import ADA, ADMIN, CHECKUP, Practice
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


def said(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, and code and pointer of the first thing that is wrong."""
    first = answer.json()["errors"][0]
    return answer.status_code, first["code"], first["pointer"]


@pytest.mark.parametrize("minutes", [1, 7, 32])
async def test_minutes_are_multiples_of_five(doctors: Practice, minutes: int) -> None:
    service = await doctors.offer()
    for name in MINUTES:
        offered = await doctors.http.post("/services", json=CHECKUP | {name: minutes}, headers=ADMIN)
        assert (offered.status_code, offered.json()["errors"][0]["pointer"]) == (422, f"/{name}")
        amended = await doctors.http.patch(f"/services/{service}", json={name: minutes}, headers=ADMIN | {"If-Match": '"1"'})
        assert (amended.status_code, amended.json()["errors"][0]["pointer"]) == (422, f"/{name}")
    assert (await doctors.http.get(f"/services/{service}")).json()["version"] == 1


@pytest.mark.parametrize("zone", ["localtime", "Factory", "europe/berlin", "Mars/Olympus", "+02:00"])
async def test_a_zone_is_one_that_is_the_same_on_every_machine(doctors: Practice, zone: str) -> None:
    engaged = await doctors.http.post("/doctors", json=ADA | {"time_zone": zone}, headers=ADMIN)
    amended = await doctors.amend((await doctors.engage())["id"], 1, time_zone=zone)
    assert said(engaged) == said(amended) == (422, "unknown_time_zone", "/time_zone")


ALWAYS_OF_A_SERVICE = ("name", "mode", "horizon_days", "capacity", "requires_approval", "active", *MINUTES)
ALWAYS_OF_A_DOCTOR = ("full_name", "time_zone", "specialties", "languages", "services", "accepting_patients", "active")


async def test_null_takes_nothing_away_that_must_be_there(doctors: Practice) -> None:
    service, doctor = await doctors.offer(), (await doctors.engage())["id"]
    for name in ALWAYS_OF_A_SERVICE:
        answer = await doctors.http.patch(f"/services/{service}", json={name: None}, headers=ADMIN | {"If-Match": '"1"'})
        assert said(answer) == (422, "null_not_allowed", f"/{name}")
    for name in ALWAYS_OF_A_DOCTOR:
        amended = await doctors.http.patch(f"/doctors/{doctor}", json={name: None}, headers=ADMIN | {"If-Match": '"1"'})
        assert said(amended) == (422, "null_not_allowed", f"/{name}")


WORDS_FOR_A_DATE = [
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


@pytest.mark.parametrize("word", WORDS_FOR_A_DATE)
async def test_the_date_of_an_override_is_a_date_and_nothing_like_it(doctors: Practice, word: str) -> None:
    doctor = await doctors.engage()
    put = await doctors.override(doctor["id"], word, version=1)
    path = f"/doctors/{doctor['id']}/schedules/overrides/{word}"
    deleted = await doctors.http.delete(path, headers=ADMIN)
    assert said(put) == said(deleted) == (422, "not_a_date", "/date")


@pytest.mark.parametrize("value", [*WORDS_FOR_A_DATE, 20521, 1773014400, 20521.0, True])
async def test_hours_are_valid_from_a_date_to_a_date_and_nothing_like_it(doctors: Practice, value: object) -> None:
    doctor = await doctors.engage()
    for name in ("valid_from", "valid_to"):
        answer = await doctors.open_hours(doctor["id"], {"weekday": 1, "start": "09:00", "end": "12:00", name: value})
        assert said(answer) == (422, "not_a_date", f"/weekly/0/{name}")


async def test_a_day_ends_at_twenty_four_but_does_not_begin_then(doctors: Practice) -> None:
    doctor, late = await doctors.engage(), {"start": "24:00", "end": "02:00"}
    weekly = await doctors.open_hours(doctor["id"], {"weekday": 1, **late})
    override = await doctors.override(doctor["id"], "2026-03-09", late, version=1)
    assert said(weekly)[::2] == (422, "/weekly/0/start")
    assert said(override)[::2] == (422, "/windows/0/start")


async def ask(doctors: Practice, doctor_id: str, target: str, body: Any, headers: dict[str, str]) -> tuple[int, str]:
    method = "PATCH" if target == "" else "PUT"
    answer = await doctors.http.request(method, f"/doctors/{doctor_id}{target}", json=body, headers=headers)
    return answer.status_code, answer.json()["code"]


WEEK, DATE, PROFILE = "/schedules", "/schedules/overrides/2026-03-09", ""
WRONG_HOURS = [
    (WEEK, {"weekly": MONDAYS}, "windows_overlap"),
    (WEEK, {"weekly": [MONDAYS[0] | {"valid_from": "2026-03-10", "valid_to": "2026-03-09"}]}, "validity_reversed"),
    (DATE, {"windows": OVERLAPPING}, "windows_overlap"),
]


@pytest.mark.parametrize(("target", "body", "code"), WRONG_HOURS)
async def test_hours_that_make_no_sense_are_told_before_whose_they_are_and_what_was_read(
    doctors: Practice, target: str, body: dict[str, Any], code: str
) -> None:
    doctor = await doctors.engage()
    assert await ask(doctors, str(uuid4()), target, body, ADMIN | STALE) == (422, code)
    assert await ask(doctors, doctor["id"], target, body, ADMIN | STALE) == (422, code)
    assert await ask(doctors, doctor["id"], target, body, ADMIN) == (428, "precondition_required")


@pytest.mark.parametrize(
    ("target", "body"),
    [(target, body) for target, body, _ in WRONG_HOURS] + [(PROFILE, {"bio": 1}), (PROFILE, {"full_name": "X"}), (PROFILE, {})],
)
async def test_what_is_anothers_is_told_before_all_else(doctors: Practice, target: str, body: dict[str, Any]) -> None:
    doctor, another = await doctors.engage(), bearer(Role.DOCTOR)
    for headers in (another, another | STALE, another | {"If-Match": "nonsense"}):
        assert await ask(doctors, doctor["id"], target, body, headers) == (403, "not_yours")
    assert await ask(doctors, str(uuid4()), target, body, another) == (403, "not_yours")
