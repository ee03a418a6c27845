"""How the rules of doctors and services arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.events import DoctorChanged, ServiceChanged
from shared.contracts.http import DoctorRules, ServiceTypeRules
from tests.running import RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, reserve
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NOON, a_doctor, a_service

DAY = f"/slots?service_id={CHECKUP}&from=2026-03-09T00:00:00Z&to=2026-03-10T00:00:00Z"


def rules_changed(rules: DoctorRules | ServiceTypeRules, number: int) -> DoctorChanged | ServiceChanged:
    common = {"id": UUID(int=number), "occurred_at": NOON, "version": rules.version}
    if isinstance(rules, DoctorRules):
        return DoctorChanged(doctor_id=rules.id, rules=rules, **common)
    return ServiceChanged(service_id=rules.id, rules=rules, **common)


async def listed(clinic: RunningService) -> set[str]:
    return {slot["doctor_id"] for slot in (await clinic.http.get(DAY)).json()["items"]}


async def test_all_rules_are_fetched_page_by_page_at_the_first_start_and_not_again(tmp_path: Path) -> None:
    doctor_service = DoctorService([a_doctor(), a_doctor(id=COLLEAGUE)], [a_service()])
    async with a_clinic(tmp_path, doctor_service) as clinic:
        assert await listed(clinic) == {str(DOCTOR), str(COLLEAGUE)}
    assert doctor_service.requested.count("/internal/doctors") == 2
    doctor_service.requested.clear()
    async with a_clinic(tmp_path, doctor_service) as clinic:
        assert await listed(clinic) == {str(DOCTOR), str(COLLEAGUE)}
    assert doctor_service.requested == []


async def test_without_the_rule_and_its_owner_there_is_no_answer_yet(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, DoctorService(down=True)) as clinic:
        response = await clinic.http.get(DAY)
        assert (response.status_code, response.headers["retry-after"]) == (503, "2")


async def test_a_neighbour_that_is_not_up_yet_is_asked_again(tmp_path: Path) -> None:
    doctor_service = DoctorService([a_doctor()], [a_service()], down=True)
    async with a_clinic(tmp_path, doctor_service) as clinic:
        doctor_service.down = False
        await clinic.run_until_idle()
        assert await listed(clinic) == {str(DOCTOR)}


async def test_a_change_is_heard_and_an_old_one_is_not(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, DoctorService([a_doctor(version=2)], [a_service()])) as clinic:
        await clinic.publish_event(rules_changed(a_doctor(version=1, active=False), 1))
        assert await listed(clinic) == {str(DOCTOR)}
        await clinic.publish_event(rules_changed(a_doctor(version=3, services=[]), 2))
        assert await listed(clinic) == set()
        assert (await reserve(clinic, 1)).json()["reasons"][0]["code"] == "service_inactive"


async def test_new_doctors_and_services_arrive_by_event(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, DoctorService()) as clinic:
        await clinic.publish_event(rules_changed(a_service(), 1))
        await clinic.publish_event(rules_changed(a_doctor(), 2))
        assert await listed(clinic) == {str(DOCTOR)}


async def test_a_rule_that_did_not_arrive_is_asked_for(tmp_path: Path) -> None:
    doctor_service = DoctorService()
    async with a_clinic(tmp_path, doctor_service) as clinic:
        doctor_service.doctors, doctor_service.services = [a_doctor()], [a_service()]
        assert (await reserve(clinic, 1)).status_code == 200
        requested = list(doctor_service.requested)
        assert (await reserve(clinic, 2)).status_code == 409
        assert doctor_service.requested == requested


@pytest.mark.parametrize("newer", [{"doctors": [a_doctor(version=2, weekly=[])]}, {"services": [a_service(version=2, active=False)]}])
async def test_nothing_is_granted_by_rules_older_than_those_that_the_booking_has_seen(tmp_path: Path, newer: dict[str, list[Any]]) -> None:
    """The event with the newer rules has not arrived yet."""
    doctor_service = DoctorService([a_doctor()], [a_service()])
    async with a_clinic(tmp_path, doctor_service) as clinic:
        vars(doctor_service).update(newer)
        assert await listed(clinic) == {str(DOCTOR)}
        seen = {"doctor_version": 2} if "doctors" in newer else {"service_version": 2}
        refused = await reserve(clinic, 1, **seen)
        assert (refused.status_code, refused.json()["code"]) == (422, "not_bookable")
        assert await listed(clinic) == set()


async def test_rules_that_are_new_enough_are_not_asked_for(tmp_path: Path) -> None:
    doctor_service = DoctorService([a_doctor(version=2)], [a_service(version=3)])
    async with a_clinic(tmp_path, doctor_service) as clinic:
        doctor_service.requested.clear()
        assert (await reserve(clinic, 1, doctor_version=2, service_version=3)).status_code == 200
        assert (await reserve(clinic, 2, doctor_version=1, service_version=1)).status_code == 409
        assert doctor_service.requested == []


async def test_without_their_owner_older_rules_grant_nothing_yet(tmp_path: Path) -> None:
    doctor_service = DoctorService([a_doctor()], [a_service()])
    async with a_clinic(tmp_path, doctor_service) as clinic:
        doctor_service.down = True
        assert (await reserve(clinic, 1, doctor_version=2)).status_code == 503
        doctor_service.down = False
        doctor_service.doctors = [a_doctor(version=2)]
        assert (await reserve(clinic, 1, doctor_version=2)).status_code == 200


async def test_an_owner_who_knows_no_newer_rules_is_believed(tmp_path: Path) -> None:
    """This happens after the owner's database was restored from a backup."""
    async with a_clinic(tmp_path, DoctorService([a_doctor()], [a_service()])) as clinic:
        assert (await reserve(clinic, 1, doctor_version=9, service_version=9)).status_code == 200


async def test_an_instant_of_a_booking_stays_when_the_doctor_moves_to_another_zone(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, DoctorService([a_doctor()], [a_service()])) as clinic:
        granted = (await reserve(clinic, 1)).json()
        await clinic.publish_event(rules_changed(a_doctor(version=2, time_zone="UTC"), 1))
        assert (await reserve(clinic, 1)).json() == granted
        assert (await clinic.http.get(DAY)).json()["items"][0]["starts_at"] == "2026-03-09T09:00:00Z"
