"""Fakes of patient- and doctor-service that answer requests for contacts with preferences and offsets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx

from tests.running import not_found_response, problem_response
from tests.service.notify.fake_services import DOCTOR, PATIENT, ZONES, FakeContactServices
from tests.unit.notify import builders

SERVICE = str(builders.SERVICE)


class FakeReminderServices(FakeContactServices):
    """As FakeContactServices. `people`, `doctors` and `service_types` are the contacts by id; `is_down` makes requests for contacts fail.

    `people` and `service_types` begin with the usual patient and service type, in the zone `Europe/Berlin` and without preferences.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_down, self.requested_contacts = False, 0
        self.people: dict[str, dict[str, Any]] = {PATIENT: a_person(PATIENT)}
        self.doctors: dict[str, dict[str, Any]] = {DOCTOR: a_person(DOCTOR, time_zone=ZONES[DOCTOR])}
        self.service_types: dict[str, dict[str, Any]] = {SERVICE: {"id": SERVICE, "version": 1}}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/internal/contacts" or request.url.host == "auth-service":
            return super().__call__(request)
        if self.is_down:
            return problem_response(503, "unavailable")
        self.requested_contacts += 1
        wanted = json.loads(request.content)
        if request.url.host == "patient-service":
            return httpx.Response(200, json={"items": select(self.people, wanted["ids"])})
        if request.url.host == "doctor-service":
            doctors = select(self.doctors, wanted.get("doctor_ids", ()))
            services = select(self.service_types, wanted.get("service_ids", ()))
            return httpx.Response(200, json={"doctors": doctors, "services": services})
        return not_found_response()


def a_person(person_id: str, **changes: Any) -> dict[str, Any]:
    """Return a contact of patient- or doctor-service."""
    return {"id": person_id, "full_name": f"Person {person_id[-2:]}", "time_zone": "Europe/Berlin", "locale": "en", "version": 1} | changes


def select(contacts: dict[str, dict[str, Any]], ids: Iterable[str]) -> list[dict[str, Any]]:
    """Return the contacts that exist."""
    return [contacts[contact_id] for contact_id in ids if contact_id in contacts]
