"""After a merge of two patients the time of a visit is the target's: only the patient's time moves, and the doctor's stays as it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.events import AppointmentAmended, AppointmentBooked, AppointmentCheckedIn, AppointmentEvent, PatientMerged
from shared.contracts.grains import grain_of
from shared.contracts.http import WeeklyWindow
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from shared.kit.ids import new_id
from tests.contract.grain_table import list_lanes
from tests.running import RunningService
from tests.service.scheduling.clinic import APPOINTMENTS, DoctorService, a_clinic, release, reserve
from tests.service.scheduling.test_archive import store_of
from tests.service.scheduling.test_begun import begun_event
from tests.tokens import bearer, service_bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, a_doctor, a_service

OLD, TARGET, LAST, GROUP = UUID(int=0xAA01), UUID(int=0xAA02), UUID(int=0xAA03), UUID(int=0x61)
HALF, DAY = timedelta(minutes=30), timedelta(days=1)
TEN = NINE + 2 * HALF
PATIENTS = service_bearer("patient-service")
SELF = bearer(Role.DOCTOR, DOCTOR)
EVERY_DAY = [WeeklyWindow(weekday=day, start="09:00", end="17:00") for day in range(1, 8)]


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    """A clinic with two doctors, in which the visit 1 of the old patient is at nine with the first one."""
    doctors = [a_doctor(id=doctor_id, services=[CHECKUP, GROUP], weekly=EVERY_DAY) for doctor_id in (DOCTOR, COLLEAGUE)]
    rules = DoctorService(doctors, [a_service(buffer_after_minutes=10, slot_step_minutes=10), a_service(id=GROUP, capacity=2)])
    async with a_clinic(tmp_path, rules, database_url=sql_url) as clinic:
        assert code(await book(clinic, 1, OLD)) is None
        yield clinic


async def book(clinic: RunningService, number: int, patient: UUID, start: datetime = NINE, **request: Any) -> httpx.Response:
    return await reserve(clinic, number, patient_id=patient, starts_at=start, **request)


def code(requested: httpx.Response) -> str | None:
    return None if requested.status_code == 200 else str(requested.json()["code"])


def event_of(
    number: int, patient: UUID, version: int, kind: type[AppointmentEvent] = AppointmentAmended, **changes: Any
) -> AppointmentEvent:
    changed = ["patient"] if kind is AppointmentAmended else []
    fields = {"id": new_id(), "version": version, "patient_id": patient, "status": "booked", "changed": changed}
    return begun_event(kind, number).model_copy(update=fields | changes)


async def merge(clinic: RunningService, number: int, into: UUID = TARGET, version: int = 3, **changes: Any) -> None:
    await clinic.publish_event(event_of(number, into, version, **changes))


async def owners(clinic: RunningService, person: UUID, start: datetime = NINE) -> list[list[int]]:
    """Return the visits that have a half hour of a person, by lane, where all grains of it agree."""
    lanes = await list_lanes(store_of(clinic))
    taken = [lanes.get((person, grain), {}) for grain in range(grain_of(start), grain_of(start + HALF))]
    assert all(other == taken[0] for other in taken), taken
    return [[lane, claim_id.int] for lane, claim_id in sorted(taken[0].items())]


async def reservation(clinic: RunningService, number: int = 1) -> Any:
    return (await clinic.http.get(f"/internal/reservations/{UUID(int=number)}", headers=APPOINTMENTS)).json()


async def take_leave(clinic: RunningService, action: str, number: int = 1, **fields: str) -> None:
    decision = {"appointment_id": str(UUID(int=number)), "action": action} | fields
    body = {"starts_at": format_instant(NINE), "ends_at": format_instant(TEN), "reason": "Ill", "affected": [decision]}
    response = await clinic.http.post(f"/doctors/{DOCTOR}/leaves", json=body, headers=SELF)
    assert response.status_code == 201, response.text


async def test_the_target_is_busy_and_the_old_patient_has_no_time_any_more(clinic: RunningService) -> None:
    assert code(await book(clinic, 2, TARGET, doctor_id=COLLEAGUE)) is None
    assert (await release(clinic, 2, 1)).status_code == 204
    await merge(clinic, 1)
    assert (await owners(clinic, OLD), await owners(clinic, TARGET), await owners(clinic, DOCTOR)) == ([], [[0, 1]], [[0, 1]])
    assert code(await book(clinic, 3, TARGET, doctor_id=COLLEAGUE)) == "patient_busy"
    assert (await reservation(clinic))["patient_id"] == str(TARGET)
    agenda = await clinic.http.get("/calendar", headers=bearer(Role.PATIENT, TARGET))
    assert [item["appointment_id"] for item in agenda.json()["items"]] == [str(UUID(int=1))]
    assert (await clinic.http.get("/calendar", headers=bearer(Role.PATIENT, OLD))).json()["items"] == []


async def test_a_cancelled_visit_frees_the_time_of_the_target(clinic: RunningService) -> None:
    await merge(clinic, 1)
    await release(clinic, 1, 1)
    assert await list_lanes(store_of(clinic)) == {}
    assert code(await book(clinic, 3, TARGET)) is None


async def test_a_moved_visit_frees_and_takes_the_time_of_the_target(clinic: RunningService) -> None:
    await merge(clinic, 1)
    assert code(await book(clinic, 1, TARGET, TEN, revision=2, appointment_version=3)) is None
    assert (await owners(clinic, TARGET), await owners(clinic, TARGET, TEN)) == ([], [[0, 1]])
    assert code(await book(clinic, 3, TARGET, doctor_id=COLLEAGUE)) is None


async def test_a_visit_that_a_leave_has_moved_or_moves_later_is_the_targets(clinic: RunningService) -> None:
    await take_leave(clinic, "move", doctor_id=str(COLLEAGUE), starts_at=format_instant(TEN))
    await merge(clinic, 1)
    assert (await owners(clinic, OLD, TEN), await owners(clinic, TARGET, TEN), await owners(clinic, COLLEAGUE, TEN)) == (
        [],
        [[0, 1]],
        [[0, 1]],
    )
    assert (await reservation(clinic))["revision"] == 2, "the merge is no decision of the calendar"


async def test_a_visit_that_was_kept_in_a_leave_keeps_the_time_of_its_doctor(clinic: RunningService) -> None:
    await take_leave(clinic, "keep")
    before = await owners(clinic, DOCTOR)
    await merge(clinic, 1)
    assert (await owners(clinic, DOCTOR), await owners(clinic, TARGET)) == (before, [[0, 1]])
    await release(clinic, 1, 1)
    assert [lane for lane, _ in await owners(clinic, DOCTOR)] == [0], "the leave"
    assert code(await book(clinic, 3, TARGET)) == "not_bookable"


async def test_a_seat_in_a_group_stays_taken_and_is_given_back_by_the_target(clinic: RunningService) -> None:
    for number, patient in ((3, OLD), (4, LAST)):
        assert code(await book(clinic, number, patient, TEN + HALF, service_id=GROUP)) is None
    await merge(clinic, 3)
    request: dict[str, Any] = {"patient": UUID(int=0xAA05), "start": TEN + HALF, "service_id": GROUP}
    assert code(await book(clinic, 5, **request)) == "slot_taken"
    await release(clinic, 3, 1)
    assert code(await book(clinic, 5, **request)) is None


async def test_a_seat_in_a_group_stays_also_in_a_leave(clinic: RunningService) -> None:
    for number, patient in ((3, OLD), (4, LAST)):
        assert code(await book(clinic, number, patient, TEN + HALF, service_id=GROUP)) is None
    affected = [{"appointment_id": str(UUID(int=number)), "action": "keep"} for number in (3, 4)]
    body = {"starts_at": format_instant(TEN + HALF), "ends_at": format_instant(TEN + 3 * HALF), "reason": "Ill", "affected": affected}
    assert (await clinic.http.post(f"/doctors/{DOCTOR}/leaves", json=body, headers=SELF)).status_code == 201
    await merge(clinic, 3)
    assert (await owners(clinic, TARGET, TEN + HALF), await owners(clinic, OLD, TEN + HALF)) == ([[0, 3]], [])
    for number in (3, 4):
        await release(clinic, number, 1)
    assert [lane for lane, _ in await owners(clinic, DOCTOR, TEN + HALF)] == [0], "the leave alone"


async def test_visits_at_the_same_time_are_kept_in_lanes_and_logged_and_the_rest_moves_down(
    clinic: RunningService, caplog: pytest.LogCaptureFixture
) -> None:
    assert code(await book(clinic, 2, TARGET, doctor_id=COLLEAGUE)) is None
    await merge(clinic, 1)
    assert await owners(clinic, TARGET) == [[0, 2], [1, 1]]
    (warning,) = [record for record in caplog.records if record.message == "visits_overlap_after_merge"]
    assert (warning.levelno, warning.__dict__["facts"]) == (logging.WARNING, {"appointment": str(UUID(int=1)), "patient": str(TARGET)})
    await release(clinic, 2, 1)
    assert await owners(clinic, TARGET) == [[0, 1]]
    assert code(await book(clinic, 3, TARGET, doctor_id=COLLEAGUE)) == "patient_busy"
    await release(clinic, 1, 1)
    assert await list_lanes(store_of(clinic)) == {}


async def test_a_move_out_of_an_overlap_is_decided_by_the_ordinary_rules(clinic: RunningService) -> None:
    assert code(await book(clinic, 2, TARGET, doctor_id=COLLEAGUE)) is None
    await merge(clinic, 1)
    request = {"revision": 2, "appointment_version": 3}
    assert code(await book(clinic, 1, TARGET, NINE + timedelta(minutes=10), **request)) == "patient_busy"
    assert code(await book(clinic, 1, TARGET, TEN, **request)) is None
    assert (await owners(clinic, TARGET), await owners(clinic, TARGET, TEN)) == ([[0, 2]], [[0, 1]])


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0), (2, 0, 1, 2, 0)], ids=["in order", "swapped", "reversed", "repeated"])
async def test_the_newest_version_decides_whose_visit_it_is(clinic: RunningService, order: tuple[int, ...]) -> None:
    events = [event_of(1, OLD, 2, AppointmentBooked), event_of(1, TARGET, 3), event_of(1, LAST, 4)]
    for index in order:
        await clinic.publish_event(events[index])
    assert [await owners(clinic, person) for person in (OLD, TARGET, LAST)] == [[], [], [[0, 1]]]


async def test_any_newer_event_tells_who_the_patient_is(clinic: RunningService) -> None:
    await clinic.publish_event(event_of(1, TARGET, 5, AppointmentBooked))
    await merge(clinic, 1, LAST, version=4)
    assert (await owners(clinic, TARGET), await owners(clinic, LAST)) == ([[0, 1]], [])


async def test_a_request_that_comes_before_the_event_makes_the_time_the_targets_without_another_decision(clinic: RunningService) -> None:
    clinic.clock.set(NINE + timedelta(minutes=5))
    assert code(await book(clinic, 1, TARGET, revision=2, appointment_version=4)) is None, "an undone check-in, although the time has come"
    assert (await owners(clinic, OLD), await owners(clinic, TARGET)) == ([], [[0, 1]])
    await clinic.publish_event(event_of(1, OLD, 2, AppointmentBooked))
    assert await owners(clinic, TARGET) == [[0, 1]]


async def test_a_request_from_before_the_merge_does_not_give_the_time_back(clinic: RunningService) -> None:
    await merge(clinic, 1)
    assert code(await book(clinic, 1, OLD, revision=2, appointment_version=2)) is None
    assert ((await reservation(clinic))["patient_id"], await owners(clinic, OLD)) == (str(TARGET), [])


async def test_a_visit_of_a_doctor_with_themselves_takes_their_time_once(clinic: RunningService) -> None:
    await merge(clinic, 1, DOCTOR)
    assert (await owners(clinic, OLD), await owners(clinic, DOCTOR)) == ([], [[0, 1]])
    await merge(clinic, 1, TARGET, version=4)
    assert (await owners(clinic, TARGET), await owners(clinic, DOCTOR)) == ([[0, 1]], [[0, 1]])
    await release(clinic, 1, 1)
    assert await list_lanes(store_of(clinic)) == {}


async def test_released_and_archived_visits_take_no_time_and_are_the_targets_all_the_same(clinic: RunningService) -> None:
    assert code(await book(clinic, 2, OLD, TEN)) is None
    await release(clinic, 1, 1)
    clinic.clock.set(NINE + 3 * DAY)
    await clinic.run_until_idle()
    for number in (1, 2):
        await merge(clinic, number)
    assert await list_lanes(store_of(clinic)) == {}
    assert [(await reservation(clinic, number))["patient_id"] for number in (1, 2)] == [str(TARGET)] * 2
    assert code(await book(clinic, 1, TARGET, NINE + 7 * DAY, revision=2, appointment_version=3)) is None
    assert await owners(clinic, TARGET, NINE + 7 * DAY) == [[0, 1]]


async def test_an_event_about_an_unknown_visit_changes_nothing(clinic: RunningService) -> None:
    before = await list_lanes(store_of(clinic))
    await merge(clinic, 9)
    assert await list_lanes(store_of(clinic)) == before


async def test_time_that_staff_hold_for_the_old_patient_can_be_booked_for_the_target(clinic: RunningService) -> None:
    """A hold names its owner and not the patient, and a patient who is merged has no account with which to hold time."""
    clinic_desk = UUID(int=0xF1)
    body = {"service_id": str(CHECKUP), "doctor_id": str(DOCTOR), "starts_at": format_instant(TEN)}
    held = await clinic.http.post("/holds", json=body, headers=bearer(Role.RECEPTION, clinic_desk))
    assert held.status_code == 201, held.text
    await merge(clinic, 1)
    by = {"by": {"id": clinic_desk, "role": "reception"}, "hold_id": held.json()["id"]}
    assert code(await book(clinic, 2, TARGET, TEN, **by)) is None


async def follow_merge(clinic: RunningService, patient: UUID = OLD, into: UUID = TARGET) -> None:
    """Tell the calendar of a merge as patient-service does before it answers the admin."""
    response = await clinic.http.put(f"/internal/patients/{patient}/merge", json={"into": str(into)}, headers=PATIENTS)
    assert response.status_code == 204, response.text


async def test_the_target_is_busy_as_soon_as_the_calendar_has_answered_patient_service(clinic: RunningService) -> None:
    for _ in range(2):
        await follow_merge(clinic)
        assert (await owners(clinic, OLD), await owners(clinic, TARGET), await owners(clinic, DOCTOR)) == ([], [[0, 1]], [[0, 1]])
        assert code(await book(clinic, 3, TARGET, doctor_id=COLLEAGUE)) == "patient_busy"
    await merge(clinic, 1)
    assert await owners(clinic, TARGET) == [[0, 1]]


async def test_only_patient_service_tells_of_merges_that_the_calendar_follows_at_once(clinic: RunningService) -> None:
    refused = await clinic.http.put(f"/internal/patients/{OLD}/merge", json={"into": str(TARGET)}, headers=APPOINTMENTS)
    assert refused.status_code == 403


async def test_the_event_of_a_merge_has_the_same_effect_where_the_call_was_lost(clinic: RunningService) -> None:
    await clinic.publish_event(PatientMerged(id=new_id(), occurred_at=NINE, patient_id=OLD, into=TARGET, version=2))
    assert code(await book(clinic, 3, TARGET, doctor_id=COLLEAGUE)) == "patient_busy"


async def test_requests_and_events_that_still_have_the_old_id_are_about_the_target(clinic: RunningService) -> None:
    await follow_merge(clinic)
    await clinic.publish_event(event_of(1, OLD, 5, AppointmentBooked))
    assert (await owners(clinic, OLD), await owners(clinic, TARGET)) == ([], [[0, 1]])
    assert code(await book(clinic, 2, OLD, doctor_id=COLLEAGUE)) == "patient_busy", "a booking that was under way for the old id"
    assert code(await book(clinic, 1, OLD, TEN, revision=2, appointment_version=6)) is None
    assert [await owners(clinic, person, TEN) for person in (OLD, TARGET)] == [[], [[0, 1]]]


@pytest.mark.parametrize("order", [((OLD, TARGET), (TARGET, LAST)), ((TARGET, LAST), (OLD, TARGET))], ids=["in order", "swapped"])
async def test_two_merges_in_a_row_end_with_the_last_patient(clinic: RunningService, order: tuple[tuple[UUID, UUID], ...]) -> None:
    for patient, into in order:
        await follow_merge(clinic, patient, into)
    assert [await owners(clinic, person) for person in (OLD, TARGET, LAST)] == [[], [], [[0, 1]]]
    assert code(await book(clinic, 2, OLD, doctor_id=COLLEAGUE)) == "patient_busy"
    await follow_merge(clinic, LAST, OLD)
    assert await owners(clinic, LAST) == [[0, 1]], "a merge in a circle is none"


async def test_bookings_of_the_target_that_race_with_a_merge_leave_the_calendar_whole_and_later_ones_are_refused(
    clinic: RunningService, caplog: pytest.LogCaptureFixture
) -> None:
    starts = [NINE + 2 * number * HALF for number in range(1, 8)]
    for number, start in enumerate(starts):
        assert code(await book(clinic, 10 + number, OLD, start)) is None
    bookings = [book(clinic, 20 + number, TARGET, start, doctor_id=COLLEAGUE) for number, start in enumerate(starts)]
    following = asyncio.create_task(follow_merge(clinic))
    answers = await asyncio.gather(*bookings)
    await following
    won = [code(answer) is None for answer in answers]
    assert {code(answer) for answer in answers} <= {None, "patient_busy"}
    for number, start in enumerate(starts):
        visits = [10 + number] + ([20 + number] if won[number] else [])
        assert sorted(visit for _, visit in await owners(clinic, TARGET, start)) == visits, "no visit is lost"
        assert await owners(clinic, OLD, start) == []
        assert code(await book(clinic, 30 + number, TARGET, start, doctor_id=COLLEAGUE)) in ("patient_busy", "slot_taken")
    warnings = [record for record in caplog.records if record.message == "visits_overlap_after_merge"]
    assert len(warnings) == won.count(True), "each pair that both stayed is logged"
    for number in (1, *range(10, 17), *range(20, 27)):
        await release(clinic, number, 1)
    assert await list_lanes(store_of(clinic)) == {}


async def test_changes_of_a_visit_that_race_with_the_merge_of_its_patient_do_not_give_the_time_back(clinic: RunningService) -> None:
    for version in range(2, 6):
        patient, into = (OLD, TARGET) if version == 2 else (UUID(int=0xBB00 + version), UUID(int=0xBC00 + version))
        number = 1 if version == 2 else 100 + version
        if version > 2:
            assert code(await book(clinic, number, patient, NINE + (version - 2) * DAY)) is None
        await asyncio.gather(
            follow_merge(clinic, patient, into),
            clinic.publish_event(event_of(number, patient, version, AppointmentCheckedIn, status="checked_in")),
            book(clinic, number, patient, TEN + (version - 2) * DAY, revision=2, appointment_version=version),
        )
        row = await reservation(clinic, number)
        start = datetime.fromisoformat(row["starts_at"])
        assert row["patient_id"] == str(into)
        assert (await owners(clinic, into, start), await owners(clinic, patient, start)) == ([[0, number]], [])
