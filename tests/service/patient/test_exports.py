"""The export of a patient's data as JSON and as a FHIR R4B Bundle."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from fhir.resources.R4B.bundle import Bundle

from patient_svc.domain.records import EntryFilter, MedicalEntry
from patient_svc.repository.erasures import deletions
from patient_svc.repository.tables import ACCESSES, GUARDIANS, PATIENTS, VISITS
from patient_svc.schemas.exports import json_pieces
from patient_svc.usecases.exports import PAGE_SIZE, VERSIONS_AT_ONCE, PatientExports
from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Caller, Role, Service
from shared.contracts.values import format_instant
from shared.kit.ids import new_id
from tests.running import NOON, RunningService, not_found_response, problem_response, run_service
from tests.service.patient.appointments_upstream import AppointmentsUpstream, a_record, an_event_of
from tests.service.patient.medical_histories import ASTHMA, change_database
from tests.service.patient.running_patient import DOCTOR, PROFILE, RECEPTION, SAM, SAMS_TOKEN, create_profile
from tests.tokens import bearer

EXPORT = "/patients/me/export"
VISIT = {
    "id": "01a206b9-ffc9-726c-b520-6c5fbdafecf3",
    "status": "booked",
    "service": {"id": "01a206b9-ffc9-726c-b520-6c5fbdafecf4", "name": "Check-up"},
    "doctor": {"id": str(DOCTOR), "full_name": "Ada Weiss", "title": "Dr."},
    "patient": {"id": str(SAM), "full_name": "Sam Lee"},
    "starts_at": "2026-03-09T13:00:00Z",
    "ends_at": "2026-03-09T13:30:00Z",
    "created_at": "2026-03-01T13:30:00Z",
    "reason": "a rash",
    "intake": {"Since when?": "Sunday"},
    "history": [{"action": "booked"}],
}


@dataclass
class ExportingServices:
    """The services that tell their part. Each list has two pages; `down` are the services that do not answer, by the page they fail at."""

    visits: AppointmentsUpstream = field(default_factory=AppointmentsUpstream)
    down: dict[str, str | None] = field(default_factory=dict)
    has_account: bool = True

    def __call__(self, request: httpx.Request) -> httpx.Response:
        cursor = request.url.params.get("after")
        if request.url.host in self.down and self.down[request.url.host] == cursor:
            return problem_response(503, "unavailable", retry_after=2)
        if request.url.path == f"/internal/accounts/{SAM}/export":
            account = {"account": {"email": "sam@example.com"}, "sessions": []}
            return httpx.Response(200, json=account) if self.has_account else not_found_response()
        if request.url.path == f"/internal/patients/{SAM}/appointments":
            return httpx.Response(200, json={"items": [VISIT], "next": None if cursor else "two"})
        if request.url.path == f"/internal/patients/{SAM}/messages":
            return httpx.Response(200, json={"items": [{"kind": "booked"}], "next": None if cursor else "two"})
        if request.url.path == "/internal/appointments" and "doctor_id" not in request.url.params:
            return httpx.Response(200, json={"items": [], "next": None})  # visits of patients who are merged
        return self.visits(request)


@pytest.fixture
def others() -> ExportingServices:
    return ExportingServices()


@pytest.fixture
async def patients(tmp_path: Path, sql_url: str, others: ExportingServices) -> AsyncIterator[RunningService]:
    """The service on SQLite and on MariaDB, with a patient who has something of everything."""
    async with run_service("patient_svc", tmp_path, others, record_events=(AuditRecorded,), database_url=sql_url) as service:
        await create_profile(service, SAM, **PROFILE)
        address = {"line1": "Lindenstr. 1", "city": "Berlin", "country": "DE"}
        contact = {"full_name": "Kim Lee", "phone": "+49 30 654321", "relationship": "sister"}
        profile = {"born_on": "1984-06-02", "sex": "female", "address": address, "emergency_contact": contact}
        admin = bearer(Role.ADMIN) | {"If-Match": '"1"'}
        identifiers = [{"system": "urn:oid:1.2.276", "value": "A123456780"}]
        await send(service, "PATCH", f"/patients/{SAM}", profile | {"identifiers": identifiers}, admin)
        child = {"full_name": "Lou Lee", "born_on": "2020-01-01", "relationship": "daughter"}
        await send(service, "POST", "/patients/me/dependants", child)
        record = a_record(3)
        others.visits.add(record)
        await service.publish_event(an_event_of(record))
        service.published.clear()
        yield service


async def send(service: RunningService, method: str, path: str, body: Any = None, caller: dict[str, str] = SAMS_TOKEN) -> Any:
    """Send a request, which must succeed, and return its body."""
    response = await service.http.request(method, path, json=body, headers=caller)
    assert response.is_success, response.text
    return response.json()


async def add_entries(service: RunningService) -> list[dict[str, Any]]:
    """Add an entry of every kind, correct the first and retract two; return them as they were added."""
    path = f"/patients/{SAM}/medical-history"
    kinds = [
        ASTHMA | {"onset_on": "2010-05-01", "details": "In spring"},
        {"kind": "allergy", "title": "Penicillin", "severity": "severe"},
        {"kind": "medication", "title": "Salbutamol", "dose": "2 puffs", "status": "resolved"},
        {"kind": "procedure", "title": "Appendectomy", "onset_on": "2001-02-03"},
        {"kind": "note", "title": "Prefers mornings"},
        {"kind": "condition", "title": "A mistake"},
        {"kind": "allergy", "title": "Another mistake"},
    ]
    entries = [await send(service, "POST", path, body) for body in kinds]
    await send(service, "PATCH", f"{path}/{entries[0]['id']}", {"title": "Severe asthma"}, SAMS_TOKEN | {"If-Match": '"1"'})
    for entry in entries[5:]:
        await send(service, "POST", f"{path}/{entry['id']}/retract")
    return entries


async def test_the_export_has_all_parts_of_all_services(patients: RunningService) -> None:
    entries = await add_entries(patients)
    await send(patients, "GET", f"/patients/{SAM}", caller=RECEPTION)

    export = await send(patients, "GET", EXPORT)

    assert (export["format"], export["complete"], export["missing"]) == ("careslot-export-1", True, [])
    assert (export["profile"]["full_name"], export["profile"]["identifiers"][0]["value"]) == ("Sam Lee", "A123456780")
    assert export["preferences"]["channels"] == ["email"]
    assert [dependant["full_name"] for dependant in export["dependants"]] == ["Lou Lee"]
    assert export["account"]["account"] == {"email": "sam@example.com"}
    assert {entry["id"] for entry in export["medical_history"]} == {entry["id"] for entry in entries}
    corrected = next(entry for entry in export["medical_history"] if entry["id"] == entries[0]["id"])
    assert [version["title"] for version in corrected["versions"]] == ["Severe asthma", "Asthma"]
    assert [(visit["status"], visit["doctor"]["full_name"]) for visit in export["visits"]] == [("booked", "Ada Weiss")]
    assert export["appointments"] == [VISIT, VISIT]
    assert export["messages"] == [{"kind": "booked"}, {"kind": "booked"}]
    assert "profile.read" in [line["action"] for line in export["access_log"]]


async def test_the_bundle_is_valid_fhir_r4b_with_every_resource(patients: RunningService) -> None:
    await add_entries(patients)

    response = await patients.http.get(f"{EXPORT}?format=fhir", headers=SAMS_TOKEN)

    assert response.headers["content-type"] == "application/fhir+json"
    bundle: Any = Bundle.model_validate_json(response.content)
    resources = [entry.resource for entry in bundle.entry]
    names = [type(resource).__name__ for resource in resources]
    assert {name: names.count(name) for name in names} == {
        "Patient": 1,
        "RelatedPerson": 1,
        "Appointment": 2,
        "Condition": 2,
        "AllergyIntolerance": 2,
        "MedicationStatement": 1,
        "Procedure": 1,
    }
    assert bundle.type == "collection"
    assert resources[0].name[0].text == "Sam Lee"
    assert (resources[0].address[0].line, resources[0].address[0].city, resources[0].address[0].country) == (
        ["Lindenstr. 1"],
        "Berlin",
        "DE",
    )
    assert "sam@example.com" in [contact.value for contact in resources[0].telecom], "the address of the account"
    statements = [resource for resource in resources if type(resource).__name__ == "MedicationStatement"]
    assert (statements[0].status, statements[0].dosage[0].text) == ("completed", "2 puffs")
    mistakes = [resource for resource in resources if getattr(resource, "verificationStatus", None)]
    assert [resource.clinicalStatus for resource in mistakes] == [None, None]


async def test_the_export_is_recorded_once_and_so_are_the_dependants_in_it(patients: RunningService) -> None:
    await send(patients, "GET", EXPORT)
    await patients.run_until_idle()

    lines = [event for event in patients.published if isinstance(event, AuditRecorded)]
    assert sorted([(line.action, line.relation, line.subject_id == SAM) for line in lines]) == [
        ("dependant.read", "guardian", False),
        ("patient.export", "self", True),
    ]


@pytest.mark.parametrize("service", [Service.AUTH, Service.APPOINTMENT, Service.NOTIFICATION])
async def test_without_an_answer_of_a_service_the_export_is_refused(
    patients: RunningService, others: ExportingServices, service: Service
) -> None:
    others.down[service] = None

    response = await patients.http.get(EXPORT, headers=SAMS_TOKEN)

    assert (response.status_code, response.json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize(
    ("service", "part"), [(Service.APPOINTMENT, "appointments"), (Service.NOTIFICATION, "messages")], ids=["appointments", "messages"]
)
async def test_a_service_that_stops_to_answer_is_named_at_the_end(
    patients: RunningService, others: ExportingServices, service: Service, part: str
) -> None:
    others.down[service] = "two"

    export = await send(patients, "GET", EXPORT)

    assert (export["complete"], export["missing"], len(export[part])) == (False, [part], 1)


async def test_a_bundle_without_some_appointments_says_so(patients: RunningService, others: ExportingServices) -> None:
    others.down[Service.APPOINTMENT] = "two"

    bundle: Any = Bundle.model_validate(await send(patients, "GET", f"{EXPORT}?format=fhir"))

    assert [tag.code for tag in bundle.meta.tag] == ["incomplete"]


async def test_other_roles_and_formats_are_refused(patients: RunningService) -> None:
    assert (await patients.http.get(EXPORT, headers=RECEPTION)).status_code == 403
    assert (await patients.http.get(f"{EXPORT}?format=xml", headers=SAMS_TOKEN)).status_code == 422


async def test_an_export_says_that_the_history_is_missing_when_the_patient_is_erased_meanwhile(
    patients: RunningService, sql_url: str
) -> None:
    await add_entries(patients)
    export = await patients.app.state.use_cases[PatientExports].open(Caller(SAM, Role.PATIENT))
    await change_database(sql_url, *deletions(SAM).values())

    document = json.loads("".join([piece async for piece in json_pieces(export)]))

    assert (document["medical_history"], document["complete"], document["missing"]) == ([], False, ["medical_history"])


async def test_after_a_merge_the_export_has_what_came_from_the_other_profile(patients: RunningService, others: ExportingServices) -> None:
    admin, doctor = bearer(Role.ADMIN), bearer(Role.DOCTOR, DOCTOR)
    number = {"system": "urn:insurance", "value": "A1"}
    walk_in = await send(patients, "POST", "/patients", {"full_name": "Sam Li", "identifiers": [number]}, admin)
    record = a_record(4, patient_id=UUID(walk_in["id"]), doctor_id=DOCTOR)
    others.visits.add(record)
    await patients.publish_event(an_event_of(record))
    await send(patients, "POST", f"/patients/{walk_in['id']}/medical-history", {"kind": "allergy", "title": "Latex"}, doctor)
    await send(patients, "POST", f"/patients/{walk_in['id']}/merge", {"into": str(SAM)}, admin)

    export = await send(patients, "GET", EXPORT)

    assert [entry["title"] for entry in export["medical_history"]] == ["Latex"]
    assert str(record.appointment_id) in [visit["appointment_id"] for visit in export["visits"]]
    assert number in export["profile"]["identifiers"]
    assert {"profile.create", "medical_history.add", "profile.merge"} <= {line["action"] for line in export["access_log"]}


async def test_a_bundle_names_the_guardians_of_a_minor_only(patients: RunningService, sql_url: str) -> None:
    kim = UUID(int=61)
    await create_profile(patients, kim, full_name="Kim Lee")
    await change_database(sql_url, sa.insert(GUARDIANS).values(guardian_id=kim, dependant_id=SAM))
    of_age: Any = Bundle.model_validate(await send(patients, "GET", f"{EXPORT}?format=fhir"))
    related = [entry.resource for entry in of_age.entry if type(entry.resource).__name__ == "RelatedPerson"]
    assert [person.name[0].text for person in related] == ["Lou Lee"]
    assert (await send(patients, "GET", EXPORT))["guardians"] == []

    await change_database(sql_url, sa.update(PATIENTS).where(PATIENTS.c.id == SAM).values(born_on=date(2015, 1, 1)))
    bundle: Any = Bundle.model_validate(await send(patients, "GET", f"{EXPORT}?format=fhir"))

    people = {entry.resource.name[0].text: entry.resource for entry in bundle.entry if type(entry.resource).__name__ == "RelatedPerson"}
    assert set(people) == {"Lou Lee", "Kim Lee"}
    assert people["Kim Lee"].relationship[0].coding[0].code == "GUARD"


async def insert_entries(service: RunningService, count: int, versions: int) -> None:
    """Add a number of entries to the history of Sam, and that many versions to the first one."""
    await send(service, "POST", f"/patients/{SAM}/medical-history", ASTHMA)
    async with service.app.state.use_cases[PatientExports].access.store.begin() as tx:
        entries: list[MedicalEntry] = await tx.list_entries(SAM, EntryFilter(), limit=1, after=None)
        for version in range(2, versions + 1):
            await tx.insert_entry_version(replace(entries[0], version=version))
        for number in range(1, count):
            created_at = entries[0].created_at - timedelta(minutes=number)
            await tx.insert_entry(replace(entries[0], id=new_id(), created_at=created_at, recorded_at=created_at))


async def test_the_export_has_every_page_of_every_list(patients: RunningService, sql_url: str) -> None:
    count, versions = PAGE_SIZE + 5, VERSIONS_AT_ONCE + 5
    await insert_entries(patients, count, versions)
    line: dict[str, Any] = {
        "patient_id": SAM,
        "actor_id": DOCTOR,
        "actor_role": "doctor",
        "action": "profile.read",
        "relation": "treating_doctor",
    }
    lines = [line | {"id": new_id(), "at": NOON - timedelta(minutes=number), "outcome": "done"} for number in range(count)]
    visit = {"patient_id": SAM, "doctor_id": DOCTOR, "service_id": UUID(int=5), "treats": True, "version": 2, "status": "completed"}
    times = [NOON - timedelta(days=number) for number in range(count)]
    visits = [visit | {"appointment_id": new_id(), "starts_at": at, "ends_at": at, "time_zone": "Europe/Berlin"} for at in times]
    await change_database(sql_url, sa.insert(ACCESSES).values(lines), sa.insert(VISITS).values(visits))

    export = await send(patients, "GET", EXPORT)

    assert len({entry["id"] for entry in export["medical_history"]}) == count
    history = next(entry["versions"] for entry in export["medical_history"] if len(entry["versions"]) > 1)
    assert [version["version"] for version in history] == list(range(versions, 0, -1))
    assert {visit["appointment_id"] for visit in export["visits"]} >= {str(visit["appointment_id"]) for visit in visits}
    assert {line["at"] for line in export["access_log"]} >= {format_instant(line["at"]) for line in lines}
