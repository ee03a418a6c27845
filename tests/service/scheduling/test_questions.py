"""The earliest times, explanations, moves, and invalid queries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.contracts.events import DoctorChanged
from shared.contracts.http import DateOverride, DayWindow, WeeklyWindow
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import NOON, RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, PATIENT, a_doctor, a_service

HALF, WEEK = timedelta(minutes=30), timedelta(weeks=1)
LATER, RETIRED, FULL = UUID(int=0xD3), UUID(int=0xD4), UUID(int=0xD5)
UNKNOWN = UUID(int=0xFFFF)
ME = bearer(Role.PATIENT, PATIENT)


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[RunningService]:
    from_may = [WeeklyWindow.model_validate({"weekday": 1, "start": "09:00", "end": "10:00", "valid_from": "2026-05-04"})]
    doctors = [
        a_doctor(specialties=["Cardiology"], languages=["de", "en-GB"], location="North Clinic"),
        a_doctor(id=COLLEAGUE, specialties=["Surgery"], languages=["en"], location="South Clinic"),
        a_doctor(id=LATER, specialties=["Geriatrics"], weekly=from_may),
        a_doctor(id=RETIRED, active=False),
        a_doctor(id=FULL, accepting_patients=False),
    ]
    async with a_clinic(tmp_path, DoctorService(doctors, [a_service(min_notice_minutes=60)])) as clinic:
        yield clinic


async def earliest(clinic: RunningService, query: str = "", by: dict[str, str] | None = None) -> dict[str, Any]:
    response = await clinic.http.get(f"/slots/earliest?service_id={CHECKUP}{query}", headers=by)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def explain(clinic: RunningService, start: str = format_instant(NINE), doctor: UUID = DOCTOR, by: dict[str, str] = ME) -> list[str]:
    response = await clinic.http.get(f"/slots/explain?service_id={CHECKUP}&doctor_id={doctor}&starts_at={start}", headers=by)
    body = response.json()
    assert body["bookable"] is (body["reasons"] == [])
    return [reason["code"] for reason in body["reasons"]]


async def list_free_starts(clinic: RunningService, query: str = "", by: dict[str, str] | None = None, doctor: UUID = DOCTOR) -> list[str]:
    path = f"/slots?service_id={CHECKUP}&doctor_id={doctor}&from={format_instant(NINE)}&to={format_instant(NINE + 4 * HALF)}{query}"
    return [slot["starts_at"][11:16] for slot in (await clinic.http.get(path, headers=by)).json()["items"]]


async def test_the_earliest_times_come_by_start_and_then_doctor(clinic: RunningService) -> None:
    slot_list = await earliest(clinic, "&limit=5")
    keys = [(slot["starts_at"], slot["doctor_id"]) for slot in slot_list["items"]]
    first, second = format_instant(NOON + 2 * HALF), format_instant(NOON + 3 * HALF)
    assert keys[:4] == [(at, str(doctor)) for at in (first, second) for doctor in (DOCTOR, COLLEAGUE)]
    assert (len(keys), slot_list["complete"]) == (5, False)
    assert await earliest(clinic, "&limit=5") == slot_list


@pytest.mark.parametrize(
    ("words", "doctors"),
    [
        ("&specialty=cardiology", {DOCTOR}),
        ("&location=south", {COLLEAGUE}),
        ("&location=clinic", {DOCTOR, COLLEAGUE}),
        ("&language=EN", {DOCTOR, COLLEAGUE}),
        ("&language=en-GB", {DOCTOR}),
        ("&language=en&specialty=Surgery", {COLLEAGUE}),
        ("&specialty=Dentistry", set()),
    ],
)
async def test_only_matching_doctors_are_listed(clinic: RunningService, words: str, doctors: set[UUID]) -> None:
    slot_list = await earliest(clinic, f"{words}&limit=50")
    assert {UUID(slot["doctor_id"]) for slot in slot_list["items"]} == doctors
    assert slot_list["complete"] is (doctors == set())


async def test_the_first_time_may_be_months_away(clinic: RunningService) -> None:
    slot_list = await earliest(clinic, "&specialty=geriatrics&limit=100")
    assert slot_list["items"][0]["starts_at"] == "2026-05-04T07:00:00Z"
    assert slot_list["complete"] is True
    assert len(slot_list["items"]) == 8
    assert (await earliest(clinic, "&specialty=geriatrics&limit=8"))["complete"] is True
    assert (await earliest(clinic, "&specialty=geriatrics&limit=7"))["complete"] is False


async def test_the_search_begins_at_the_given_instant(clinic: RunningService) -> None:
    slot_list = await earliest(clinic, f"&from={format_instant(NINE + HALF)}&limit=1&time_zone=Asia/Tokyo")
    assert (slot_list["items"][0]["starts_at"], slot_list["items"][0]["local_start"]) == (format_instant(NINE + HALF), "2026-03-09T17:30")
    assert (await earliest(clinic, "&from=2199-01-01T00:00:00Z"))["items"] == []


async def test_times_at_which_the_patient_is_busy_are_not_listed(clinic: RunningService) -> None:
    await reserve(clinic, 1, doctor_id=COLLEAGUE)
    assert "08:00" in await list_free_starts(clinic)
    assert "08:00" not in await list_free_starts(clinic, by=ME)
    assert await explain(clinic) == ["patient_busy"]
    assert (await reserve(clinic, 2)).json()["code"] == "patient_busy"


async def test_the_time_of_an_excluded_appointment_is_listed(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    exclusion = f"&exclude_appointment={UUID(int=1)}"
    assert "08:00" not in await list_free_starts(clinic, by=ME)
    for caller in (ME, bearer(Role.DOCTOR, DOCTOR), bearer(Role.RECEPTION)):
        assert "08:00" in await list_free_starts(clinic, exclusion, caller)
    for stranger in (None, bearer(Role.PATIENT)):
        path = f"/slots?service_id={CHECKUP}{exclusion}"
        assert (await clinic.http.get(path, headers=stranger)).status_code == 404


async def test_every_reason_that_applies_is_given(clinic: RunningService) -> None:
    await reserve(clinic, 1, patient_id=UUID(int=0xB))
    assert await explain(clinic, format_instant(NINE + HALF)) == []
    assert await explain(clinic) == ["taken"]
    assert await explain(clinic, format_instant(NINE - WEEK)) == ["in_the_past"]
    assert await explain(clinic, format_instant(NOON)) == ["too_soon"]
    assert await explain(clinic, format_instant(NINE + 20 * WEEK)) == ["beyond_horizon"]
    assert await explain(clinic, format_instant(NINE + timedelta(minutes=5))) == ["off_grid", "taken"]
    assert await explain(clinic, format_instant(NINE - timedelta(days=1)), RETIRED) == ["doctor_inactive", "outside_hours"]
    assert await explain(clinic, doctor=FULL) == ["doctor_not_accepting"]
    assert await explain(clinic, doctor=FULL, by=bearer(Role.RECEPTION)) == []


async def test_an_explanation_requires_a_token(clinic: RunningService) -> None:
    path = f"/slots/explain?service_id={CHECKUP}&doctor_id={DOCTOR}&starts_at={format_instant(NINE)}"
    assert (await clinic.http.get(path)).status_code == 401


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/slots?service_id={CHECKUP}&from=2026-03-09T10:00:00Z&to=2026-03-09T09:00:00Z", "range_reversed"),
        (f"/slots?service_id={CHECKUP}&from=2026-03-09T00:00:00Z&to=2027-03-09T00:00:00Z", "range_too_long"),
        (f"/slots?service_id={CHECKUP}&from=1971-01-01T00:00:00Z&to=2199-01-01T00:00:00Z", "range_too_long"),
        (f"/slots?service_id={CHECKUP}&from=9999-12-31T23:59:59Z", "out_of_range"),
        (f"/slots?service_id={CHECKUP}&from=2026-03-09T10:00:00", "offset_required"),
        (f"/slots?service_id={CHECKUP}&time_zone=Mars/Olympus", "unknown_time_zone"),
        (f"/slots?service_id={CHECKUP}&doctor_id={UNKNOWN}", "unknown_doctor"),
        (f"/slots?service_id={UNKNOWN}", "unknown_service"),
        (f"/slots?service_id={CHECKUP}&limit=1001", "validation_failed"),
        (f"/slots?service_id={CHECKUP}&limit=0", "validation_failed"),
        (f"/slots?service_id={CHECKUP}&colour=red", "unknown_parameter"),
        ("/slots", "validation_failed"),
        (f"/slots/earliest?service_id={UNKNOWN}", "unknown_service"),
        (f"/slots/earliest?service_id={CHECKUP}&from=9999-01-01T00:00:00Z", "out_of_range"),
        (f"/slots/earliest?service_id={CHECKUP}&language=%21", "validation_failed"),
        (f"/slots/earliest?service_id={CHECKUP}&doctor_id={DOCTOR}", "unknown_parameter"),
        (f"/slots/explain?service_id={CHECKUP}&doctor_id={UNKNOWN}&starts_at=2026-03-09T08:00:00Z", "unknown_doctor"),
        (f"/slots/explain?service_id={CHECKUP}&doctor_id={DOCTOR}&starts_at=2026-03-09T08:00", "not_an_instant"),
        (f"/slots/explain?service_id={CHECKUP}&doctor_id={DOCTOR}&starts_at=9999-03-09T08:00:00Z", "out_of_range"),
    ],
)
async def test_an_invalid_query_is_refused_with_a_code(clinic: RunningService, path: str, code: str) -> None:
    refused = await clinic.http.get(path, headers=ME)
    assert (refused.status_code, refused.json()["code"]) == (422, code)


async def publish_rules(clinic: RunningService, **changes: Any) -> None:
    rules = a_doctor(**changes)
    await clinic.publish_event(DoctorChanged(id=uuid4(), occurred_at=NOON, doctor_id=rules.id, version=rules.version, rules=rules))


async def test_when_a_doctor_changes_the_zone_booked_instants_stay(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    await publish_rules(clinic, time_zone="Europe/London", version=2)
    assert await list_free_starts(clinic) == ["09:00", "09:30"]
    agenda = (await clinic.http.get("/calendar", headers=ME)).json()["items"]
    assert [(entry["starts_at"], entry["local_start"]) for entry in agenda] == [(format_instant(NINE), "2026-03-09T08:00")]
    assert await explain(clinic, by=bearer(Role.ADMIN)) == ["outside_hours", "taken"]


async def test_an_override_can_close_or_open_a_single_date(clinic: RunningService) -> None:
    closed = DateOverride.model_validate({"id": str(uuid4()), "date": "2026-03-09", "windows": []})
    night = DateOverride.model_validate({"id": str(uuid4()), "date": "2026-03-10", "windows": [DayWindow(start="23:00", end="01:00")]})
    await publish_rules(clinic, overrides=[closed, night], version=2)
    assert await list_free_starts(clinic) == []
    path = f"/slots?service_id={CHECKUP}&doctor_id={DOCTOR}&from={format_instant(NINE)}&to={format_instant(NINE + timedelta(days=3))}"
    starts = [slot["local_start"] for slot in (await clinic.http.get(path)).json()["items"]]
    assert starts == ["2026-03-10T23:00", "2026-03-10T23:30", "2026-03-11T00:00", "2026-03-11T00:30"]
