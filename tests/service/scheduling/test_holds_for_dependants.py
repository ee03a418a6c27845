"""Holds for a dependant, and by staff for a patient: whose time counts, and who may hold for whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.http import Actor, PatientSummary
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, a_doctor, a_service

GUARDIAN, DEPENDANT, STRANGER, COLLEAGUE = (UUID(int=number) for number in (0xA1, 0xA2, 0xA3, 0xA4))
GUARDIANS_TOKEN, STRANGERS_TOKEN, RECEPTION = bearer(Role.PATIENT, GUARDIAN), bearer(Role.PATIENT, STRANGER), bearer(Role.RECEPTION)
HALF = timedelta(minutes=30)


@dataclass
class HoldingClinic:
    """A running scheduling-service, and the services that it calls."""

    service: RunningService
    upstream: DoctorService

    async def hold(self, caller: dict[str, str], **fields: Any) -> httpx.Response:
        body = {"service_id": str(CHECKUP), "doctor_id": str(DOCTOR), "starts_at": format_instant(NINE)}
        texts = {name: str(value) for name, value in fields.items()}
        return await self.service.http.post("/holds", json=body | texts, headers=caller)

    async def book(self, number: int, patient_id: UUID, **fields: Any) -> httpx.Response:
        return await reserve(self.service, number, patient_id=patient_id, **fields)

    def let_act(self, *guardian_ids: UUID) -> None:
        """Replace the guardians of the dependant."""
        summary = {"id": DEPENDANT, "full_name": "Mia", "time_zone": "UTC", "locale": "en", "version": 1}
        self.upstream.patients = [PatientSummary.model_validate(summary | {"guardian_ids": guardian_ids})]


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[HoldingClinic]:
    upstream = DoctorService([a_doctor(), a_doctor(id=COLLEAGUE)], [a_service()])
    async with a_clinic(tmp_path, upstream, database_url=sql_url) as service:
        clinic = HoldingClinic(service, upstream)
        clinic.let_act(GUARDIAN)
        yield clinic


async def test_a_guardian_holds_a_time_at_which_only_they_are_busy_for_the_dependant(clinic: HoldingClinic) -> None:
    busy = await clinic.book(1, GUARDIAN, starts_at=NINE, doctor_id=COLLEAGUE, by=Actor(id=GUARDIAN, role=Role.PATIENT))
    assert busy.status_code == 200, busy.text
    refused = await clinic.hold(GUARDIANS_TOKEN)
    assert (refused.status_code, refused.json()["code"]) == (409, "patient_busy")
    held = await clinic.hold(GUARDIANS_TOKEN, patient_id=DEPENDANT)
    assert held.status_code == 201, held.text
    by = Actor(id=GUARDIAN, role=Role.PATIENT)
    booked = await clinic.book(2, DEPENDANT, starts_at=NINE, doctor_id=DOCTOR, by=by, hold_id=UUID(held.json()["id"]))
    assert (booked.status_code, booked.json()["patient_id"]) == (200, str(DEPENDANT))


async def test_the_other_visits_of_the_dependant_count(clinic: HoldingClinic) -> None:
    by = Actor(id=GUARDIAN, role=Role.PATIENT)
    assert (await clinic.book(1, DEPENDANT, starts_at=NINE, doctor_id=COLLEAGUE, by=by)).status_code == 200
    refused = await clinic.hold(GUARDIANS_TOKEN, patient_id=DEPENDANT)
    assert (refused.status_code, refused.json()["code"]) == (409, "patient_busy")
    assert (await clinic.hold(GUARDIANS_TOKEN)).status_code == 201


async def test_a_hold_for_oneself_can_be_booked_for_a_dependant(clinic: HoldingClinic) -> None:
    held = (await clinic.hold(GUARDIANS_TOKEN)).json()["id"]
    by = Actor(id=GUARDIAN, role=Role.PATIENT)
    booked = await clinic.book(1, DEPENDANT, starts_at=NINE, doctor_id=DOCTOR, by=by, hold_id=UUID(held))
    assert booked.status_code == 200, booked.text


async def test_only_guardians_and_staff_hold_for_another_patient(clinic: HoldingClinic) -> None:
    for caller, patient_id, status in (
        (STRANGERS_TOKEN, DEPENDANT, 404),
        (GUARDIANS_TOKEN, STRANGER, 404),
        (RECEPTION, STRANGER, 404),
        (bearer(Role.DOCTOR, DOCTOR), DEPENDANT, 403),
        (RECEPTION, DEPENDANT, 201),
        (STRANGERS_TOKEN, STRANGER, 409),
    ):
        response = await clinic.hold(caller, patient_id=patient_id)
        assert response.status_code == status, (status, response.text)
        if status == 404:
            assert response.json()["code"] == "no_such_patient"


async def test_a_former_guardian_cannot_hold_any_more_at_once(clinic: HoldingClinic) -> None:
    assert (await clinic.hold(GUARDIANS_TOKEN, patient_id=DEPENDANT)).status_code == 201
    clinic.let_act()
    refused = await clinic.hold(GUARDIANS_TOKEN, patient_id=DEPENDANT, starts_at=format_instant(NINE + HALF))
    assert (refused.status_code, refused.json()["code"]) == (404, "no_such_patient")


async def test_without_an_answer_of_patient_service_a_hold_for_another_patient_is_refused(clinic: HoldingClinic) -> None:
    await clinic.hold(STRANGERS_TOKEN, starts_at=format_instant(NINE + HALF))
    clinic.upstream.down = True
    refused = await clinic.hold(GUARDIANS_TOKEN, patient_id=DEPENDANT)
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
    assert (await clinic.hold(GUARDIANS_TOKEN)).status_code == 201, "a hold for oneself asks nobody"


async def test_a_former_guardian_who_repeats_a_request_is_refused(clinic: HoldingClinic) -> None:
    keyed = GUARDIANS_TOKEN | {"Idempotency-Key": "k"}
    first, again = [await clinic.hold(keyed, patient_id=DEPENDANT) for _ in range(2)]
    assert (first.status_code, again.content, again.headers["idempotent-replayed"]) == (201, first.content, "true")
    clinic.let_act()
    refused = await clinic.hold(keyed, patient_id=DEPENDANT)
    assert (refused.status_code, refused.json()["code"]) == (404, "no_such_patient")


async def test_staff_who_hold_for_a_merged_patient_are_told_into_whom(clinic: HoldingClinic) -> None:
    clinic.upstream.merged[STRANGER] = DEPENDANT
    told = (await clinic.hold(RECEPTION, patient_id=STRANGER)).json()
    assert (told["status"], told["code"], told["merged_into"]) == (404, "patient_merged", str(DEPENDANT))
    refused = (await clinic.hold(GUARDIANS_TOKEN, patient_id=STRANGER)).json()
    assert (refused["status"], refused["code"], "merged_into" in refused) == (404, "no_such_patient", False)
