"""`careslot book`, `reschedule`, `cancel` and the course of a visit."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from careslot.client.environment import Terminals
from tests.unit.careslot.client.fake_platform import (
    APPOINTMENT_ID,
    DOCTOR,
    DOCTOR_ID,
    PATIENT_ID,
    SERVICE_ID,
    FakePlatform,
    an_appointment,
    page,
    problem,
)

OTHER_DOCTOR_ID = "8" + DOCTOR_ID[1:]


@pytest.fixture(autouse=True)
def _signed_in(platform: FakePlatform) -> None:
    platform.sign_in()


def slot(starts_at: str, doctor_id: str = DOCTOR_ID) -> dict[str, Any]:
    return {"doctor_id": doctor_id, "service_id": SERVICE_ID, "starts_at": starts_at, "ends_at": starts_at, "remaining": 1}


def booked(**changes: Any) -> httpx.Response:
    return httpx.Response(201, json=an_appointment(**changes))


def test_the_earliest_time_of_any_doctor_is_booked(platform: FakePlatform) -> None:
    platform.answer("GET /slots/earliest", page(slot("2026-03-09T13:00:00Z"), slot("2026-03-09T14:00:00Z")))
    platform.answer("POST /appointments", booked())
    ran = platform.run("book", "--service", "Check-up", "--doctor", "any", "--earliest")
    assert ran.exit_code == 0
    assert platform.body("POST /appointments") == {"service_id": SERVICE_ID, "doctor_id": DOCTOR_ID, "starts_at": "2026-03-09T13:00:00Z"}
    assert "start (Europe/Berlin)  Mon 2026-03-09 14:00" in ran.stdout
    assert platform.sent("GET /slots/earliest")[0].url.params["service_id"] == SERVICE_ID


def test_a_time_that_was_taken_meanwhile_gives_way_to_the_next_one(platform: FakePlatform) -> None:
    platform.answer("GET /slots", page(slot("2026-03-09T13:00:00Z"), slot("2026-03-09T14:00:00Z")))
    platform.answer("POST /appointments", problem(409, "slot_taken"), booked(starts_at="2026-03-09T14:00:00Z"))
    appointment = platform.json("book", "--service", "check-up", "--doctor", "Dr. Ada Brandt", "--earliest")
    assert appointment["starts_at"] == "2026-03-09T14:00:00Z"
    keys = [request.headers["idempotency-key"] for request in platform.sent("POST /appointments")]
    assert len(set(keys)) == 2, "another request has another key"


@pytest.mark.parametrize("code", ["too_many_active", "not_bookable"])
def test_a_refusal_that_the_next_time_would_get_too_ends_the_command(platform: FakePlatform, code: str) -> None:
    platform.answer("GET /slots/earliest", page(slot("2026-03-09T13:00:00Z"), slot("2026-03-09T14:00:00Z")))
    platform.answer("POST /appointments", problem(409, code))
    ran = platform.run("book", "--service", "Check-up", "--earliest", "--json")
    assert (ran.exit_code, json.loads(ran.stderr)["code"]) == (1, code)
    assert len(platform.sent("POST /appointments")) == 1


def test_nothing_free_is_a_refusal(platform: FakePlatform) -> None:
    platform.answer("GET /slots/earliest", page())
    ran = platform.run("book", "--service", "Check-up", "--earliest", "--json")
    assert (ran.exit_code, json.loads(ran.stderr)["code"], ran.stdout) == (1, "nothing_free", "")


def test_staff_book_for_a_patient_by_name_and_lift_a_rule_with_a_reason(platform: FakePlatform) -> None:
    platform.answer("GET /patients", page({"id": PATIENT_ID, "full_name": "Mina Park"}))
    platform.answer("POST /appointments", booked(overridden={"code": "overbook"}))
    arguments = ("book", "--service", SERVICE_ID, "--doctor", "ada", "--at", "2026-03-09 14:00", "--patient", "Mina Park")
    ran = platform.run(*arguments, "--override", "overbook", "--reason", "in pain", "--visit-reason", "cough")
    assert ran.exit_code == 0, ran.stderr
    assert platform.body("POST /appointments") == {
        "service_id": SERVICE_ID,
        "doctor_id": DOCTOR_ID,
        "patient_id": PATIENT_ID,
        "starts_at": "2026-03-09T13:00:00Z",
        "reason": "cough",
        "override": {"code": "overbook", "reason": "in pain"},
    }
    assert "override               overbook" in ran.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--at", "2026-03-09 14:00", "--earliest"],
        ["--at", "2026-03-09 14:00", "--from", "today"],
        ["--at", "half past two"],
        ["--at", "2026-03-29 02:30"],
        ["--at", "2026-10-25 02:30"],
        ["--at", "2026-03-09 25:00"],
        ["--at", "2026-03-09 14:00", "--reason", "in pain"],
        ["--at", "2026-03-09 14:00", "--override", "overbook"],
        ["--at", "2026-03-09 14:00", "--override", "everything", "--reason", "in pain"],
        ["--earliest", "--override", "overbook", "--reason", "in pain"],
        ["--earliest", "--doctor", "Nobody"],
        ["--earliest", "--doctor", "Ada", "--location", "Room 3"],
        ["--earliest", "--doctor", "me"],
    ],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_wrong_options_are_exit_code_2_and_book_nothing(platform: FakePlatform, arguments: list[str]) -> None:
    assert platform.run("book", "--service", "Check-up", *arguments).exit_code == 2
    assert platform.sent("POST /appointments") == []


def test_an_ambiguous_name_is_listed_with_ids(platform: FakePlatform) -> None:
    twin = DOCTOR | {"id": OTHER_DOCTOR_ID, "title": None, "location": "Room 9"}
    platform.answer("GET /doctors", page(DOCTOR, twin))
    ran = platform.run("book", "--service", "Check-up", "--doctor", "Ada Brandt", "--earliest")
    assert ran.exit_code == 2
    assert f"{DOCTOR_ID}  Dr. Ada Brandt, Room 3" in ran.stderr
    assert f"{OTHER_DOCTOR_ID}  Ada Brandt, Room 9" in ran.stderr
    ran = platform.run("book", "--service", "Check-up", "--doctor", "Ada Brandt", "--earliest", "--json")
    assert [candidate["id"] for candidate in json.loads(ran.stderr)["candidates"]] == [DOCTOR_ID, OTHER_DOCTOR_ID]


def test_a_lost_answer_is_asked_for_again_with_the_same_key(platform: FakePlatform) -> None:
    platform.answer("POST /appointments", httpx.ReadTimeout("timed out"), problem(409, "request_in_progress"), booked())
    assert platform.run("book", "--service", SERVICE_ID, "--at", "2026-03-09T14:00+01:00").exit_code == 0
    keys = [request.headers["idempotency-key"] for request in platform.sent("POST /appointments")]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_each_command_has_a_key_of_its_own(platform: FakePlatform) -> None:
    platform.answer("POST /appointments", booked())
    for _ in range(2):
        platform.run("book", "--service", SERVICE_ID, "--at", "tomorrow 9:00")
    keys = {request.headers["idempotency-key"] for request in platform.sent("POST /appointments")}
    assert len(keys) == 2
    assert platform.body("POST /appointments")["starts_at"] == "2026-03-10T08:00:00Z"


def test_a_pending_booking_is_followed_until_it_is_settled(platform: FakePlatform) -> None:
    platform.answer("POST /appointments", httpx.Response(202, json=an_appointment(status="pending")))
    route = f"GET /appointments/{APPOINTMENT_ID}"
    platform.answer(route, booked(status="pending"), booked(status="booked"))
    assert platform.json("book", "--service", SERVICE_ID, "--at", "tomorrow 9:00")["status"] == "booked"
    platform.answer(route, booked(status="refused"))
    assert platform.run("book", "--service", SERVICE_ID, "--at", "tomorrow 9:00").exit_code == 1
    platform.answer(route, booked(status="pending"))
    assert platform.json("book", "--service", SERVICE_ID, "--at", "tomorrow 9:00")["status"] == "pending"


def test_a_refusal_shows_the_free_times_in_the_clinics_zone(platform: FakePlatform) -> None:
    refusal = problem(409, "slot_taken", alternatives=[slot("2026-03-09T15:00:00Z")])
    platform.answer("POST /appointments", refusal)
    ran = platform.run("book", "--service", SERVICE_ID, "--at", "2026-03-09 14:00")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "slot_taken, said plainly." in ran.stderr
    assert "start (Europe/Berlin)" in ran.stderr
    assert "Mon 2026-03-09 16:00" in ran.stderr


def test_a_visit_is_moved_by_its_id_its_beginning_or_its_patient(platform: FakePlatform) -> None:
    platform.answer(f"POST /appointments/{APPOINTMENT_ID}/reschedule", booked())
    platform.answer("GET /appointments", page(an_appointment(), an_appointment(id=SERVICE_ID, status="cancelled")))
    for name in (APPOINTMENT_ID, APPOINTMENT_ID[:9], "mina park"):
        assert platform.run("reschedule", name, "--at", "2026-03-09 15:00").exit_code == 0
        assert platform.body(f"POST /appointments/{APPOINTMENT_ID}/reschedule") == {"starts_at": "2026-03-09T14:00:00Z"}
    params = platform.sent("GET /appointments")[-1].url.params
    assert (params["from"], params["to"]) == ("2026-03-08T23:00:00Z", "2026-03-09T23:00:00Z")
    assert platform.run("reschedule", "Nobody", "--at", "2026-03-09 15:00").exit_code == 2


def test_visits_that_were_booked_in_one_minute_have_short_ids_of_their_own(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = ["01a22829-cfe4-720a-b17e-4dd536af7bcc", "01a22829-d17a-7747-8673-905814721e65"]
    monkeypatch.setenv("COLUMNS", "90")
    platform.terminals = Terminals(False, True, False)
    platform.answer("GET /appointments", page(*(an_appointment(id=id) for id in ids)))
    platform.answer(f"GET /appointments/{ids[1]}", booked(id=ids[1]))
    shown = platform.run("appointments").stdout
    assert [f" {id[-8:]} " in shown for id in ids] == [True, True]
    assert platform.run("show", ids[1][-8:]).exit_code == 0


def test_staff_move_a_visit_against_a_rule_with_the_version_that_they_saw(platform: FakePlatform) -> None:
    route = f"/admin/appointments/{APPOINTMENT_ID}"
    platform.answer(f"GET {route}", booked(version=7))
    platform.answer(f"PUT {route}", booked(version=8))
    arguments = ("reschedule", APPOINTMENT_ID, "--at", "2026-03-09 22:00", "--override", "off_hours", "--reason", "only then")
    assert platform.run(*arguments).exit_code == 0
    assert platform.sent(f"PUT {route}")[0].headers["if-match"] == '"7"'
    assert platform.body(f"PUT {route}") == {
        "starts_at": "2026-03-09T21:00:00Z",
        "reason": "only then",
        "override": {"code": "off_hours", "reason": "only then"},
    }


def test_a_visit_moves_to_the_earliest_time_of_its_doctor(platform: FakePlatform) -> None:
    platform.answer(f"GET /appointments/{APPOINTMENT_ID}", booked())
    platform.answer("GET /slots", page(slot("2026-03-09T12:00:00Z")))
    platform.answer(f"POST /appointments/{APPOINTMENT_ID}/reschedule", booked())
    assert platform.run("reschedule", APPOINTMENT_ID, "--earliest").exit_code == 0
    params = platform.sent("GET /slots")[0].url.params
    assert (params["doctor_id"], params["exclude_appointment"]) == (DOCTOR_ID, APPOINTMENT_ID)


def test_a_cancellation_asks_at_a_terminal_and_names_the_visit(platform: FakePlatform) -> None:
    platform.terminals = Terminals(True, False, False)
    platform.answer(f"GET /appointments/{APPOINTMENT_ID}", booked())
    platform.answer(f"POST /appointments/{APPOINTMENT_ID}/cancel", booked(status="cancelled"))
    declined = platform.run("cancel", APPOINTMENT_ID, stdin="n\n")
    assert declined.exit_code == 1
    assert "Check-up of Mina Park with Ada Brandt on Mon 2026-03-09 14:00 (Europe/Berlin)?" in declined.stderr
    assert platform.sent(f"POST /appointments/{APPOINTMENT_ID}/cancel") == []
    assert platform.run("cancel", APPOINTMENT_ID, "--reason", "ill", stdin="y\n").exit_code == 0
    assert platform.body(f"POST /appointments/{APPOINTMENT_ID}/cancel") == {"reason": "ill"}


def test_the_visit_that_was_confirmed_is_cancelled_even_if_the_patients_visits_change_meanwhile(platform: FakePlatform) -> None:
    platform.terminals = Terminals(True, False, False)
    platform.answer("GET /appointments", page(an_appointment()), page(an_appointment(id=SERVICE_ID)))
    platform.answer(f"GET /appointments/{APPOINTMENT_ID}", booked())
    platform.answer(f"POST /appointments/{APPOINTMENT_ID}/cancel", booked(status="cancelled"))
    platform.answer(f"POST /appointments/{APPOINTMENT_ID}/decline", booked(status="declined"))
    platform.answer(f"POST /appointments/{APPOINTMENT_ID}/no-show", booked(status="missed"))
    assert platform.run("cancel", "mina park", stdin="y\n").exit_code == 0
    for command in ("decline", "no-show"):
        platform.answer("GET /appointments", page(an_appointment()), page(an_appointment(id=SERVICE_ID)))
        assert platform.run(command, "mina park", stdin="y\n").exit_code == 0


def test_a_script_cancels_with_yes_only(platform: FakePlatform) -> None:
    platform.answer(f"POST /appointments/{APPOINTMENT_ID}/cancel", booked(status="cancelled"))
    ran = platform.run("cancel", APPOINTMENT_ID, "--json")
    assert (ran.exit_code, json.loads(ran.stderr)["code"]) == (2, "usage")
    assert platform.sent(f"POST /appointments/{APPOINTMENT_ID}/cancel") == []
    assert platform.json("cancel", APPOINTMENT_ID, "--yes")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("command", "action"),
    [
        ("check-in", "check-in"),
        ("start", "start"),
        ("complete", "complete"),
        ("no-show", "no-show"),
        ("undo", "restore"),
        ("approve", "approve"),
        ("decline", "decline"),
        ("reassign", "reassign"),
    ],
)
def test_each_step_of_a_visit_is_a_command(platform: FakePlatform, command: str, action: str) -> None:
    platform.answer(f"POST /appointments/{APPOINTMENT_ID}/{action}", booked())
    more = {"no-show": ["--yes"], "decline": ["--yes"], "reassign": ["--doctor", "Ada Brandt"]}.get(command, [])
    assert platform.run(command, APPOINTMENT_ID, *more).exit_code == 0
    assert len(platform.sent(f"POST /appointments/{APPOINTMENT_ID}/{action}")) == 1


def test_a_move_that_the_state_does_not_allow_says_what_is_possible(platform: FakePlatform) -> None:
    platform.answer(f"POST /appointments/{APPOINTMENT_ID}/start", problem(409, "illegal_move", allowed=["booked", "completed"]))
    ran = platform.run("start", APPOINTMENT_ID)
    assert ran.exit_code == 1
    assert "possible now: booked, completed" in ran.stderr


def test_the_history_of_a_visit_is_a_list(platform: FakePlatform) -> None:
    entry = {
        "at": "2026-03-09T09:00:00Z",
        "action": "booked",
        "actor": {"id": PATIENT_ID, "role": "patient"},
        "after": {"status": "booked"},
    }
    platform.answer(f"GET /appointments/{APPOINTMENT_ID}/history", page(entry))
    platform.answer(f"GET /appointments/{APPOINTMENT_ID}", booked())
    assert "Mon 2026-03-09 10:00  booked" in platform.run("show", APPOINTMENT_ID, "--history").stdout
    assert platform.json("show", APPOINTMENT_ID)["id"] == APPOINTMENT_ID
