"""Patients erase their data: what refuses it, what is left, and what other services and admins are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from patient_svc.domain.erasures import ASK_AGAIN_AFTER, SECOND_PASS_AFTER
from patient_svc.repository.tables import ACCESSES, INFRASTRUCTURE, METADATA, PATIENTS, VISITS
from shared.contracts.erasures import ERASING_SERVICES
from shared.contracts.events import AccountChanged, AuditRecorded, PatientChanged, PatientErased
from shared.contracts.identity import Role, Service
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, RunningService, not_found_response, problem_response, run_service
from tests.service.patient.medical_histories import ASTHMA, change_database, publish_visit
from tests.service.patient.running_patient import DOCTOR, OTHER, PROFILE, RECEPTION, SAM, create_profile
from tests.tokens import bearer, service_bearer

SIGNED_IN = int((NOON - timedelta(minutes=15)).timestamp())
FRESH = bearer(Role.PATIENT, SAM, auth_time=SIGNED_IN)
ADMIN = bearer(Role.ADMIN, UUID(int=30))
ME = "/patients/me"
OTHERS = [service for service in ERASING_SERVICES if service is not Service.PATIENT]


@dataclass
class AppointmentsOfSam:
    """The internal list of appointment-service: `ahead` is what it lists for Sam."""

    ahead: list[dict[str, str]] = field(default_factory=list)
    answers: bool = True
    queries: list[httpx.QueryParams] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/internal/appointments":
            return not_found_response()
        self.queries.append(request.url.params)
        if not self.answers:
            return problem_response(503, "unavailable", retry_after=2)
        return httpx.Response(200, json={"items": self.ahead, "next": None})


@dataclass
class Erasing:
    """The service, its database, and what appointment-service answers."""

    service: RunningService
    url: str
    appointments: AppointmentsOfSam

    async def request(self, method: str, path: str, caller: dict[str, str], body: Any = None, status: int = 200) -> Any:
        """Send a request, check the status of the response and return its body."""
        response = await self.service.http.request(method, path, json=body, headers=caller)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    async def erase(self, query: str = "", caller: dict[str, str] = FRESH) -> dict[str, Any]:
        """Erase the caller and return the answer."""
        erasure: dict[str, Any] = await self.request("DELETE", ME + query, caller, status=202)
        await self.service.run_until_idle()
        return erasure

    async def report(self, erasure: dict[str, Any], pass_number: int, *services: Service) -> None:
        """Report as other services do that they have removed something."""
        for service in services:
            body = {"pass_number": pass_number, "removed": {"rows": 3}}
            await self.request("POST", f"/internal/erasures/{erasure['id']}/reports", service_bearer(service), body, 204)

    async def list_erasures(self) -> list[dict[str, Any]]:
        """Return the erasures as admins see them."""
        page = await self.request("GET", "/admin/erasures", ADMIN)
        items: list[dict[str, Any]] = page["items"]
        return items

    def passes(self) -> list[int]:
        """Return the pass of every event that was published."""
        return [event.pass_number for event in self.service.published if isinstance(event, PatientErased)]

    async def stored_text(self) -> str:
        """Return every row of every table of the service."""
        async with Database(self.url) as database, database.read() as connection:
            rows = [row for table in METADATA.sorted_tables for row in await connection.execute(sa.select(table))]
        return repr(rows)


@asynccontextmanager
async def run_erasing(folder: Path, url: str, **settings: Any) -> AsyncIterator[Erasing]:
    appointments, events = AppointmentsOfSam(), (PatientErased, PatientChanged, AuditRecorded)
    async with run_service("patient_svc", folder, appointments, record_events=events, database_url=url, **settings) as service:
        await create_profile(service, SAM, **PROFILE)
        await service.run_until_idle()
        yield Erasing(service, url, appointments)


@pytest.fixture
async def erasing(tmp_path: Path, sql_url: str) -> AsyncIterator[Erasing]:
    """The service on SQLite and on MariaDB, with the profile of Sam."""
    async with run_erasing(tmp_path, sql_url) as erasing:
        yield erasing


async def fill(erasing: Erasing) -> None:
    """Store something of Sam in every table."""
    await publish_visit(erasing.service, DOCTOR, NOON - timedelta(days=7))
    await erasing.request("POST", f"/patients/{SAM}/medical-history", FRESH, ASTHMA, 201)
    await erasing.request("POST", f"/patients/{SAM}/break-glass", ADMIN, {"reason": "Unconscious"}, 201)
    identifier = {"system": "urn:oid:1.2.276", "value": "A123456780"}
    change = {"identifiers": [identifier]}
    await erasing.request("PATCH", f"/patients/{SAM}", ADMIN | {"If-Match": '"1"'}, change)
    keyed = RECEPTION | {"Idempotency-Key": "walk-in"}
    await erasing.request("POST", "/patients", keyed, {"full_name": "Sam Lee", "phone": PROFILE["phone"]}, 201)


@pytest.mark.parametrize(
    "claims",
    [{}, {"auth_time": SIGNED_IN - 1}],
    ids=["a token of an earlier release", "a session that began 15 minutes and a second ago"],
)
async def test_who_signed_in_too_long_ago_is_asked_to_sign_in_again(erasing: Erasing, claims: dict[str, Any]) -> None:
    refusal = await erasing.request("DELETE", ME, bearer(Role.PATIENT, SAM, **claims), status=403)

    assert refusal["code"] == "sign_in_again"
    assert erasing.appointments.queries == []


async def test_appointments_ahead_hold_the_erasure_up_unless_they_are_to_be_cancelled(erasing: Erasing) -> None:
    erasing.appointments.ahead = [{"id": str(UUID(int=70)), "starts_at": "2026-03-09T13:00:00Z"}]

    refusal = await erasing.request("DELETE", ME, FRESH, status=409)

    assert (refusal["code"], refusal["appointments"]) == ("future_appointments", erasing.appointments.ahead)
    asked = erasing.appointments.queries[0]
    assert (asked["patient_id"], asked["from"]) == (str(SAM), "2026-03-02T12:00:00Z")
    assert asked.get_list("status") == ["pending", "requested", "booked"]
    await erasing.erase("?appointments=cancel")


async def test_without_an_answer_of_appointment_service_nothing_is_erased(erasing: Erasing) -> None:
    erasing.appointments.answers = False

    await erasing.request("DELETE", ME, FRESH, status=503)

    await erasing.request("GET", ME, FRESH)


async def test_the_only_guardian_of_somebody_is_not_erased(erasing: Erasing) -> None:
    child = await erasing.request("POST", f"{ME}/dependants", FRESH, {"full_name": "Kim Lee", "born_on": "2020-01-01"}, 201)

    refusal = await erasing.request("DELETE", ME, FRESH, status=409)

    assert (refusal["code"], refusal["dependant_ids"]) == ("has_dependants", [child["id"]])


@pytest.mark.parametrize(("role", "status"), [(Role.PATIENT, "disabled"), (Role.RECEPTION, "active")], ids=["disabled", "other role"])
async def test_another_guardian_counts_only_while_they_are_an_active_patient(erasing: Erasing, role: Role, status: str) -> None:
    await create_profile(erasing.service, OTHER)
    child = await erasing.request("POST", f"{ME}/dependants", FRESH, {"full_name": "Kim Lee", "born_on": "2020-01-01"}, 201)
    await erasing.request("POST", f"/patients/{child['id']}/guardians", RECEPTION, {"guardian_id": str(OTHER)}, 201)
    changed = AccountChanged(id=new_id(), occurred_at=NOON, account_id=OTHER, role=role, status=status, version=2)
    await erasing.service.publish_event(changed)

    refusal = await erasing.request("DELETE", ME, FRESH, status=409)

    assert (refusal["code"], refusal["dependant_ids"]) == ("has_dependants", [child["id"]])


async def test_a_dependant_who_is_of_age_and_has_an_account_does_not_keep_the_guardian(erasing: Erasing) -> None:
    child = await erasing.request("POST", f"{ME}/dependants", FRESH, {"full_name": "Kim Lee", "born_on": "2020-01-01"}, 201)
    is_child = PATIENTS.c.id == UUID(child["id"])
    await change_database(erasing.url, sa.update(PATIENTS).where(is_child).values(has_account=True, born_on=date(1990, 1, 1)))

    await erasing.erase()

    assert await erased_ids(erasing) == {str(SAM)}


async def test_one_of_two_guardians_is_erased_and_others_forget_them(erasing: Erasing) -> None:
    await create_profile(erasing.service, OTHER)
    child = await erasing.request("POST", f"{ME}/dependants", FRESH, {"full_name": "Kim Lee", "born_on": "2020-01-01"}, 201)
    await erasing.request("POST", f"/patients/{child['id']}/guardians", RECEPTION, {"guardian_id": str(OTHER)}, 201)
    await erasing.service.run_until_idle()
    erasing.service.published.clear()

    await erasing.erase()

    guardians = await erasing.request("GET", f"/patients/{child['id']}/guardians", RECEPTION)
    assert [guardian["id"] for guardian in guardians["items"]] == [str(OTHER)]
    changed = [event for event in erasing.service.published if isinstance(event, PatientChanged)]
    assert [event.patient_id for event in changed] == [UUID(child["id"])]


async def test_nothing_but_ids_is_left_in_any_table(erasing: Erasing) -> None:
    await fill(erasing)
    before = await erasing.stored_text()

    await erasing.erase()

    after = await erasing.stored_text()
    assert "A123456780" in before
    assert "A123456780" not in after
    assert "Sam Lee" not in after.replace(await walk_in_row(erasing), "")
    async with Database(erasing.url) as database, database.read() as connection:
        for name in ("record_keys", "medical_entries", "medical_versions", "break_glass", "identifiers", "guardians"):
            assert (await connection.execute(sa.select(METADATA.tables[name]))).all() == [], name
        assert [row.patient_id for row in await connection.execute(sa.select(VISITS))] == [SAM]
        assert {row.patient_id for row in await connection.execute(sa.select(ACCESSES))} >= {SAM}


async def walk_in_row(erasing: Erasing) -> str:
    """Return the row of the walk-in who has the name of Sam, and who stays."""
    async with Database(erasing.url) as database, database.read() as connection:
        return repr((await connection.execute(sa.select(PATIENTS))).one())


async def test_stored_answers_that_name_the_patient_are_deleted(erasing: Erasing) -> None:
    keyed = RECEPTION | {"Idempotency-Key": "walk-in"}
    body = {"full_name": "Sam Lee", "phone": PROFILE["phone"]}
    await erasing.request("POST", "/patients", keyed, body, 201)
    other = await erasing.request("POST", "/patients", RECEPTION | {"Idempotency-Key": "other"}, {"full_name": "Ada Weiss"}, 201)

    await erasing.erase()

    async with Database(erasing.url) as database, database.read() as connection:
        answers = [row.body for row in await connection.execute(sa.select(METADATA.tables["answers"])) if row.status]
    assert [other["id"].encode() in answer for answer in answers] == [True], "the ids in an encrypted answer are readable"


async def test_the_erased_patient_exists_for_nobody(erasing: Erasing) -> None:
    await fill(erasing)
    await erasing.erase()

    for path, caller in (
        (ME, FRESH),
        (f"/patients/{SAM}", ADMIN),
        (f"/patients/{SAM}/medical-history", bearer(Role.DOCTOR, DOCTOR)),
        (f"/internal/patients/{SAM}", service_bearer("auth-service")),
    ):
        assert (await erasing.request("GET", path, caller, status=404))["code"] == "no_such_patient"
    found = await erasing.request("GET", "/patients?q=A123456780", RECEPTION)
    assert found["items"] == []


async def test_an_erased_patient_is_not_created_again_by_a_late_request(erasing: Erasing) -> None:
    await erasing.erase()

    await erasing.request("PUT", f"/internal/patients/{SAM}", service_bearer("auth-service"), {"full_name": "Sam Lee"}, 404)


async def test_a_repeated_erasure_answers_with_the_first_one(erasing: Erasing) -> None:
    first = await erasing.erase()

    assert await erasing.erase() == first
    assert erasing.passes() == [1]


async def test_the_erasure_and_the_look_at_its_report_are_recorded(erasing: Erasing) -> None:
    await erasing.erase()
    await erasing.list_erasures()
    await erasing.service.run_until_idle()

    lines = [event for event in erasing.service.published if isinstance(event, AuditRecorded)]
    assert [(line.action, line.relation, line.subject_id) for line in lines] == [
        ("patient.erase", "self", SAM),
        ("erasure.read", "admin", SAM),
    ]


async def test_an_erasure_is_complete_when_every_service_has_reported_in_both_passes(erasing: Erasing) -> None:
    erasure = await erasing.erase()
    (shown,) = await erasing.list_erasures()
    assert (shown["id"], shown["patient_id"], shown["reason"]) == (erasure["id"], str(SAM), "requested")
    assert shown["missing"] == OTHERS
    assert [report["service"] for report in shown["reports"]] == ["patient-service"]
    assert shown["reports"][0]["removed"]["profiles"] == 1

    await erasing.report(erasure, 1, *OTHERS, OTHERS[0])
    erasing.service.clock.advance(SECOND_PASS_AFTER)
    await erasing.service.run_until_idle()
    assert erasing.passes() == [1, 2]
    assert (await erasing.list_erasures())[0]["completed_at"] is None

    await erasing.report(erasure, 2, *OTHERS)
    (shown,) = await erasing.list_erasures()
    assert (shown["completed_at"], shown["missing"]) == ("2026-03-02T12:02:00Z", [])
    assert len(shown["reports"]) == 2 * len(ERASING_SERVICES)


async def test_services_that_have_not_reported_are_asked_again_until_they_have(erasing: Erasing) -> None:
    erasure = await erasing.erase()
    await erasing.report(erasure, 1, *OTHERS[1:])
    for _ in range(2):
        erasing.service.clock.advance(ASK_AGAIN_AFTER)
        await erasing.service.run_until_idle()

    assert erasing.passes() == [1, 1, 1]
    assert len({event.id for event in erasing.service.published if isinstance(event, PatientErased)}) == 3
    await erasing.report(erasure, 1, OTHERS[0])
    erasing.service.clock.advance(ASK_AGAIN_AFTER)
    await erasing.service.run_until_idle()
    assert erasing.passes() == [1, 1, 1]


async def test_only_services_that_erase_report_about_an_erasure_that_exists(erasing: Erasing) -> None:
    body = {"pass_number": 1, "removed": {"rows": 3}}
    path = f"/internal/erasures/{UUID(int=1)}/reports"

    assert (await erasing.request("POST", path, service_bearer("auth-service"), body, 404))["code"] == "no_such_erasure"
    await erasing.request("POST", path, service_bearer("doctor-service"), body, 403)
    await erasing.request("POST", path, service_bearer("auth-service"), body | {"removed": {"Sam Lee": 1}}, 422)


@pytest.mark.parametrize("role", [Role.PATIENT, Role.DOCTOR, Role.RECEPTION])
async def test_only_admins_see_erasures(erasing: Erasing, role: Role) -> None:
    await erasing.request("GET", "/admin/erasures", bearer(role), status=403)


async def test_records_are_erased_when_nothing_has_changed_for_the_years_of_the_setting(tmp_path: Path, sql_url: str) -> None:
    async with run_erasing(tmp_path, sql_url, keep_records_years=10) as erasing:
        walk_ins = [
            (await erasing.request("POST", "/patients", RECEPTION, {"full_name": name}, 201))["id"]
            for name in ("Old Walk-in", "Walk-in with a visit", "Walk-in who changed")
        ]
        old = NOON.replace(year=2016) - timedelta(seconds=1)
        await change_database(
            erasing.url,
            sa.update(PATIENTS).values(changed_at=old),
            sa.update(PATIENTS).where(PATIENTS.c.id == UUID(walk_ins[2])).values(changed_at=old + timedelta(seconds=1)),
            sa.insert(VISITS).values(
                appointment_id=UUID(int=1), patient_id=UUID(walk_ins[1]), doctor_id=DOCTOR, treats=True, version=1, ends_at=NOON
            ),
        )
        erasing.service.clock.advance(timedelta(0))
        await erasing.service.run_until_idle()

        erasures = await erasing.list_erasures()
        assert [(erasure["patient_id"], erasure["reason"]) for erasure in erasures] == [(walk_ins[0], "retention")]
        await erasing.request("GET", ME, FRESH)


KIM = UUID(int=61)


async def make_old(erasing: Erasing, *disabled: UUID) -> None:
    """Make all profiles older than ten years, disable accounts, and let the job run."""
    old = NOON.replace(year=2015)
    changes = [sa.update(PATIENTS).values(changed_at=old), sa.update(PATIENTS).where(PATIENTS.c.id.in_(disabled)).values(active=False)]
    await change_database(erasing.url, *changes)
    erasing.service.clock.advance(timedelta(hours=1))
    await erasing.service.run_until_idle()


async def erased_ids(erasing: Erasing) -> set[str]:
    return {erasure["patient_id"] for erasure in await erasing.list_erasures()}


async def add_child(erasing: Erasing) -> str:
    """Add a child of Sam and return the id."""
    child: str = (await erasing.request("POST", f"{ME}/dependants", FRESH, {"full_name": "Mia Lee", "born_on": "2020-01-01"}, 201))["id"]
    return child


async def test_a_child_is_kept_as_long_as_a_guardian_has_an_active_account(erasing: Erasing) -> None:
    child = await add_child(erasing)

    await make_old(erasing)
    assert await erased_ids(erasing) == set()
    await make_old(erasing, SAM)
    assert await erased_ids(erasing) == {child, str(SAM)}, "a disabled account keeps neither the child nor then the guardian"


async def test_a_guardian_without_an_active_account_is_kept_beside_an_active_one(erasing: Erasing) -> None:
    await create_profile(erasing.service, KIM, **PROFILE | {"full_name": "Kim Lee"})
    child = await add_child(erasing)
    await erasing.request("POST", f"/patients/{child}/guardians", RECEPTION, {"guardian_id": str(KIM)}, 201)

    await make_old(erasing, KIM)

    assert await erased_ids(erasing) == set()


async def test_a_medical_entry_of_the_last_years_keeps_a_patient(erasing: Erasing) -> None:
    await create_profile(erasing.service, KIM, **PROFILE | {"full_name": "Kim Lee"})
    await erasing.request("POST", f"/patients/{SAM}/medical-history", FRESH, ASTHMA, 201)

    await make_old(erasing, SAM, KIM)

    assert await erased_ids(erasing) == {str(KIM)}


async def count_answers(erasing: Erasing) -> int:
    """Return how many answers are stored for Idempotency-Keys."""
    async with Database(erasing.url) as database, database.read() as connection:
        return int(await connection.scalar(sa.select(sa.func.count(INFRASTRUCTURE.idempotency_keys.c.status))) or 0)


async def test_what_the_erased_guardian_wrote_about_a_child_is_in_no_stored_answer(erasing: Erasing) -> None:
    await create_profile(erasing.service, KIM, **PROFILE | {"full_name": "Kim Lee"})
    body = {"full_name": "Mia Lee", "born_on": "2020-01-01", "relationship": "goddaughter"}
    child = await erasing.request("POST", f"{ME}/dependants", FRESH | {"Idempotency-Key": "child"}, body, 201)
    assert await erasing.request("POST", f"{ME}/dependants", FRESH | {"Idempotency-Key": "child"}, body, 201) == child
    await erasing.request("POST", f"/patients/{child['id']}/guardians", RECEPTION, {"guardian_id": str(KIM)}, 201)
    assert await count_answers(erasing) == 1

    await erasing.erase()

    assert await count_answers(erasing) == 0
    assert "goddaughter" not in await erasing.stored_text()
