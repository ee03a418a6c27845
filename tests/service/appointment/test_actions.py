"""Actions on an appointment over HTTP: who may do them, until when, and on which version."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from icalendar import Calendar

from shared.contracts.events import AppointmentAmended, AppointmentRescheduled, DoctorChanged
from shared.kit.ids import new_id
from tests.service.appointment.clinic import ADMIN, ADMIN_SERVICE, ANNA, BO, DESK, DR_GRAU, DR_WEISS, RunningClinic, a_problem
from tests.unit.appointment.builders import COLLEAGUE, DOCTOR, NINE, PATIENT, STRANGER, TEN, a_doctor, a_patient, a_service

ACTIONS = ("reschedule", "cancel", "approve", "decline", "check-in", "start", "complete", "no-show", "restore", "reassign")
BODIES = {"reschedule": {"starts_at": TEN.isoformat()}, "reassign": {"doctor_id": str(COLLEAGUE)}}


@pytest.mark.parametrize("action", ACTIONS)
async def test_others_get_404_and_patients_get_403_for_actions_of_staff(clinic: RunningClinic, action: str) -> None:
    appointment, body = await clinic.booked(), BODIES.get(action, {})
    assert (await clinic.do(appointment, action, {}, **body)).status_code == 401
    own = ("reschedule", "cancel")
    assert (await clinic.do(appointment, action, BO, **body)).status_code == (404 if action in own else 403)
    assert (await clinic.do(appointment, action, DR_GRAU, **body)).status_code == (403 if action == "reassign" else 404)
    assert (await clinic.do({"id": STRANGER}, action, DESK, **body)).status_code == 404
    assert await clinic.published() == ["booked"]


@pytest.mark.parametrize("action", ACTIONS)
async def test_every_action_respects_if_match_and_idempotency_key(clinic: RunningClinic, action: str) -> None:
    clinic.upstreams.service = a_service(requires_approval=action in ("approve", "decline"))
    appointment, body = await clinic.booked(), BODIES.get(action, {})
    if action in ("start", "complete"):
        clinic.service.clock.set(NINE)
        appointment = (await clinic.do(appointment, "check-in")).json()
    if action == "restore":
        appointment = (await clinic.do(appointment, "cancel")).json()
    clinic.service.clock.set(NINE)
    stale = await clinic.do(appointment, action, DESK | {"If-Match": '"1"'}, **body)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    keyed = DESK | {"If-Match": f'"{appointment["version"]}"', "Idempotency-Key": action}
    done, again = await clinic.do(appointment, action, keyed, **body), await clinic.do(appointment, action, keyed, **body)
    assert (done.status_code, done.json()["version"], done.headers["etag"]) == (
        200,
        appointment["version"] + 1,
        f'"{appointment["version"] + 1}"',
    )
    assert (again.content, again.headers["idempotent-replayed"]) == (done.content, "true")
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json() == done.json()


async def test_a_visit_from_check_in_to_completion(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    early = await clinic.do(appointment, "check-in", DR_WEISS)
    assert (early.status_code, early.json()["code"], early.json()["starts_at"]) == (409, "too_early", "2026-03-09T08:00:00Z")
    clinic.service.clock.set(NINE)
    for action, status in (("check-in", "checked_in"), ("start", "in_progress"), ("complete", "completed")):
        response = await clinic.do(appointment, action, DR_WEISS)
        assert (response.status_code, response.json()["status"]) == (200, status)
    again = await clinic.do(appointment, "complete", DR_WEISS)
    assert (again.status_code, again.json()["code"], again.json()["allowed"]) == (409, "illegal_move", [])
    assert await clinic.published() == ["booked", "checked_in", "started", "completed"]
    history = (await clinic.get(f"/appointments/{appointment['id']}/history")).json()["items"]
    assert [entry["action"] for entry in history] == ["booked", "checked_in", "in_progress", "completed"]
    assert history[1]["actor"] == {"id": str(DOCTOR), "role": "doctor"}
    assert (history[1]["before"]["status"], history[1]["after"]["status"]) == ("booked", "checked_in")


async def test_a_move_keeps_the_id_and_its_event_has_the_old_time(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    moved = (await clinic.do(appointment, "reschedule", ANNA, starts_at="2026-03-09T10:00:00+01:00")).json()
    assert (moved["id"], moved["starts_at"], moved["version"]) == (appointment["id"], "2026-03-09T09:00:00Z", 3)
    assert (await clinic.do(appointment, "reschedule", ANNA, starts_at="2026-03-09T09:00:00Z")).json() == moved
    assert await clinic.published() == ["booked", "rescheduled"]
    event = clinic.service.published[-1]
    assert isinstance(event, AppointmentRescheduled)
    assert (event.previous_starts_at, event.starts_at, event.sequence) == (NINE, TEN, 1)
    assert (await clinic.book(BO)).status_code == 201, "the old time is free"


async def test_a_move_to_a_taken_time_changes_nothing(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    await clinic.booked(BO, starts_at=TEN.isoformat())
    response = await clinic.do(appointment, "reschedule", ANNA, starts_at=TEN.isoformat())
    assert (response.status_code, response.json()["code"]) == (409, "slot_taken")
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json() == appointment


async def test_a_second_cancel_succeeds_and_publishes_nothing(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    first = await clinic.do(appointment, "cancel", ANNA, reason="ill")
    assert (first.json()["status"], first.json()["cancel_reason"]) == ("cancelled", "ill")
    second = await clinic.do(appointment, "cancel", ANNA)
    assert (second.status_code, second.json(), await clinic.published()) == (200, first.json(), ["booked", "cancelled"])
    assert (await clinic.book(BO)).status_code == 201


async def test_without_the_calendar_a_move_fails_and_a_cancellation_succeeds(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    clinic.upstreams.calendar_response = a_problem(503, "unavailable")
    moved = await clinic.do(appointment, "reschedule", ANNA, starts_at=TEN.isoformat())
    assert (moved.status_code, moved.json()["code"]) == (503, "unavailable")
    clinic.upstreams.calendar_response = None
    clinic.service.clock.advance(timedelta(minutes=1))
    assert await clinic.published() == ["booked", "rescheduled"]
    clinic.upstreams.calendar_response = a_problem(503, "unavailable")
    assert (await clinic.do(appointment, "cancel", ANNA)).json()["status"] == "cancelled"
    clinic.upstreams.calendar_response = None
    clinic.service.clock.advance(timedelta(minutes=1))
    assert await clinic.published() == ["booked", "rescheduled", "cancelled"]
    assert clinic.upstreams.calendar.reservations == {}


async def test_a_cut_off_binds_patients_and_not_staff(clinic: RunningClinic) -> None:
    clinic.upstreams.service = a_service(cancel_cutoff_minutes=60, reschedule_cutoff_minutes=60)
    appointment = await clinic.booked()
    clinic.service.clock.set(NINE - timedelta(minutes=59))
    for action, body in (("cancel", {}), ("reschedule", {"starts_at": TEN.isoformat()})):
        response = await clinic.do(appointment, action, ANNA, **body)
        assert (response.status_code, response.json()["code"], response.json()["cutoff_minutes"]) == (409, "too_late", 60)
    early = await clinic.do(appointment, "no-show")
    assert (early.status_code, early.json()["code"]) == (409, "too_early")
    assert (await clinic.do(appointment, "cancel", DESK)).status_code == 200


async def test_a_restored_appointment_gets_its_time_back_unless_it_is_taken(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    await clinic.do(appointment, "cancel", ANNA)
    other = await clinic.booked(BO)
    response = await clinic.do(appointment, "restore", DR_WEISS)
    assert (response.status_code, response.json()["code"]) == (409, "slot_taken")
    await clinic.do(other, "cancel", BO)
    restored = (await clinic.do(appointment, "restore", DR_WEISS)).json()
    assert (restored["status"], restored["cancel_reason"]) == ("booked", None)
    assert await clinic.published() == ["booked", "cancelled", "booked", "cancelled", "booked"]


async def test_the_appointment_of_a_disabled_patient_is_not_restored(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    await clinic.do(appointment, "cancel", ANNA)
    clinic.upstreams.patients[PATIENT] = a_patient(active=False)
    response = await clinic.do(appointment, "restore", DESK)
    assert (response.status_code, response.json()["code"]) == (409, "patient_inactive")


async def test_a_mistaken_check_in_is_undone(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    clinic.service.clock.set(NINE)
    await clinic.do(appointment, "check-in")
    restored = await clinic.do(appointment, "restore")
    assert (restored.status_code, restored.json()["status"]) == (200, "booked")
    assert (await clinic.do(appointment, "cancel", ANNA)).status_code == 200


async def test_a_doctors_new_place_reaches_the_appointment_and_its_calendar_file(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    rules = a_doctor(location="New Street 1", version=2)
    event = DoctorChanged(id=STRANGER, occurred_at=NINE, doctor_id=DOCTOR, version=2, rules=rules)
    await clinic.service.publish_event(event)
    assert await clinic.published() == ["booked", "amended"]
    amended = clinic.service.published[-1]
    assert isinstance(amended, AppointmentAmended)
    assert (amended.changed, amended.version, amended.sequence) == (["place"], 3, 1)
    path = f"/appointments/{appointment['id']}"
    shown, calendar = (await clinic.get(path)).json(), (await clinic.get(f"{path}/calendar.ics")).text
    assert (shown["doctor"]["location"], shown["version"]) == ("New Street 1", 3)
    assert "LOCATION:New Street 1" in calendar
    assert "SEQUENCE:1" in calendar


async def test_a_reassigned_appointment_keeps_its_time(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    moved = (await clinic.do(appointment, "reassign", ADMIN, doctor_id=str(COLLEAGUE))).json()
    assert (moved["doctor"]["id"], moved["starts_at"]) == (str(COLLEAGUE), appointment["starts_at"])
    assert (await clinic.get(f"/appointments/{appointment['id']}", DR_WEISS)).status_code == 404
    assert (await clinic.get(f"/appointments/{appointment['id']}", DR_GRAU)).status_code == 200


async def test_an_amendment_requires_the_current_version(clinic: RunningClinic) -> None:
    appointment = await clinic.booked(reason="knee", intake={"a": "b"})
    path, patch = f"/appointments/{appointment['id']}", clinic.service.http.patch
    assert (await patch(path, json={"reason": "hip"}, headers=ANNA)).status_code == 428
    assert (await patch(path, json={"reason": "hip"}, headers=ANNA | {"If-Match": '"1"'})).status_code == 412
    assert (await patch(path, json={"reason": "hip"}, headers=BO | {"If-Match": '"2"'})).status_code == 404
    assert (await patch(path, json={"status": "completed"}, headers=ANNA | {"If-Match": '"2"'})).status_code == 422
    done = await patch(path, json={"reason": None}, headers=ANNA | {"If-Match": '"2"'})
    assert (done.status_code, done.json()["reason"], done.json()["intake"], done.headers["etag"]) == (200, None, {"a": "b"}, '"3"')
    assert await clinic.published() == ["booked", "amended"]


@pytest.mark.parametrize("body", [{"x": 1}, {"reason": "x"}])
async def test_an_action_without_parameters_rejects_unknown_fields(clinic: RunningClinic, body: dict[str, object]) -> None:
    assert (await clinic.do(await clinic.booked(), "check-in", DESK, **body)).status_code == 422


async def test_an_empty_object_is_accepted_instead_of_a_body(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    clinic.service.clock.set(NINE)
    response = await clinic.service.http.post(f"/appointments/{appointment['id']}/check-in", json={}, headers=DESK)
    assert response.status_code == 200


async def test_ten_actions_at_once_lead_to_one_result(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    times = [(TEN + number * timedelta(hours=1)).isoformat() for number in range(5)]
    moves = [clinic.do(appointment, "reschedule", DESK, starts_at=time) for time in times]
    cancels = [clinic.do(appointment, "cancel", ANNA) for _ in range(5)]
    responses = await asyncio.gather(*moves, *cancels)
    assert {response.status_code for response in responses} <= {200, 409}
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json()["status"] == "cancelled"
    clinic.service.clock.advance(timedelta(minutes=1))
    published = await clinic.published()
    assert (published.count("cancelled"), clinic.upstreams.calendar.reservations) == (1, {})
    assert published.count("rescheduled") == sum(response.status_code == 200 for response in responses[:5])


async def test_unanswered_requests_expire_and_release_their_time(clinic: RunningClinic) -> None:
    clinic.upstreams.service = a_service(requires_approval=True)
    appointment = await clinic.booked()
    clinic.service.clock.set(NINE)
    assert await clinic.published() == ["requested", "expired"]
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json()["status"] == "expired"
    assert clinic.upstreams.calendar.reservations == {}


async def test_the_calendar_file_is_visible_to_those_who_see_the_appointment(clinic: RunningClinic) -> None:
    appointment = await clinic.booked(reason="knee")
    path = f"/appointments/{appointment['id']}/calendar.ics"
    response = await clinic.get(path)
    assert response.headers["content-type"] == "text/calendar; charset=utf-8"
    assert "nee" not in response.text
    (event,) = Calendar.from_ical(response.text).walk("VEVENT")
    assert (str(event["UID"]), event["DTSTART"].dt) == (f"{appointment['id']}@careslot", NINE)
    assert (await clinic.get(path, BO)).status_code == 404
    assert (await clinic.get(f"/appointments/{appointment['id']}/history", BO)).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"status": "cancelled"},
        {"starts_at": TEN.isoformat()},
        {"starts_at": TEN.isoformat(), "doctor_id": str(COLLEAGUE), "status": "cancelled"},
    ],
)
async def test_a_change_for_an_admin_that_is_tried_again_after_a_lost_answer_is_made_once(
    clinic: RunningClinic, change: dict[str, str]
) -> None:
    appointment = await clinic.booked()
    body = {"by": {"id": str(STRANGER), "role": "admin"}, "reason": "ill", "expected_version": 2, "operation_id": str(new_id())} | change
    path, put = f"/internal/appointments/{appointment['id']}", clinic.service.http.put
    first = await put(path, json=body, headers=ADMIN_SERVICE)
    events = await clinic.published()
    again = await put(path, json=body, headers=ADMIN_SERVICE)
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    assert await clinic.published() == events
    other = await put(path, json=body | {"operation_id": str(new_id())}, headers=ADMIN_SERVICE)
    assert (other.status_code, other.json()["code"]) == (412, "stale_version")


@pytest.mark.parametrize(
    "change",
    [
        {"status": "cancelled"},
        {"starts_at": NINE.isoformat(), "status": "cancelled"},
        {"starts_at": TEN.isoformat(), "status": "cancelled"},
    ],
)
async def test_a_repeated_change_for_an_admin_is_stale_once_another_change_has_followed(
    clinic: RunningClinic, change: dict[str, str]
) -> None:
    appointment = await clinic.booked()
    body = {"by": {"id": str(STRANGER), "role": "admin"}, "reason": "ill", "expected_version": 2, "operation_id": str(new_id())} | change
    path, put = f"/internal/appointments/{appointment['id']}", clinic.service.http.put
    first = await put(path, json=body, headers=ADMIN_SERVICE)
    again = await put(path, json=body, headers=ADMIN_SERVICE)
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    restored = await clinic.do(appointment, "restore")
    assert (restored.status_code, restored.json()["status"]) == (200, "booked")
    events = await clinic.published()
    late = await put(path, json=body, headers=ADMIN_SERVICE)
    assert (late.status_code, late.json()["code"]) == (412, "stale_version")
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json() == restored.json()
    assert await clinic.published() == events


async def test_a_repeated_change_is_stale_once_its_appointment_was_moved_by_its_patient(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    body = {"by": {"id": str(STRANGER), "role": "admin"}, "reason": "asked", "expected_version": 2, "operation_id": str(new_id())}
    path, put = f"/internal/appointments/{appointment['id']}", clinic.service.http.put
    assert (await put(path, json=body | {"starts_at": TEN.isoformat()}, headers=ADMIN_SERVICE)).status_code == 200
    moved = await clinic.do(appointment, "reschedule", ANNA, starts_at=NINE.isoformat())
    late = await put(path, json=body | {"starts_at": TEN.isoformat()}, headers=ADMIN_SERVICE)
    assert (moved.json()["version"], late.status_code, late.json()["code"]) == (4, 412, "stale_version")


async def test_a_cancellation_for_an_admin_has_the_id_of_its_operation(clinic: RunningClinic) -> None:
    appointment, operation_id = await clinic.booked(), str(new_id())
    body = {"by": {"id": str(STRANGER), "role": "admin"}, "operation_id": operation_id}
    path = f"/internal/appointments/{appointment['id']}/cancel"
    responses = [await clinic.service.http.post(path, json=body, headers=ADMIN_SERVICE) for _ in range(2)]
    assert [response.json()["status"] for response in responses] == ["cancelled"] * 2
    assert await clinic.published() == ["booked", "cancelled"]
