"""What other services learn about patients in order to write to them, in batches."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from tests.running import RunningService
from tests.service.patient.running_patient import (
    NOTIFICATION,
    OTHER,
    SAM,
    SAMS_TOKEN,
    create_profile,
    get_contacts,
    run_patient_service,
)
from tests.tokens import service_bearer


async def test_contacts_of_several_patients_come_in_one_answer_without_unknown_ones(patients: RunningService) -> None:
    await create_profile(patients, OTHER)
    sam, kim = await get_contacts(patients, SAM, OTHER, UUID(int=77), SAM)
    assert sam == {
        "id": str(SAM),
        "full_name": "Sam Lee",
        "time_zone": "Europe/Berlin",
        "locale": "de",
        "active": True,
        "has_account": True,
        "email": None,
        "guardian_ids": [],
        "reminder_offsets_minutes": None,
        "reminders_consent": True,
        "quiet_hours": None,
        "offsets_changed_at": None,
        "version": 1,
        "preferences_version": 1,
    }
    assert (kim["id"], kim["full_name"]) == (str(OTHER), "Kim Lee")


async def test_a_contact_has_zone_and_language_of_the_clinic_where_the_patient_gave_none(tmp_path: Path) -> None:
    async with run_patient_service(tmp_path, time_zone="Asia/Tokyo", locale="fr") as patients:
        await create_profile(patients, OTHER)
        (kim,) = await get_contacts(patients, OTHER)
        assert (kim["time_zone"], kim["locale"]) == ("Asia/Tokyo", "fr")


async def test_contacts_are_for_services_that_write_to_patients(patients: RunningService) -> None:
    body = {"ids": [str(SAM)]}
    for headers, status in (
        (NOTIFICATION, 200),
        (service_bearer("appointment-service"), 200),
        (service_bearer("admin-service"), 403),
        (SAMS_TOKEN, 403),
        ({}, 401),
    ):
        assert (await patients.http.post("/internal/contacts", json=body, headers=headers)).status_code == status
    for ids in ([], [str(UUID(int=number)) for number in range(101)]):
        assert (await patients.http.post("/internal/contacts", json={"ids": ids}, headers=NOTIFICATION)).status_code == 422
