"""Imports: what is created, what is refused and why, that nobody is created twice, and what is left of a file afterwards."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select, update

from admin_svc.domain.imports import MAX_UNFINISHED
from admin_svc.repository.tables import IMPORT_ROWS, IMPORTS
from shared.contracts.identity import Role
from shared.kit.sql import Database
from tests.running import RunningService, problem_response, run_service
from tests.tokens import bearer, service_bearer

ADMIN = bearer(Role.ADMIN)
DOCTORS = "email,full_name,specialties\n" + "".join(f"d{number}@clinic.example,Doctor {number},A|B\n" for number in range(45))
PATIENTS = "full_name,born_on,phone,identifiers\nMina Park,1984-06-02,+49 30 1,urn:clinic:file 4711\nBo Lind,,,\n"


class FakeOwners:
    """doctor-, patient- and auth-service, which keep the fields of profiles by id.

    `fails` makes creations unanswered: `before` they are carried out, or `after`. `taken` are addresses of other accounts.
    """

    def __init__(self) -> None:
        self.profiles: dict[str, dict[str, Any]] = {}
        self.creations: list[str] = []
        self.fails: str | None = None
        self.taken: set[str] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body, parts = json.loads(request.content or b"null"), request.url.path.split("/")
        if parts[-1] == "account-search":
            return httpx.Response(200, json={"account_ids": [str(uuid4())] if self.taken & set(body["emails"]) else []})
        profile_id = parts[3]
        if body["full_name"] == "Nobody":
            error = {"pointer": "/full_name", "code": "control_character", "detail": "Control characters are not accepted."}
            return problem_response(422, "control_character", errors=[error])
        if request.method == "POST":
            return httpx.Response(200, json={"exists": profile_id in self.profiles})
        return self._create(profile_id, body, request)

    def _create(self, profile_id: str, body: dict[str, Any], request: httpx.Request) -> httpx.Response:
        if self.fails == "before":
            raise httpx.ReadTimeout("no answer", request=request)
        if body.get("email") in self.taken:
            return problem_response(409, "email_taken")
        self.creations.append(profile_id)
        self.profiles.setdefault(profile_id, body)
        if self.fails == "after":
            raise httpx.ReadTimeout("response lost", request=request)
        return httpx.Response(204)


@pytest.fixture
def profiles() -> FakeOwners:
    return FakeOwners()


@pytest.fixture
async def admin(tmp_path: Path, sql_url: str, profiles: FakeOwners) -> AsyncIterator[RunningService]:
    """The service on SQLite and on MariaDB."""
    async with run_service("admin_svc", tmp_path, profiles, database_url=sql_url) as service:
        yield service


async def upload(admin: RunningService, kind: str, text: str, query: str = "", **headers: str) -> httpx.Response:
    sent = ADMIN | {"Content-Type": "text/csv"} | headers
    return await admin.http.post(f"/admin/{kind}/import{query}", content=text.encode(), headers=sent)


async def outcome(admin: RunningService, uploaded: httpx.Response, query: str = "?limit=100") -> dict[str, Any]:
    """Return what became of an import once nothing is left to do."""
    assert uploaded.status_code == 202, uploaded.text
    await admin.run_until_idle()
    response = await admin.http.get(uploaded.headers["location"] + query, headers=ADMIN)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_every_row_becomes_a_doctor(admin: RunningService, profiles: FakeOwners) -> None:
    uploaded = await upload(admin, "doctors", DOCTORS)
    assert (uploaded.json()["total"], uploaded.json()["kind"], uploaded.json()["dry_run"]) == (45, "doctors", False)
    result = await outcome(admin, uploaded)
    assert (result["status"], result["created"], result["failed"], result["done"], result["next"]) == ("done", 45, 0, 45, None)
    assert [row["line"] for row in result["rows"]] == list(range(2, 47))
    assert profiles.profiles[result["rows"][3]["id"]] == {
        "email": "d3@clinic.example",
        "full_name": "Doctor 3",
        "specialties": ["A", "B"],
    }


async def test_a_patient_has_identifiers_and_is_created_for_the_admin(admin: RunningService, profiles: FakeOwners) -> None:
    result = await outcome(admin, await upload(admin, "patients", PATIENTS))
    mina = profiles.profiles[result["rows"][0]["id"]]
    assert mina["identifiers"] == [{"system": "urn:clinic:file", "value": "4711"}]
    assert mina["by"]["role"] == "admin"
    assert "phone" not in profiles.profiles[result["rows"][1]["id"]], "an empty cell is no field"


async def test_the_same_file_again_creates_nobody_twice(admin: RunningService, profiles: FakeOwners) -> None:
    first = await outcome(admin, await upload(admin, "patients", PATIENTS))
    second = await outcome(admin, await upload(admin, "patients", PATIENTS))
    assert (second["created"], second["unchanged"], second["failed"]) == (0, 2, 0)
    assert [row["id"] for row in second["rows"]] == [row["id"] for row in first["rows"]]
    assert len(profiles.creations) == 2


async def test_a_dry_run_creates_nobody_and_says_what_would_be_refused(admin: RunningService, profiles: FakeOwners) -> None:
    profiles.taken = {"b@clinic.example"}
    text = "email,full_name\na@clinic.example,Ada\nb@clinic.example,Bo\nc@clinic.example,Nobody\n"
    result = await outcome(admin, await upload(admin, "doctors", text, "?dry_run=true"))
    assert [(row["status"], row["id"], row["code"], row["pointer"]) for row in result["rows"]] == [
        ("created", None, None, None),
        ("failed", None, "email_taken", None),
        ("failed", None, "control_character", "/full_name"),
    ]
    assert (profiles.profiles, result["dry_run"]) == ({}, True)


async def test_a_bad_row_stops_no_other_one_and_has_the_code_of_the_post(admin: RunningService, profiles: FakeOwners) -> None:
    profiles.taken = {"b@clinic.example"}
    text = "email,full_name\nshort\na@clinic.example,Nobody\nb@clinic.example,Bo\nA@clinic.example,Ada\nc@clinic.example,Cy\n"
    result = await outcome(admin, await upload(admin, "doctors", text))
    assert [(row["line"], row["status"], row["code"]) for row in result["rows"]] == [
        (2, "failed", "wrong_number_of_cells"),
        (3, "failed", "control_character"),
        (4, "failed", "email_taken"),
        (5, "failed", "duplicate_row"),
        (6, "created", None),
    ]
    failed = await outcome(admin, await upload(admin, "doctors", "email,full_name\nx\n"), "?status=failed")
    assert len(failed["rows"]) == 1


@pytest.mark.parametrize("fails", ["before", "after"])
async def test_an_outage_or_a_crash_delays_rows_and_creates_nobody_twice(admin: RunningService, profiles: FakeOwners, fails: str) -> None:
    profiles.fails = fails
    waiting = await outcome(admin, await upload(admin, "patients", PATIENTS))
    assert (waiting["status"], waiting["done"]) == ("queued", 0)
    assert {row["status"] for row in waiting["rows"]} == {"creating"}
    profiles.fails = None
    await admin.advance(timedelta(minutes=1))
    (done,) = (await admin.http.get("/admin/imports", headers=ADMIN)).json()["items"]
    assert (done["status"], done["created"], done["unchanged"], len(profiles.profiles)) == ("done", 2, 0, 2)


async def test_rows_that_wait_for_a_day_are_given_up(admin: RunningService, profiles: FakeOwners) -> None:
    profiles.fails = "before"
    uploaded = await upload(admin, "patients", PATIENTS)
    await admin.advance(timedelta(hours=25))
    result = await outcome(admin, uploaded)
    assert (result["status"], result["failed"], {row["code"] for row in result["rows"]}) == ("done", 2, {"unavailable"})


async def test_nothing_of_a_row_is_kept_once_it_is_decided(admin: RunningService, profiles: FakeOwners, sql_url: str) -> None:
    await outcome(admin, await upload(admin, "patients", PATIENTS))
    async with Database(sql_url) as database, database.read() as connection:
        kept = select(func.count()).select_from(IMPORT_ROWS).where(IMPORT_ROWS.c.fields.is_not(None))
        assert await connection.scalar(kept) == 0
    await admin.advance(timedelta(days=91))
    assert (await admin.http.get("/admin/imports", headers=ADMIN)).json()["items"] == []
    async with Database(sql_url) as database, database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(IMPORT_ROWS)) == 0
        assert await connection.scalar(select(func.count()).select_from(IMPORTS)) == 0


async def test_rows_that_wait_are_encrypted(admin: RunningService, profiles: FakeOwners, sql_url: str) -> None:
    profiles.fails = "before"
    uploaded = await upload(admin, "patients", PATIENTS)
    await admin.run_until_idle()
    async with Database(sql_url) as database, database.read() as connection:
        rows = (await connection.execute(select(IMPORT_ROWS))).all()
        assert len(rows) == 2
        for canary in ("Mina", "1984", "+49 30", "4711"):
            assert canary not in str(rows)
    async with Database(sql_url) as database, database.write() as connection:
        await connection.execute(update(IMPORT_ROWS).where(IMPORT_ROWS.c.line == rows[0].line).values(fields=rows[1].fields))
    profiles.fails = None
    await admin.advance(timedelta(minutes=1))
    result = await outcome(admin, uploaded)
    statuses = [(row["status"], row["code"]) for row in result["rows"]]
    assert statuses == [("failed", "row_unreadable"), ("created", None)], "a row is bound to its line"


async def test_rows_of_another_key_fail_and_the_file_can_be_sent_again(tmp_path: Path, sql_url: str, profiles: FakeOwners) -> None:
    profiles.fails = "before"
    async with run_service("admin_svc", tmp_path, profiles, database_url=sql_url, import_key="a" * 40) as admin:
        uploaded = await upload(admin, "patients", PATIENTS)
        await admin.run_until_idle()
    profiles.fails = None
    async with run_service("admin_svc", tmp_path, profiles, database_url=sql_url, import_key="b" * 40) as admin:
        await admin.advance(timedelta(minutes=1))
        assert {row["code"] for row in (await outcome(admin, uploaded))["rows"]} == {"row_unreadable"}
        assert (await outcome(admin, await upload(admin, "patients", PATIENTS)))["created"] == 2


async def test_a_restart_in_the_middle_of_a_file_goes_on_and_creates_nobody_twice(
    tmp_path: Path, sql_url: str, profiles: FakeOwners
) -> None:
    """The instance ends after the rows were created and before it has recorded that."""
    profiles.fails = "after"
    async with run_service("admin_svc", tmp_path, profiles, database_url=sql_url) as admin:
        uploaded = await upload(admin, "doctors", DOCTORS)
        await admin.run_until_idle()
        begun = len(profiles.profiles)
        assert 0 < begun < 45
    profiles.fails = None
    async with run_service("admin_svc", tmp_path, profiles, database_url=sql_url) as admin:
        await admin.advance(timedelta(minutes=1))
        result = await outcome(admin, uploaded)
    assert (result["created"], result["unchanged"], result["failed"], len(profiles.profiles)) == (45, 0, 0, 45)
    assert {row["id"] for row in result["rows"]} == set(profiles.profiles)


async def test_the_rows_are_paged(admin: RunningService, profiles: FakeOwners) -> None:
    uploaded = await upload(admin, "doctors", DOCTORS)
    first = await outcome(admin, uploaded, "?limit=30")
    rest = (await admin.http.get(uploaded.headers["location"], params={"limit": 30, "after": first["next"]}, headers=ADMIN)).json()
    assert [row["line"] for row in first["rows"] + rest["rows"]] == list(range(2, 47))
    assert rest["next"] is None


async def test_a_repeated_upload_with_its_key_is_one_import(admin: RunningService, profiles: FakeOwners) -> None:
    first = await upload(admin, "patients", PATIENTS, **{"Idempotency-Key": "once"})
    again = await upload(admin, "patients", PATIENTS, **{"Idempotency-Key": "once"})
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    other = await upload(admin, "patients", PATIENTS + "Cy Lind,,,\n", **{"Idempotency-Key": "once"})
    assert other.json()["code"] == "idempotency_key_reused"


async def test_too_many_unfinished_imports_are_refused_and_leave_nothing(admin: RunningService, profiles: FakeOwners) -> None:
    profiles.fails = "before"
    for _ in range(MAX_UNFINISHED):
        assert (await upload(admin, "patients", PATIENTS)).status_code == 202
    refused = await upload(admin, "patients", PATIENTS)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_imports")
    assert len((await admin.http.get("/admin/imports", headers=ADMIN)).json()["items"]) == MAX_UNFINISHED


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        ("email,full_name\n", "application/json", 415, "unsupported_media_type"),
        ("email,wage\n", "text/csv", 422, "unknown_column"),
        ("", "text/csv", 422, "file_empty"),
        ("x" * (8 * 1024 * 1024 + 1), "text/csv", 413, "body_too_large"),
    ],
    ids=["json", "column", "empty", "too-large"],
)
async def test_a_file_that_cannot_be_used_is_refused(
    admin: RunningService, content: str, content_type: str, status: int, code: str
) -> None:
    response = await upload(admin, "doctors", content, **{"Content-Type": content_type})
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_a_file_of_8_mebibytes_and_10_000_rows_is_accepted(admin: RunningService, profiles: FakeOwners) -> None:
    row = "d{number:05}@clinic.example,Doctor," + "x" * 700 + "\n"
    text = "email,full_name,bio\n" + "".join(row.format(number=number) for number in range(10_000))
    profiles.fails = "before"
    uploaded = await upload(admin, "doctors", text)
    assert (uploaded.status_code, uploaded.json()["total"]) == (202, 10_000)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/admin/doctors/import"), ("POST", "/admin/patients/import"), ("GET", "/admin/imports")]
)
async def test_only_admins_import(admin: RunningService, method: str, path: str) -> None:
    assert (await admin.http.request(method, path)).status_code == 401
    for headers in (*(bearer(role) for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTION)), service_bearer("auth-service")):
        assert (await admin.http.request(method, path, headers=headers)).status_code == 403


async def test_an_unknown_import_is_not_found(admin: RunningService) -> None:
    response = await admin.http.get(f"/admin/imports/{uuid4()}", headers=ADMIN)
    assert (response.status_code, response.json()["code"]) == (404, "no_such_import")


async def test_the_audit_trail_has_one_line_about_a_file_however_often_it_is_sent(admin: RunningService) -> None:
    for _ in range(2):
        await admin.http.post(
            "/admin/doctors/import", content=DOCTORS, headers=ADMIN | {"Content-Type": "text/csv", "Idempotency-Key": "once"}
        )
    (line,) = (await admin.http.get("/admin/audit?action=import.start", headers=ADMIN)).json()["items"]
    assert line["after"] == {"kind": "doctors", "rows": "45", "dry_run": "false"}
