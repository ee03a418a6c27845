"""Guardians over the whole platform: they hold, book, read, move and cancel for a dependant, until the guardianship ends."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.platform.accounts import (
    User,
    create_doctor,
    create_service_type,
    list_slots,
    register_patient,
    sign_in_admin,
    wait_for_mails,
)
from tests.platform.houses import Platform, wait_until

CHILD = {"full_name": "Mia Weber", "born_on": "2019-05-01", "relationship": "daughter"}


@dataclass
class Family:
    """A clinic with free times, and a guardian with a dependant."""

    admin: User
    guardian: User
    doctor: User
    service: dict[str, Any]
    dependant_id: str

    def starts(self) -> list[str]:
        return [slot["starts_at"] for slot in list_slots(self.guardian, self.service, self.doctor.id)]

    def body(self, start: str, **fields: Any) -> dict[str, Any]:
        return {"service_id": self.service["id"], "doctor_id": self.doctor.id, "starts_at": start, "patient_id": self.dependant_id} | fields

    def history(self, reader: User) -> httpx.Response:
        return reader.http.get(f"/patients/{self.dependant_id}/appointments")


@pytest.fixture
def family(platform: Platform) -> Family:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, guardian = create_doctor(admin, service), register_patient(platform)
    dependant = guardian.request("POST", "/patients/me/dependants", CHILD, status=201)
    return Family(admin, guardian, doctor, service, dependant["id"])


def test_a_guardian_does_for_a_dependant_what_patients_do_for_themselves(family: Family) -> None:
    guardian, starts = family.guardian, family.starts()
    hold = guardian.request("POST", "/holds", family.body(starts[0]), status=201)
    booked = guardian.request("POST", "/appointments", family.body(starts[0], hold_id=hold["id"]), status=201)
    assert (booked["patient_id"], booked["patient"]["full_name"]) == (family.dependant_id, "Mia Weber")
    assert booked["booked_by"] == {"id": guardian.id, "role": "patient"}
    path = f"/appointments/{booked['id']}"
    own = guardian.request("POST", "/appointments", family.body(starts[8], patient_id=None), status=201)
    assert [item["id"] for item in guardian.request("GET", "/appointments")["items"]] == [booked["id"], own["id"]]
    amended = guardian.request("PATCH", path, {"reason": "Cough"}, if_match=booked["version"])
    moved = guardian.request("POST", f"{path}/reschedule", {"starts_at": starts[16]}, if_match=amended["version"])
    assert "BEGIN:VEVENT" in guardian.request("GET", f"{path}/calendar.ics")
    busy = guardian.http.post("/appointments", json=family.body(starts[16], doctor_id="any"))
    assert busy.status_code in (409, 422), "the dependant's own visits overlap"
    wait_until(lambda: [item["starts_at"] for item in family.history(guardian).json()["items"]] == [moved["starts_at"]])
    assert family.history(family.doctor).json()["items"][0]["appointment_id"] == booked["id"]
    guardian.request("POST", f"{path}/cancel", {})
    wait_until(lambda: family.history(guardian).json()["items"][0]["status"] == "cancelled")
    actors = {entry["actor"]["id"] for entry in guardian.request("GET", f"{path}/history")["items"]}
    assert actors == {guardian.id}
    guardian.request("POST", f"/appointments/{own['id']}/cancel", {})


def test_no_booking_that_begins_after_the_end_of_a_guardianship_succeeds(family: Family) -> None:
    """Bookings and reads run while the guardianship ends: each request that begins after the 204 is refused."""
    guardian, starts = family.guardian, family.starts()
    booked = guardian.request("POST", "/appointments", family.body(starts[0]), status=201)
    ended, faults = threading.Event(), list[str]()

    def book(number: int) -> int:
        began_after_the_end = ended.is_set()
        status = guardian.http.post("/appointments", json=family.body(starts[number])).status_code
        if began_after_the_end and status != 404:
            faults.append(f"a booking was answered with {status}")
        return status

    def read(_number: int) -> int:
        began_after_the_end = ended.is_set()
        status = guardian.http.get(f"/appointments/{booked['id']}").status_code
        if began_after_the_end and status != 404:
            faults.append(f"a read was answered with {status}")
        return status

    def end() -> None:
        assert guardian.http.delete(f"/patients/me/dependants/{family.dependant_id}").status_code == 204
        ended.set()

    with ThreadPoolExecutor(4) as pool:
        before = [pool.submit(book, number) for number in range(1, 5)]
        ending = pool.submit(end)
        after = [pool.submit(work, number) for number in range(5, 15) for work in (book, read)]
        ending.result()
        statuses = [future.result() for future in (*before, *after)]
    assert faults == []
    assert 404 in statuses
    assert family.history(guardian).status_code == 404
    assert guardian.request("GET", "/appointments", patient_id=family.dependant_id)["items"] == []
    hold = guardian.http.post("/holds", json=family.body(starts[20]))
    assert (hold.status_code, hold.json()["code"]) == (404, "no_such_patient")


def test_a_minor_with_an_account_gets_mails_beside_the_guardian(family: Family, platform: Platform) -> None:
    guardian, minor = family.guardian, register_patient(platform, "Mia Weber")
    family.admin.request("POST", f"/patients/{family.dependant_id}/merge", {"into": minor.id})
    booked = guardian.request("POST", "/appointments", family.body(family.starts()[0], patient_id=minor.id), status=201)
    assert booked["booked_by"] == {"id": guardian.id, "role": "patient"}
    for user in (guardian, minor):
        mails = wait_for_mails(platform, user.account["email"], 1)
        assert mails[0]["attachments"], "the confirmation has a calendar file"
    platform.run_until_idle()
    minor.request("POST", f"/appointments/{booked['id']}/cancel", {})
    for user in (guardian, minor):
        wait_for_mails(platform, user.account["email"], 2)
