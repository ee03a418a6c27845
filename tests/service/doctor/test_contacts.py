"""Doctors and the reminders of service types for notification-service, in batches."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from shared.contracts.events import DoctorChanged
from tests.service.doctor.running_doctor import ADMIN, ADMIN_SERVICE, CHECKUP, RunningDoctor
from tests.tokens import service_bearer

NOTIFICATION = service_bearer("notification-service")


async def test_contacts_name_doctors_and_service_types_without_unknown_ones(doctors_on_sql: RunningDoctor) -> None:
    ada = await doctors_on_sql.create_doctor(title="Dr", location="Room 9")
    service_id = await doctors_on_sql.create_service(mode="video", reminder_offsets_minutes=[30, 2880])
    body = {"doctor_ids": [ada["id"], str(UUID(int=5))], "service_ids": [service_id, str(UUID(int=6))]}
    response = await doctors_on_sql.http.post("/internal/contacts", json=body, headers=NOTIFICATION)
    published = (await doctors_on_sql.list_events(DoctorChanged))[-1]
    assert response.json() == {
        "doctors": [
            {
                "id": ada["id"],
                "full_name": "Ada Weiss",
                "title": "Dr",
                "location": "Room 9",
                "time_zone": "Europe/Berlin",
                "active": True,
                "version": published.version,
            }
        ],
        "services": [{"id": service_id, "mode": "video", "reminder_offsets_minutes": [2880, 30], "version": 1}],
    }


async def test_contacts_are_for_notification_and_patient_service_only(doctors: RunningDoctor) -> None:
    for headers in (NOTIFICATION, service_bearer("patient-service")):
        assert (await doctors.http.post("/internal/contacts", json={}, headers=headers)).json() == {"doctors": [], "services": []}
    assert (await doctors.http.post("/internal/contacts", json={}, headers=ADMIN_SERVICE)).status_code == 403
    assert (await doctors.http.post("/internal/contacts", json={}, headers=ADMIN)).status_code == 403
    too_many = {"service_ids": [str(uuid4()) for _ in range(101)]}
    assert (await doctors.http.post("/internal/contacts", json=too_many, headers=NOTIFICATION)).status_code == 422


async def test_names_are_those_of_doctors_and_service_types_active_or_not_for_admin_service_only(doctors_on_sql: RunningDoctor) -> None:
    ada = await doctors_on_sql.create_doctor()
    service_id = await doctors_on_sql.create_service(specialty="Cardiology", active=False)
    body = {"doctor_ids": [ada["id"], str(UUID(int=5))], "service_ids": [service_id, str(UUID(int=6))]}
    response = await doctors_on_sql.http.post("/internal/names", json=body, headers=ADMIN_SERVICE)
    services = [{"id": service_id, "name": CHECKUP["name"], "specialty": "Cardiology"}]
    assert response.json() == {"doctors": [{"id": ada["id"], "full_name": "Ada Weiss"}], "services": services}
    nothing = await doctors_on_sql.http.post("/internal/names", json={}, headers=ADMIN_SERVICE)
    assert nothing.json() == {"doctors": [], "services": []}
    for headers in (NOTIFICATION, ADMIN):
        assert (await doctors_on_sql.http.post("/internal/names", json=body, headers=headers)).status_code == 403
    too_many = {"doctor_ids": [str(uuid4()) for _ in range(201)]}
    assert (await doctors_on_sql.http.post("/internal/names", json=too_many, headers=ADMIN_SERVICE)).status_code == 422


async def test_the_offsets_of_a_service_are_public_and_null_brings_back_the_clinics(doctors: RunningDoctor) -> None:
    created = (await doctors.http.post("/services", json=CHECKUP | {"reminder_offsets_minutes": [60, 1440]}, headers=ADMIN)).json()
    assert (await doctors.http.get("/services")).json()["items"][0]["reminder_offsets_minutes"] == [1440, 60]
    path, version = f"/services/{created['id']}", 1
    for sent, stored in ((None, None), ([], []), ([15, 20160], [20160, 15])):
        changed = await doctors.http.patch(path, json={"reminder_offsets_minutes": sent}, headers=ADMIN | {"If-Match": f'"{version}"'})
        version += 1
        assert (changed.json()["reminder_offsets_minutes"], changed.json()["version"]) == (stored, version)
    same = await doctors.http.patch(path, json={"reminder_offsets_minutes": [20160, 15]}, headers=ADMIN | {"If-Match": f'"{version}"'})
    assert same.json()["version"] == version
    assert (await doctors.http.post("/services", json=CHECKUP, headers=ADMIN)).json()["reminder_offsets_minutes"] is None


@pytest.mark.parametrize("offsets", [[14], [20161], [60, 60], [60.0], ["60"], [True], [20, 30, 40, 50, 60, 70], 60, [None]])
async def test_offsets_are_five_different_numbers_between_15_minutes_and_14_days(doctors: RunningDoctor, offsets: object) -> None:
    refused = await doctors.http.post("/services", json=CHECKUP | {"reminder_offsets_minutes": offsets}, headers=ADMIN)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"].startswith("/reminder_offsets_minutes")


@pytest.mark.parametrize("locale", [None, "de"])
async def test_a_doctors_language_is_that_of_the_account(doctors: RunningDoctor, locale: str | None) -> None:
    doctor = await doctors.create_doctor(locale=locale)
    assert doctors.auth.accounts[doctor["id"]].get("locale") == locale
