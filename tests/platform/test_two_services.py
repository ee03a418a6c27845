"""Operations of two services: when the deciding service refuses, nothing is left behind in any service, also after the jobs ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.platform.accounts import (
    PASSWORD,
    User,
    book,
    create_doctor,
    create_service_type,
    list_slots,
    mails_but_reminders,
    register_patient,
    sign_in,
    sign_in_admin,
)
from tests.platform.houses import ADMIN, Embedded

pytestmark = pytest.mark.xdist_group("two services")


@dataclass
class SmallClinic:
    """A clinic with one admin, a receptionist, a doctor with a booked patient, and a free time."""

    admin: User
    reception: dict[str, Any]
    doctor: User
    service: dict[str, Any]
    patient: User
    appointment: dict[str, Any]
    rival_appointment: dict[str, Any]
    walk_in: dict[str, Any]
    free: str
    email: str

    @property
    def taken(self) -> dict[str, Any]:
        return {"service_id": self.service["id"], "doctor_id": self.doctor.id, "starts_at": self.rival_appointment["starts_at"]}

    def state(self) -> dict[str, Any]:
        """What the services have: accounts, profiles, appointments, reservations and mails."""
        user_ids = [user["id"] for user in self.admin.request("GET", "/admin/users", limit=100)["items"]]
        http = self.admin.http
        return {
            "users": self.admin.request("GET", "/admin/users", limit=100)["items"],
            "doctors": self.admin.request("GET", "/doctors", limit=100)["items"],
            "walk-in": self.admin.request("GET", f"/patients/{self.walk_in['id']}"),
            "profiles": [http.get(f"/{kind}/{user_id}").headers.get("etag") for kind in ("doctors", "patients") for user_id in user_ids],
            "appointments": self.admin.request("GET", "/admin/appointments", limit=100)["items"],
            "agendas": [user.request("GET", "/calendar")["items"] for user in (self.doctor, self.patient)],
            "leaves": self.admin.request("GET", f"/doctors/{self.doctor.id}/leaves")["items"],
            "mails": len(mails_but_reminders(self.admin.platform)),
        }

    def sign_in_again(self) -> None:
        """Get new access tokens, because those of the last test have expired when the clock was moved."""
        credentials = [(self.admin, ADMIN["email"], ADMIN["password"])]
        credentials += [(user, str(user.account["email"]), PASSWORD) for user in (self.doctor, self.patient)]
        for user, email, password in credentials:
            user.http.headers["Authorization"] = sign_in(user.platform, email, password).http.headers["Authorization"]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallClinic]:
    with Embedded(tmp_path_factory.mktemp("two-services") / "data") as platform:
        admin = sign_in_admin(platform)
        service = create_service_type(admin)
        doctor, patient, rival = create_doctor(admin, service), register_patient(platform), register_patient(platform, "Tom Weber")
        free = list_slots(patient, service, doctor.id)
        reception = {"email": "desk@clinic.example", "role": "reception", "full_name": "Rae Moss", "password": PASSWORD}
        user = admin.request("POST", "/admin/users", reception, status=201)
        own, others = book(patient, service, doctor, free[0]["starts_at"]), book(rival, service, doctor, free[8]["starts_at"])
        walk_in = admin.request("POST", "/patients", {"full_name": "Sam Walk-in"}, status=201)
        book(admin, service, create_doctor(admin, service), free[0]["starts_at"], patient_id=walk_in["id"])
        facts = {"walk_in": walk_in, "free": free[16]["starts_at"], "email": str(patient.account["email"])}
        yield SmallClinic(admin, user, doctor, service, patient, own, others, **facts)


def new_user(clinic: SmallClinic, role: str, **changes: Any) -> dict[str, Any]:
    return {"email": clinic.email, "role": role, "full_name": "Eve Else", "password": PASSWORD} | changes


def change_user(clinic: SmallClinic, user_id: str, body: dict[str, Any], version: int | None = None) -> httpx.Response:
    current = clinic.admin.request("GET", f"/admin/users/{user_id}")["version"]
    return clinic.admin.http.patch(f"/admin/users/{user_id}", json=body, headers={"If-Match": f'"{version or current}"'})


def change_appointment(clinic: SmallClinic, body: dict[str, Any], version: int | None = None) -> httpx.Response:
    headers = {"If-Match": f'"{version or clinic.appointment["version"]}"'}
    return clinic.admin.http.put(f"/admin/appointments/{clinic.appointment['id']}", json=body | {"reason": "x"}, headers=headers)


def take_leave(clinic: SmallClinic, *affected: dict[str, Any]) -> httpx.Response:
    starts_at = datetime.fromisoformat(clinic.appointment["starts_at"])
    body = {"starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(minutes=30)).isoformat(), "reason": "ill"}
    return clinic.admin.http.post(f"/doctors/{clinic.doctor.id}/leaves", json=body | {"affected": list(affected)})


Operation = Callable[[SmallClinic], httpx.Response]
NEW_DOCTOR = {"full_name": "Eve Else", "time_zone": "Europe/Berlin"}
UNKNOWN = str(uuid4())
# The services in the order in which they take part, the refusal, and the operation.
OPERATIONS: dict[str, tuple[str, Operation]] = {
    "register: auth, patient": (
        "email_taken",
        lambda clinic: httpx.post(
            f"{clinic.admin.platform.url}/auth/register", json={"password": PASSWORD} | {"email": clinic.email, "full_name": "Eve Else"}
        ),
    ),
    "new doctor: doctor, auth": (
        "email_taken",
        lambda clinic: clinic.admin.http.post("/doctors", json=NEW_DOCTOR | {"email": clinic.email}),
    ),
    "new doctor with an unknown service: doctor": (
        "unknown_service",
        lambda clinic: clinic.admin.http.post("/doctors", json=NEW_DOCTOR | {"email": "eve@clinic.example", "services": [UNKNOWN]}),
    ),
    "new user, a patient: admin, auth, patient": (
        "email_taken",
        lambda clinic: clinic.admin.http.post("/admin/users", json=new_user(clinic, "patient")),
    ),
    "new user, a receptionist: admin, auth": (
        "email_taken",
        lambda clinic: clinic.admin.http.post("/admin/users", json=new_user(clinic, "reception")),
    ),
    "new user, a doctor: admin, doctor, auth": (
        "email_taken",
        lambda clinic: clinic.admin.http.post("/admin/users", json=new_user(clinic, "doctor")),
    ),
    "new user, a doctor with a weak password: admin, doctor, auth": (
        "password_too_weak",
        lambda clinic: clinic.admin.http.post(
            "/admin/users", json=new_user(clinic, "doctor", email="eve@clinic.example", password="passwordpassword")
        ),
    ),
    "the last admin becomes a doctor: admin, doctor, auth": (
        "last_admin",
        lambda clinic: change_user(clinic, clinic.admin.id, {"role": "doctor"}),
    ),
    "the last admin becomes a patient: admin, auth, patient": (
        "last_admin",
        lambda clinic: change_user(clinic, clinic.admin.id, {"role": "patient"}),
    ),
    "a receptionist becomes a doctor with a taken address: admin, doctor, auth": (
        "email_taken",
        lambda clinic: change_user(clinic, clinic.reception["id"], {"role": "doctor", "email": clinic.email}),
    ),
    "a receptionist becomes a patient with a taken address: admin, auth, patient": (
        "email_taken",
        lambda clinic: change_user(clinic, clinic.reception["id"], {"role": "patient", "email": clinic.email}),
    ),
    "an outdated change to a doctor: admin, doctor, auth": (
        "stale_version",
        lambda clinic: change_user(clinic, clinic.reception["id"], {"role": "doctor"}, version=99),
    ),
    "an outdated change to a patient: admin, auth, patient": (
        "stale_version",
        lambda clinic: change_user(clinic, clinic.reception["id"], {"role": "patient"}, version=99),
    ),
    "a doctor's new name with a taken address: admin, auth, doctor": (
        "email_taken",
        lambda clinic: change_user(clinic, clinic.doctor.id, {"full_name": "Eve Else", "email": clinic.email}),
    ),
    "a patient's new name of an outdated version: admin, auth, patient": (
        "stale_version",
        lambda clinic: change_user(clinic, clinic.patient.id, {"full_name": "Eve Else"}, version=99),
    ),
    "the last admin is disabled: admin, auth, appointment": (
        "last_admin",
        lambda clinic: clinic.admin.http.delete(f"/admin/users/{clinic.admin.id}?appointments=cancel"),
    ),
    "a doctor is disabled in an outdated version: admin, auth, doctor, appointment": (
        "stale_version",
        lambda clinic: clinic.admin.http.delete(f"/admin/users/{clinic.doctor.id}?appointments=cancel", headers={"If-Match": '"99"'}),
    ),
    "an admin moves to a taken time: admin, appointment, scheduling": (
        "slot_taken",
        lambda clinic: change_appointment(clinic, {"starts_at": clinic.taken["starts_at"]}),
    ),
    "an admin moves to a taken time and sets an illegal status: admin, appointment, scheduling": (
        "illegal_move",
        lambda clinic: change_appointment(clinic, {"starts_at": clinic.taken["starts_at"], "status": "completed"}),
    ),
    "an admin cancels an outdated version: admin, appointment, scheduling": (
        "stale_version",
        lambda clinic: change_appointment(clinic, {"status": "cancelled"}, version=99),
    ),
    "a patient books a taken time: appointment, scheduling": (
        "slot_taken",
        lambda clinic: clinic.patient.http.post("/appointments", json=clinic.taken),
    ),
    "a patient moves to a taken time: appointment, scheduling": (
        "slot_taken",
        lambda clinic: clinic.patient.http.post(
            f"/appointments/{clinic.appointment['id']}/reschedule", json={"starts_at": clinic.taken["starts_at"]}
        ),
    ),
    "a patient books for somebody else: appointment, patient": (
        "no_such_patient",
        lambda clinic: clinic.patient.http.post(
            "/appointments", json=clinic.taken | {"starts_at": clinic.free, "patient_id": clinic.rival_appointment["patient_id"]}
        ),
    ),
    "a patient holds a time for somebody else: scheduling, patient": (
        "no_such_patient",
        lambda clinic: clinic.patient.http.post(
            "/holds", json=clinic.taken | {"starts_at": clinic.free, "patient_id": clinic.rival_appointment["patient_id"]}
        ),
    ),
    "a patient with an appointment ahead erases everything: patient, appointment": (
        "future_appointments",
        lambda clinic: clinic.patient.http.delete("/patients/me"),
    ),
    "a patient with an account is merged: patient, appointment": (
        "source_has_account",
        lambda clinic: clinic.admin.http.post(
            f"/patients/{clinic.patient.id}/merge", json={"into": clinic.rival_appointment["patient_id"]}
        ),
    ),
    "a patient who has a visit at the same time is merged: patient, appointment": (
        "visits_overlap",
        lambda clinic: clinic.admin.http.post(f"/patients/{clinic.walk_in['id']}/merge", json={"into": clinic.patient.id}),
    ),
    "a leave without a decision: scheduling, appointment": ("affected_changed", take_leave),
    "a leave that moves an appointment to a taken time: scheduling, appointment": (
        "slot_taken",
        lambda clinic: take_leave(
            clinic, {"appointment_id": clinic.appointment["id"], "action": "move", "starts_at": clinic.taken["starts_at"]}
        ),
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_refused_operation_leaves_nothing_behind(clinic: SmallClinic, name: str) -> None:
    code, operate = OPERATIONS[name]
    clinic.sign_in_again()
    before = clinic.state()
    response = operate(clinic)
    assert (response.is_success, response.json()["code"]) == (False, code), response.text
    assert clinic.state() == before
    clinic.admin.platform.run_until_idle()
    move_clock(clinic.admin, timedelta(seconds=70))
    assert clinic.state() == before, "after the jobs ran"


def move_clock(user: User, by: timedelta) -> None:
    """Move the clock of the platform, and let all jobs run that are due then."""
    now = datetime.fromisoformat(user.request("GET", "/dev/clock")["now"])
    user.request("PUT", "/dev/clock", {"now": (now + by).astimezone(UTC).isoformat()})
    user.platform.run_until_idle()
