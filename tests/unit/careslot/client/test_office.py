"""Commands for the office: patients, users, messages, the audit trail, reports and imports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from careslot.client.environment import Terminals
from tests.unit.careslot.client.fake_platform import (
    ADMIN_ACCOUNT,
    DOCTOR,
    DOCTOR_ID,
    PATIENT_ID,
    SERVICE_ID,
    FakePlatform,
    an_appointment,
    page,
    problem,
)

USER = {"id": DOCTOR_ID, "email": "ada@clinic.example", "full_name": "Ada Brandt", "role": "doctor", "status": "active", "version": 4}
CSV = "email,full_name\nada@clinic.example,Ada Brandt\n"


@pytest.fixture(autouse=True)
def _signed_in(platform: FakePlatform) -> None:
    platform.sign_in()


def test_a_new_patient_is_compared_with_those_who_exist(platform: FakePlatform) -> None:
    twin = {"id": SERVICE_ID, "full_name": "Mina Park", "born_on": None, "phone": "+49 30 1", "reasons": ["name", "phone"]}
    answer = {"id": PATIENT_ID, "full_name": "Mina Park", "phone": "+49 30 1", "possible_duplicates": [twin]}
    platform.answer("POST /patients", httpx.Response(201, json=answer))
    text = platform.run("patients", "add", "Mina Park", "--phone", "+49 30 1", "--born-on", "1984-02-06").stdout
    assert platform.body("POST /patients") == {"full_name": "Mina Park", "phone": "+49 30 1", "born_on": "1984-02-06"}
    assert "may be the same person as:" in text
    assert SERVICE_ID in text
    assert platform.json("patients", "add", "Mina Park") == answer


def test_patients_are_searched_and_shown(platform: FakePlatform) -> None:
    mina = {"id": PATIENT_ID, "full_name": "Mina Park", "phone": "+49 30 1"}
    platform.answer("GET /patients", page(mina))
    platform.answer(f"GET /patients/{PATIENT_ID}", httpx.Response(200, json=mina))
    assert platform.json("patients", "search", "030 1")["items"] == [mina]
    assert platform.json("patients", "show", "030 1") == mina
    assert platform.sent("GET /patients")[-1].url.params["q"] == "030 1"


def test_a_guardian_names_a_dependant(platform: FakePlatform) -> None:
    platform.sign_in(role="patient")
    platform.answer("GET /patients/me/dependants", page({"id": PATIENT_ID, "full_name": "Kim Park"}))
    platform.answer(f"GET /patients/{PATIENT_ID}", httpx.Response(200, json={"id": PATIENT_ID}))
    assert platform.json("patients", "show", "kim") == {"id": PATIENT_ID}
    platform.answer(f"GET /patients/{ADMIN_ACCOUNT['id']}", httpx.Response(200, json={"id": "me"}))
    assert platform.json("patients", "show", "me") == {"id": "me"}


def test_a_user_is_added_with_an_invitation(platform: FakePlatform) -> None:
    platform.answer("POST /admin/users", httpx.Response(201, json=USER | {"status": "invited"}))
    arguments = ("users", "add", "ada@clinic.example", "--role", "doctor", "--name", "Ada Brandt", "--service", "Check-up")
    assert platform.run(*arguments, "--specialty", "Surgery", "--specialty", "Dentistry").exit_code == 0
    assert platform.body("POST /admin/users") == {
        "email": "ada@clinic.example",
        "role": "doctor",
        "full_name": "Ada Brandt",
        "services": [SERVICE_ID],
        "specialties": ["Surgery", "Dentistry"],
    }


def test_a_user_is_disabled_by_email_after_a_yes_and_enabled_with_the_version(platform: FakePlatform) -> None:
    platform.answer("GET /admin/users", page(USER, USER | {"id": SERVICE_ID, "email": "ada@clinic.example.org"}))
    visits = [{"id": PATIENT_ID, "starts_at": "2026-03-09T13:00:00Z"}]
    platform.answer(f"DELETE /admin/users/{DOCTOR_ID}", httpx.Response(200, json=USER | {"future_appointments": visits}))
    assert platform.run("users", "disable", "ADA@clinic.example").exit_code == 2
    assert platform.sent(f"DELETE /admin/users/{DOCTOR_ID}") == []
    ran = platform.run("users", "disable", "ADA@clinic.example", "--yes")
    assert "appointments that stay:" in ran.stdout
    assert "Mon 2026-03-09 14:00" in ran.stdout
    assert "appointments" not in platform.sent(f"DELETE /admin/users/{DOCTOR_ID}")[0].url.params
    platform.run("users", "disable", DOCTOR_ID, "--cancel-appointments", "--yes")
    assert platform.sent(f"DELETE /admin/users/{DOCTOR_ID}")[-1].url.params["appointments"] == "cancel"
    platform.answer(f"GET /admin/users/{DOCTOR_ID}", httpx.Response(200, json=USER))
    platform.answer(f"PATCH /admin/users/{DOCTOR_ID}", httpx.Response(200, json=USER))
    assert platform.run("users", "enable", "ada@clinic.example").exit_code == 0
    assert platform.sent(f"PATCH /admin/users/{DOCTOR_ID}")[0].headers["if-match"] == '"4"'


def test_a_narrow_terminal_shows_the_whole_id_where_a_command_needs_all_of_it(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    platform.terminals = Terminals(False, True, False)
    message = {"id": DOCTOR_ID, "kind": "booked", "status": "failed", "due_at": "2026-03-09T09:00:00Z", "recipient_id": PATIENT_ID}
    line = {"id": "1", "at": "2026-03-09T09:00:00Z", "actor": DOCTOR_ID, "action": "profile.read", "subject": PATIENT_ID}
    platform.answer("GET /admin/messages", page(message))
    platform.answer("GET /admin/audit", page(line))
    assert DOCTOR_ID in platform.run("messages").stdout
    audit = platform.run("audit").stdout
    assert DOCTOR_ID in audit
    assert PATIENT_ID in audit


def test_messages_and_the_audit_trail_are_filtered(platform: FakePlatform) -> None:
    message = {"id": DOCTOR_ID, "kind": "booked", "status": "failed", "due_at": "2026-03-09T09:00:00Z", "recipient_id": PATIENT_ID}
    line = {"id": "1", "at": "2026-03-09T09:00:00Z", "actor": DOCTOR_ID, "actor_role": "doctor", "action": "profile.read"}
    platform.answer("GET /admin/messages", page(message))
    platform.answer("GET /admin/audit", page(line))
    platform.answer(f"POST /admin/messages/{DOCTOR_ID}/resend", httpx.Response(200, json=message))
    platform.answer(f"GET /admin/messages/{DOCTOR_ID}", httpx.Response(200, json=message))
    assert "failed" in platform.run("messages", "--status", "failed", "--from", "today").stdout
    params = platform.sent("GET /admin/messages")[0].url.params
    assert dict(params) == {"limit": "25", "status": "failed", "from": "2026-03-08T23:00:00Z"}
    assert platform.run("messages", "resend", DOCTOR_ID).exit_code == 0
    assert platform.json("messages", "show", DOCTOR_ID) == message
    assert platform.run("messages", "show", "../users").exit_code == 2
    assert "profile.read" in platform.run("audit", "--subject", PATIENT_ID).stdout


def a_report(*keys: str, next_cursor: str | None = None, group: str = "doctor") -> httpx.Response:
    """Return a page of a report, as the API has it."""
    rows = [{"booked_minutes": 90, "offered_minutes": 480, "key": key} for key in keys]
    total = {"booked_minutes": 180, "offered_minutes": 960}
    period = {"from": "2026-02-28T23:00:00Z", "to": "2026-03-08T23:00:00Z", "time_zone": "Europe/Berlin"}
    document = {**period, "group_by": group, "items": rows, "total": total, "next": next_cursor, "complete": True}
    return httpx.Response(200, json=document)


def test_a_report_is_printed_with_the_names_of_its_rows_and_the_total(platform: FakePlatform) -> None:
    platform.answer("GET /admin/reports/utilisation", a_report(DOCTOR_ID, next_cursor="c1"), a_report(PATIENT_ID))
    text = platform.run("report", "utilisation", "--from", "2026-03-01", "--to", "today", "--group-by", "doctor").stdout
    first, second = platform.sent("GET /admin/reports/utilisation")
    asked = {"from": "2026-02-28T23:00:00Z", "to": "2026-03-08T23:00:00Z", "group_by": "doctor", "limit": "1000"}
    assert (dict(first.url.params), dict(second.url.params)) == (asked, asked | {"after": "c1"})
    rows = [line.split() for line in text.splitlines() if line.endswith(("480", "960"))]
    assert rows == [["Dr.", "Ada", "Brandt", "90", "480"], [PATIENT_ID, "90", "480"], ["total", "180", "960"]]
    assert "Sun 2026-03-01 00:00" in text


def test_a_row_of_a_report_has_its_name_once_also_of_a_doctor_who_cannot_be_booked_any_more(platform: FakePlatform) -> None:
    report = a_report(PATIENT_ID).json()
    report["items"][0]["name"] = "Former Doctor"
    platform.answer("GET /admin/reports/utilisation", httpx.Response(200, json=report))
    text = platform.run("report", "utilisation", "--group-by", "doctor").stdout
    assert (text.count("Former Doctor"), PATIENT_ID in text, " name" in text) == (1, False, False)


def test_a_report_as_json_is_one_document_with_the_rows_of_all_pages(platform: FakePlatform) -> None:
    platform.answer("GET /admin/reports/bookings", a_report("2026-03-01", next_cursor="c1"), a_report("2026-03-02"))
    report = platform.json("report", "bookings")
    assert ([row["key"] for row in report["items"]], report["next"]) == (["2026-03-01", "2026-03-02"], None)
    assert platform.run("report", "weather").exit_code == 2


@pytest.mark.parametrize(("group", "key", "name"), [("weekday", "1", "Monday"), ("service", SERVICE_ID, "Check-up"), ("hour", "09", "09")])
def test_the_rows_of_a_report_have_names_for_people(platform: FakePlatform, group: str, key: str, name: str) -> None:
    platform.answer("GET /admin/reports/utilisation", a_report(key, group=group))
    assert any(line.startswith(f"{name} ") for line in platform.run("report", "utilisation").stdout.splitlines())


def test_the_overview_is_the_present_day_with_the_next_free_times(platform: FakePlatform) -> None:
    free = [{"specialty": "Dermatology", "starts_at": "2026-03-09T13:00:00Z"}]
    overview = {"date": "2026-03-09", "requested": 0, "booked": 7, "arrived": 3, "next_free": free, "complete": True}
    platform.answer("GET /admin/reports/overview", httpx.Response(200, json=overview))
    text = platform.run("report", "overview").stdout
    assert ["booked", "7"] in [line.split() for line in text.splitlines()]
    assert "Mon 2026-03-09 14:00" in text
    assert platform.json("report", "overview") == overview
    sent = len(platform.requests)
    assert platform.run("report", "overview", "--group-by", "day").exit_code == 2
    assert len(platform.requests) == sent


def test_a_report_as_csv_is_the_platforms_own_file_with_all_its_pages(platform: FakePlatform) -> None:
    link = {"link": '</admin/reports/no-shows?after=c1&limit=1000>; rel="next"'}
    first = httpx.Response(200, text="key,rate\r\nA,0.1\r\n", headers=link)
    platform.answer("GET /admin/reports/no-shows", first, httpx.Response(200, text="key,rate\r\nB,0.2\r\n"))
    assert platform.run("report", "no-shows", "--output", "csv").stdout.splitlines() == ["key,rate", "A,0.1", "B,0.2"]
    requests = platform.sent("GET /admin/reports/no-shows")
    assert [request.headers["accept"] for request in requests] == ["text/csv"] * 2
    assert requests[1].url.params["after"] == "c1"


def an_import(status: str, **changes: Any) -> dict[str, Any]:
    """Return an import of two rows, as the API answers the request that began it."""
    counts = {"total": 2, "done": 0, "created": 0, "unchanged": 0, "failed": 0}
    return {"id": SERVICE_ID, "kind": "doctors", "dry_run": False, "status": status, **counts} | changes


def a_result(rows: list[Any], next_cursor: str | None = None, **changes: Any) -> httpx.Response:
    """Return an import that has ended, with a page of its rows."""
    ended = an_import("done", done=2, created=1, failed=1)
    return httpx.Response(200, json=ended | {"rows": rows, "next": next_cursor} | changes)


def test_an_import_is_followed_and_names_the_rows_that_failed(platform: FakePlatform, tmp_path: Path) -> None:
    file = tmp_path / "doctors.csv"
    file.write_text(CSV)
    platform.answer("POST /admin/doctors/import", httpx.Response(202, json=an_import("queued")))
    running = httpx.Response(200, json=an_import("running", done=1) | {"rows": [], "next": None})
    created = {"line": 2, "status": "created", "id": DOCTOR_ID, "code": None}
    failed = {"line": 3, "status": "failed", "id": None, "code": "email_taken", "pointer": "/email"}
    platform.answer(f"GET /admin/imports/{SERVICE_ID}", running, a_result([created], "c1"), a_result([failed]))
    ran = platform.run("import-doctors", str(file))
    assert ran.exit_code == 1
    assert "1 created, 0 exist already, 1 failed" in ran.stdout
    assert ("email_taken" in ran.stdout, "/email" in ran.stdout) == (True, True), "they are on the second page"
    assert DOCTOR_ID not in ran.stdout, "the table has the failed rows only"
    request = platform.sent("POST /admin/doctors/import")[0]
    assert (request.content, request.headers["content-type"]) == (CSV.encode(), "text/csv")
    assert len(request.headers["idempotency-key"]) > 20


def test_a_failure_that_the_command_line_finds_is_a_whole_problem_document(platform: FakePlatform) -> None:
    platform.answer("POST /admin/doctors/import", httpx.Response(202, json=an_import("queued")))
    platform.answer(f"GET /admin/imports/{SERVICE_ID}", a_result([]))
    problem = json.loads(platform.run("import-doctors", "-", "--json", stdin=CSV).stderr)
    assert (problem["code"], problem["title"], problem["type"]) == ("rows_failed", "Rows failed", "about:blank")
    assert {"instance", "request_id", "status", "detail"} <= problem.keys()


def test_an_import_can_be_tried_without_effect(platform: FakePlatform) -> None:
    platform.answer("POST /admin/patients/import", httpx.Response(202, json=an_import("queued", dry_run=True)))
    platform.answer(f"GET /admin/imports/{SERVICE_ID}", a_result([], failed=0, dry_run=True))
    result = platform.run("import-patients", "-", "--dry-run", "--json", stdin=CSV)
    assert (result.exit_code, json.loads(result.stdout)["created"]) == (0, 1)
    assert platform.sent("POST /admin/patients/import")[0].url.params["dry_run"] == "true"
    assert "1 can be created" in platform.run("import-patients", "-", "--dry-run", stdin=CSV).stdout


def test_a_file_that_cannot_be_imported_is_not_sent(platform: FakePlatform, tmp_path: Path) -> None:
    large = tmp_path / "large.csv"
    large.write_bytes(b"x" * (8 * 1024 * 1024 + 1))
    for file in (large, tmp_path / "absent.csv", tmp_path):
        ran = platform.run("import-doctors", str(file))
        assert ran.exit_code == 2
        assert len(ran.stderr.splitlines()) == 1
    assert platform.requests == []


def test_a_refused_import_is_exit_code_1(platform: FakePlatform) -> None:
    platform.answer("POST /admin/doctors/import", problem(422, "bad_file"))
    assert platform.run("import-doctors", "-", stdin=CSV).exit_code == 1


def outcome(number: int, status: str = "done", **facts: Any) -> dict[str, Any]:
    return {"id": f"{number:08}-0000-4000-8000-000000000000", "status": status, **facts}


def test_a_doctors_day_is_moved_to_a_colleague(platform: FakePlatform) -> None:
    visits = [an_appointment(id=outcome(number)["id"]) for number in range(3)]
    platform.answer("GET /doctors", page(DOCTOR, DOCTOR | {"id": SERVICE_ID, "full_name": "Noor Haddad"}))
    platform.answer("GET /appointments", page(*visits))
    running = httpx.Response(202, json={"id": PATIENT_ID, "finished": False, "items": []})
    platform.answer("POST /admin/appointments/bulk", running)
    ended = {"id": PATIENT_ID, "finished": True, "items": [outcome(0), outcome(1), outcome(2, "refused", code="slot_taken")]}
    platform.answer(f"GET /admin/appointments/bulk/{PATIENT_ID}", running, httpx.Response(200, json=ended))
    arguments = ("bulk", "move", "--doctor", "Ada Brandt", "--date", "today", "--to", "Noor Haddad", "--reason", "ill")
    assert platform.run(*arguments).exit_code == 2, "it needs --yes in a script"
    ran = platform.run(*arguments, "--yes")
    assert ran.exit_code == 1
    assert "slot_taken" in ran.stdout
    assert "1 of 3 could not be changed." in ran.stderr
    ids = [visit["id"] for visit in visits]
    assert platform.body("POST /admin/appointments/bulk") == {
        "action": "move",
        "doctor_id": SERVICE_ID,
        "reason": "ill",
        "ids": ids,
        "dry_run": False,
    }
    assert dict(platform.sent("GET /appointments")[-1].url.params)["doctor_id"] == DOCTOR_ID


def test_what_a_colleague_cannot_take_at_the_same_time_moves_to_the_proposals(platform: FakePlatform) -> None:
    proposal = {"doctor_id": SERVICE_ID, "starts_at": "2026-03-09T16:00:00Z"}
    preview = {"id": None, "finished": True, "items": [outcome(0), outcome(1, "refused", proposal=proposal)]}
    moved = {"id": PATIENT_ID, "finished": True, "items": [outcome(0), outcome(1)]}
    platform.answer("POST /admin/appointments/bulk", httpx.Response(200, json=preview), httpx.Response(200, json=moved))
    ids = [outcome(number)["id"] for number in range(2)]
    ran = platform.run("bulk", "move", *ids, "--to", DOCTOR_ID, "--take-proposals", "--yes")
    assert ran.exit_code == 0
    body = platform.body("POST /admin/appointments/bulk")
    assert (body["dry_run"], body["moves"]) == (False, [{"id": ids[1], **proposal}])
    assert platform.run("bulk", "cancel", *ids, "--take-proposals", "--yes").exit_code == 2


def test_many_appointments_are_changed_in_parts_and_tried_without_asking(platform: FakePlatform) -> None:
    ids = [outcome(number)["id"] for number in range(250)]

    def change(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"items": [{"id": id, "status": "done"} for id in json.loads(request.content)["ids"]]})

    platform.answer("POST /admin/appointments/bulk", change)
    result = platform.json("bulk", "message", *ids, ids[0], "--text", "We move.", "--dry-run")
    assert [item["id"] for item in result["items"]] == ids
    assert [len(json.loads(request.content)["ids"]) for request in platform.sent("POST /admin/appointments/bulk")] == [200, 50]


@pytest.mark.parametrize(
    "arguments",
    [["cancel"], ["cancel", PATIENT_ID, "--date", "today"], ["cancel", "--date", "today"], ["move", PATIENT_ID], ["message", PATIENT_ID]],
    ids=lambda arguments: " ".join(arguments),
)
def test_a_bulk_change_without_what_it_needs_is_exit_code_2(platform: FakePlatform, arguments: list[str]) -> None:
    assert platform.run("bulk", *arguments, "--yes").exit_code == 2
