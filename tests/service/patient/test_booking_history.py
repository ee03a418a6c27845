"""GET /patients/{id}/appointments: who sees the booking history, in which order, and what it shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Role, Service, system_caller
from tests.running import NOON, RunningService
from tests.service.patient.appointments_upstream import SERVICE, AppointmentsUpstream, a_record, an_event_of
from tests.service.patient.running_patient import DOCTOR, OTHER, SAM, SAMS_TOKEN, create_profile, run_patient_service
from tests.tokens import bearer, service_bearer

PATH = f"/patients/{SAM}/appointments"
DR_WEISS = bearer(Role.DOCTOR, DOCTOR)
KIM, KIMS_TOKEN = OTHER, bearer(Role.PATIENT, OTHER)
RECEPTION, ADMIN = bearer(Role.RECEPTION, UUID(int=70)), bearer(Role.ADMIN, UUID(int=71))
MIA = {"full_name": "Mia Lee", "born_on": "2019-05-01"}


@dataclass
class History:
    """A running patient-service, and what it calls."""

    service: RunningService
    upstream: AppointmentsUpstream

    async def add(self, *records: Any) -> None:
        """Let appointment-service store and announce appointments."""
        self.upstream.add(*records)
        for record in records:
            await self.service.publish_event(an_event_of(record))

    async def get(self, path: str = PATH, caller: dict[str, str] = SAMS_TOKEN) -> httpx.Response:
        return await self.service.http.get(path, headers=caller)

    async def days(self, query: str, caller: dict[str, str] = SAMS_TOKEN) -> list[int]:
        """Return the days in March of the visits that a query lists."""
        response = await self.get(f"{PATH}?{query}", caller)
        assert response.status_code == 200, response.text
        return [int(item["starts_at"][8:10]) for item in response.json()["items"]]

    async def audited(self) -> list[tuple[UUID, str, str | None]]:
        """Return who read visits, with the outcome and the relation."""
        await self.service.run_until_idle()
        lines = [event for event in self.service.published if isinstance(event, AuditRecorded) and event.action == "visits.read"]
        return [(line.actor_id, line.outcome, line.relation) for line in lines]


@pytest.fixture
async def history(tmp_path: Path, sql_url: str) -> AsyncIterator[History]:
    upstream = AppointmentsUpstream(page_size=100)
    async with run_patient_service(tmp_path, database_url=sql_url, upstream=upstream) as service:
        yield History(service, upstream)


async def test_a_visit_is_shown_with_its_times_and_names(history: History) -> None:
    await history.add(a_record(8))
    response = await history.get()
    assert response.json() == {
        "items": [
            {
                "appointment_id": str(a_record(8).appointment_id),
                "status": "booked",
                "starts_at": "2026-03-09T09:00:00Z",
                "ends_at": "2026-03-09T09:30:00Z",
                "local_start": "2026-03-09T10:00",
                "time_zone": "Europe/Berlin",
                "service": {"id": str(SERVICE), "name": "Check-up", "mode": "in_person"},
                "doctor": {"id": str(DOCTOR), "full_name": "Ada Weiss", "title": "Dr."},
            }
        ],
        "next": None,
        "complete": True,
    }
    assert response.headers["cache-control"] == "no-store"


async def test_without_an_answer_of_appointment_service_the_visits_come_without_names(history: History) -> None:
    await history.add(a_record(8))
    history.upstream.is_down = True
    body = (await history.get()).json()
    assert body["complete"] is False
    assert body["items"][0]["service"] == {"id": str(SERVICE), "name": None, "mode": None}
    assert body["items"][0]["doctor"] == {"id": str(DOCTOR), "full_name": None, "title": None}
    assert body["items"][0]["local_start"] == "2026-03-09T10:00"


async def test_the_name_of_another_doctor_is_not_shown_while_the_event_of_a_move_is_on_its_way(history: History) -> None:
    await history.add(a_record(8))
    history.upstream.add(a_record(8, version=3, doctor_id=UUID(int=77)))
    (item,) = (await history.get()).json()["items"]
    assert item["doctor"] == {"id": str(DOCTOR), "full_name": None, "title": None}
    assert item["service"]["name"] == "Check-up"


async def test_filters_orders_and_pages(history: History) -> None:
    await history.add(*(a_record(number) for number in range(1, 6)), a_record(6, status="cancelled"), a_record(7, patient_id=KIM))
    assert await history.days("") == [7, 6, 5, 4, 3, 2]
    assert await history.days("sort=starts_at") == [2, 3, 4, 5, 6, 7]
    assert await history.days("status=cancelled") == [7]
    assert await history.days("status=cancelled&status=booked&limit=2") == [7, 6]
    assert await history.days("from=2026-03-03T09:00:00Z&to=2026-03-05T09:00:00Z") == [4, 3]
    for order, days in (("-starts_at", [7, 6, 5, 4, 3, 2]), ("starts_at", [2, 3, 4, 5, 6, 7])):
        seen, path = [], f"{PATH}?limit=2&sort={order}"
        while path:
            page = await history.get(path)
            seen += [int(item["starts_at"][8:10]) for item in page.json()["items"]]
            path = page.headers.get("link", "").partition(">")[0].removeprefix("<")
        assert seen == days
    for query, code in (
        ("sort=created_at", "validation_failed"),
        ("status=lost", "validation_failed"),
        ("from=2026-03-05T09:00:00Z&to=2026-03-03T09:00:00Z", "range_reversed"),
        ("from=2026-03-05T09:00:00", "offset_required"),
        ("after=abc", "bad_cursor"),
        ("limit=101", "validation_failed"),
        ("page=2", "unknown_parameter"),
    ):
        refused = await history.get(f"{PATH}?{query}")
        assert (refused.status_code, refused.json()["code"]) == (422, code), query


async def test_a_doctor_sees_the_history_while_the_visit_counts_as_treatment(history: History) -> None:
    old = a_record(-800, status="completed")
    assert old.ends_at < NOON - timedelta(days=730)
    await history.add(old, a_record(8, doctor_id=UUID(int=77)))
    assert (await history.get(caller=DR_WEISS)).status_code == 404, "the last visit was more than 24 months ago"
    await history.add(a_record(9, status="cancelled"))
    assert (await history.get(caller=DR_WEISS)).status_code == 404
    await history.add(a_record(9, version=3))
    assert await history.days("", DR_WEISS) != []
    assert (await history.audited())[-1] == (DOCTOR, "done", "treating_doctor")


async def test_each_role_and_relation_and_every_read_and_refusal_is_recorded(history: History) -> None:
    """The matrix: who is what to the patient, what the answer is, and the relation that the audit line names."""
    await create_profile(history.service, KIM)
    mia = (await history.service.http.post("/patients/me/dependants", json=MIA, headers=SAMS_TOKEN)).json()["id"]
    dana = (await history.service.http.post("/patients/me/dependants", json=MIA, headers=KIMS_TOKEN)).json()["id"]
    await history.service.http.delete(f"/patients/me/dependants/{dana}", headers=KIMS_TOKEN)
    await history.add(a_record(8, patient_id=UUID(mia)), a_record(9, patient_id=UUID(dana)), a_record(10))
    colleague = bearer(Role.DOCTOR, UUID(int=78))
    matrix: list[tuple[str, dict[str, str], int, str | None]] = [
        (str(SAM), SAMS_TOKEN, 200, "self"),
        (mia, SAMS_TOKEN, 200, "guardian"),
        (dana, KIMS_TOKEN, 404, None),
        (mia, KIMS_TOKEN, 404, None),
        (str(SAM), KIMS_TOKEN, 404, None),
        (mia, DR_WEISS, 200, "treating_doctor"),
        (mia, colleague, 404, None),
        (mia, RECEPTION, 200, "reception"),
        (mia, ADMIN, 200, "admin"),
    ]
    for patient_id, caller, status, relation in matrix:
        response = await history.get(f"/patients/{patient_id}/appointments", caller)
        assert response.status_code == status, (patient_id, relation)
        outcome = "done" if status == 200 else "refused"
        audited = await history.audited()
        assert audited == [] if relation == "self" else audited[-1][1:] == (outcome, relation)
        if status == 404:
            assert response.json()["code"] == "no_such_patient"
    count = len(await history.audited())
    for caller, status in (({}, 401), (service_bearer("appointment-service"), 403)):
        assert (await history.get(caller=caller)).status_code == status
    unknown = await history.get(f"/patients/{UUID(int=404)}/appointments", ADMIN)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "no_such_patient")
    assert (await history.audited())[count:] == [(system_caller(Service.APPOINTMENT).id, "refused", None)]
