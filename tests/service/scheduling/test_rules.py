"""How scheduling-service gets the rules of doctors and services: at its first start, by event, and when they are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.events import DoctorChanged, ServiceChanged
from shared.contracts.http import DoctorRules, ServiceTypeRules
from shared.contracts.identity import Role
from tests.running import RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NOON, a_doctor, a_service

DAY = f"/slots?service_id={CHECKUP}&from=2026-03-09T00:00:00Z&to=2026-03-10T00:00:00Z"


def rules_changed(rules: DoctorRules | ServiceTypeRules, number: int) -> DoctorChanged | ServiceChanged:
    common = {"id": UUID(int=number), "occurred_at": NOON, "version": rules.version}
    if isinstance(rules, DoctorRules):
        return DoctorChanged(doctor_id=rules.id, rules=rules, **common)
    return ServiceChanged(service_id=rules.id, rules=rules, **common)


async def list_doctor_ids(clinic: RunningService) -> set[str]:
    return {slot["doctor_id"] for slot in (await clinic.http.get(DAY)).json()["items"]}


async def test_all_rules_are_fetched_page_by_page_at_the_first_start_and_not_again(tmp_path: Path) -> None:
    doctor_service = DoctorService([a_doctor(), a_doctor(id=COLLEAGUE)], [a_service()])
    async with a_clinic(tmp_path, doctor_service) as clinic:
        assert await list_doctor_ids(clinic) == {str(DOCTOR), str(COLLEAGUE)}
    assert doctor_service.requested.count("/internal/doctors") == 2
    doctor_service.requested.clear()
    async with a_clinic(tmp_path, doctor_service) as clinic:
        assert await list_doctor_ids(clinic) == {str(DOCTOR), str(COLLEAGUE)}
    assert doctor_service.requested == []


async def test_without_rules_and_doctor_service_the_answer_is_503(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, DoctorService(down=True)) as clinic:
        response = await clinic.http.get(DAY)
        assert (response.status_code, response.headers["retry-after"]) == (503, "2")


async def test_rules_are_fetched_when_doctor_service_answers_later(tmp_path: Path) -> None:
    doctor_service = DoctorService([a_doctor()], [a_service()], down=True)
    async with a_clinic(tmp_path, doctor_service) as clinic:
        doctor_service.down = False
        await clinic.run_until_idle()
        assert await list_doctor_ids(clinic) == {str(DOCTOR)}


async def test_an_event_with_newer_rules_is_applied_and_one_with_older_rules_is_not(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, DoctorService([a_doctor(version=2)], [a_service()])) as clinic:
        await clinic.publish_event(rules_changed(a_doctor(version=1, active=False), 1))
        assert await list_doctor_ids(clinic) == {str(DOCTOR)}
        await clinic.publish_event(rules_changed(a_doctor(version=3, services=[]), 2))
        assert await list_doctor_ids(clinic) == set()
        assert (await reserve(clinic, 1)).json()["reasons"][0]["code"] == "service_inactive"


async def test_new_doctors_and_services_arrive_by_event(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, DoctorService()) as clinic:
        await clinic.publish_event(rules_changed(a_service(), 1))
        await clinic.publish_event(rules_changed(a_doctor(), 2))
        assert await list_doctor_ids(clinic) == {str(DOCTOR)}


async def test_rules_that_did_not_arrive_by_event_are_fetched(tmp_path: Path) -> None:
    doctor_service = DoctorService()
    async with a_clinic(tmp_path, doctor_service) as clinic:
        doctor_service.doctors, doctor_service.services = [a_doctor()], [a_service()]
        assert (await reserve(clinic, 1)).status_code == 200
        requested = list(doctor_service.requested)
        assert (await reserve(clinic, 2)).status_code == 409
        assert doctor_service.requested == requested


@pytest.mark.parametrize("newer", [{"doctors": [a_doctor(version=2, weekly=[])]}, {"services": [a_service(version=2, active=False)]}])
async def test_a_booking_is_not_granted_by_older_rules_than_it_has_seen(tmp_path: Path, newer: dict[str, list[Any]]) -> None:
    """The event with the newer rules has not arrived yet."""
    doctor_service = DoctorService([a_doctor()], [a_service()])
    async with a_clinic(tmp_path, doctor_service) as clinic:
        vars(doctor_service).update(newer)
        assert await list_doctor_ids(clinic) == {str(DOCTOR)}
        seen = {"doctor_version": 2} if "doctors" in newer else {"service_version": 2}
        refused = await reserve(clinic, 1, **seen)
        assert (refused.status_code, refused.json()["code"]) == (422, "not_bookable")
        assert await list_doctor_ids(clinic) == set()


async def test_rules_that_are_new_enough_are_not_fetched(tmp_path: Path) -> None:
    doctor_service = DoctorService([a_doctor(version=2)], [a_service(version=3)])
    async with a_clinic(tmp_path, doctor_service) as clinic:
        doctor_service.requested.clear()
        assert (await reserve(clinic, 1, doctor_version=2, service_version=3)).status_code == 200
        assert (await reserve(clinic, 2, doctor_version=1, service_version=1)).status_code == 409
        assert doctor_service.requested == []


async def test_older_rules_grant_nothing_while_doctor_service_does_not_answer(tmp_path: Path) -> None:
    doctor_service = DoctorService([a_doctor()], [a_service()])
    async with a_clinic(tmp_path, doctor_service) as clinic:
        doctor_service.down = True
        assert (await reserve(clinic, 1, doctor_version=2)).status_code == 503
        doctor_service.down = False
        doctor_service.doctors = [a_doctor(version=2)]
        assert (await reserve(clinic, 1, doctor_version=2)).status_code == 200


async def test_if_doctor_service_has_no_newer_rules_its_rules_decide(tmp_path: Path) -> None:
    """This happens after the database of doctor-service was restored from a backup."""
    async with a_clinic(tmp_path, DoctorService([a_doctor()], [a_service()])) as clinic:
        assert (await reserve(clinic, 1, doctor_version=9, service_version=9)).status_code == 200


async def test_a_booked_instant_stays_when_the_doctor_changes_the_zone(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, DoctorService([a_doctor()], [a_service()])) as clinic:
        granted = (await reserve(clinic, 1)).json()
        await clinic.publish_event(rules_changed(a_doctor(version=2, time_zone="UTC"), 1))
        assert (await reserve(clinic, 1)).json() == granted
        assert (await clinic.http.get(DAY)).json()["items"][0]["starts_at"] == "2026-03-09T09:00:00Z"


@pytest.mark.parametrize(
    ("caller", "sees_change"),
    [
        (bearer(Role.DOCTOR, DOCTOR), True),
        (bearer(Role.ADMIN), True),
        (bearer(Role.DOCTOR, COLLEAGUE), False),
        (bearer(Role.PATIENT), False),
        ({}, False),
    ],
)
@pytest.mark.parametrize("path", [f"{DAY}&doctor_id={DOCTOR}", DAY.replace("/slots", f"/doctors/{DOCTOR}/slots")])
async def test_who_has_changed_the_hours_sees_them_before_the_event_arrives(
    tmp_path: Path, caller: dict[str, str], sees_change: bool, path: str
) -> None:
    doctor_service = DoctorService([a_doctor()], [a_service()])
    async with a_clinic(tmp_path, doctor_service) as clinic:
        doctor_service.doctors = [a_doctor(version=2, weekly=[])]
        items = (await clinic.http.get(path, headers=caller)).json()["items"]
        assert (items == []) is sees_change
        doctor_service.down = True
        assert (await clinic.http.get(path, headers=caller)).status_code == 200, "the stored rules are used"
