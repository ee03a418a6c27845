"""Every GET with an ETag: whatever changes its body changes the ETag, so that a 304 is never wrong. All other GETs have none."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from appointment_svc.domain.visit_links import LinkTokens
from careslot.folder import Folder
from notify_svc.domain.unsubscribe_links import Subscription, SubscriptionKind, UnsubscribeLinks
from tests.platform.accounts import User, book, create_doctor, create_service_type, list_slots, register_patient, sign_in_admin
from tests.platform.houses import Embedded, wait_until

MORNINGS = [{"weekday": day, "start": "06:00", "end": "12:00"} for day in range(1, 8)]
AFTERNOONS = [{"weekday": day, "start": "10:00", "end": "20:00"} for day in range(1, 8)]
TODAY = datetime.now(UTC).date()
RANGE = {"from": f"{TODAY + timedelta(days=10)}T00:00:00Z", "to": f"{TODAY + timedelta(days=20)}T00:00:00Z"}
DAY_IN_RANGE = TODAY + timedelta(days=15)
READ_BY_PATIENT = {"get_me", "get_my_profile", "get_my_preferences", "get_preferences_of_dependant", "get_medical_entry"}
Change = Callable[["ClinicWithEtags"], object]


@dataclass
class ClinicWithEtags:
    """The resources that the tests read and change, and the users who may."""

    admin: User
    doctor: User
    patient: User
    service: dict[str, Any]
    appointment: dict[str, Any]
    feed: str
    webhook: str
    entry: str
    dependant: str

    def paths(self) -> dict[str, str]:
        """Return the path of every conditional GET but that of the document, by operation."""
        appointment, patient, doctor = (f"/{item}" for item in (self.appointment["id"], self.patient.id, self.doctor.id))
        return {
            "get_appointment": f"/appointments{appointment}",
            "get_any_appointment": f"/admin/appointments{appointment}",
            "get_user": f"/admin/users{doctor}",
            "get_me": "/auth/me",
            "get_my_profile": "/patients/me",
            "get_patient": f"/patients{patient}",
            "get_medical_entry": f"/patients{patient}/medical-history/{self.entry}",
            "get_my_preferences": "/patients/me/preferences",
            "get_preferences_of_dependant": f"/patients/me/dependants/{self.dependant}/preferences",
            "get_doctor_preferences": "/doctors/me/preferences",
            "get_doctor": f"/doctors{doctor}",
            "get_schedule": f"/doctors{doctor}/schedules",
            "get_service": f"/services/{self.service['id']}",
            "read_calendar": self.feed,
            "get_webhook": f"/webhooks/{self.webhook}",
            "get_template": "/admin/templates/booked/en",
        }

    def reader_of(self, operation_id: str) -> User:
        """Return the user who may read a resource."""
        if operation_id == "get_doctor_preferences":
            return self.doctor
        return self.patient if operation_id in READ_BY_PATIENT else self.admin

    def read(self, operation_id: str, etag: str | None = None) -> httpx.Response:
        reader = self.reader_of(operation_id)
        params = RANGE if operation_id == "get_schedule" else None
        headers = {"If-None-Match": etag} if etag else {}
        response = reader.http.get(self.paths()[operation_id], params=params, headers=headers)
        assert response.status_code in (200, 304), response.text
        return response


@pytest.fixture
def clinic(embedded: Embedded) -> ClinicWithEtags:
    admin = sign_in_admin(embedded)
    service = create_service_type(admin, requires_approval=True)
    doctor, patient = create_doctor(admin, service), register_patient(embedded)
    feed = patient.request("POST", "/calendar/feed", status=201)["url"].partition("/calendar")
    start = list_slots(patient, service, doctor.id)[0]["starts_at"]
    appointment = book(patient, service, doctor, start)
    webhook = admin.request("POST", "/webhooks", {"url": "https://webhook.careslot.example/", "events": ["appointment.missed"]}, status=201)
    entry = patient.request("POST", f"/patients/{patient.id}/medical-history", {"kind": "medication", "title": "Aspirin"}, status=201)
    dependant = add_dependant(patient)
    embedded.run_until_idle()
    return ClinicWithEtags(admin, doctor, patient, service, appointment, "".join(feed[1:]), webhook["id"], entry["id"], dependant)


def patch(operation_id: str, **changes: Any) -> Change:
    """Return the change of some fields of the resource that an operation reads."""

    def change(clinic: ClinicWithEtags) -> None:
        user = clinic.patient if operation_id in ("get_my_profile", "get_medical_entry") else clinic.admin
        path = clinic.paths()[operation_id]
        user.request("PATCH", path, changes, if_match=user.request("GET", path)["version"])

    return change


def put_preferences(operation_id: str, **changes: Any) -> Change:
    """Return the change of some fields of preferences, of which the others are sent back as they were read."""

    def change(clinic: ClinicWithEtags) -> None:
        user, path = clinic.reader_of(operation_id), clinic.paths()[operation_id]
        read = user.request("GET", path)
        user.request("PUT", path, read | changes, if_match=read["version"])

    return change


def patch_patients_account(**changes: Any) -> Change:
    def change(clinic: ClinicWithEtags) -> None:
        path = f"/admin/users/{clinic.patient.id}"
        clinic.admin.request("PATCH", path, changes, if_match=clinic.admin.request("GET", path)["version"])

    return change


def put_hours(suffix: str, body: Any) -> Change:
    def change(clinic: ClinicWithEtags) -> None:
        path = clinic.paths()["get_schedule"]
        clinic.admin.request("PUT", f"{path}{suffix}", body, if_match=clinic.admin.request("GET", path)["version"])

    return change


def act_on_webhook(action: str, status: int) -> Change:
    return lambda clinic: clinic.admin.request("POST", f"{clinic.paths()['get_webhook']}/{action}", status=status)


def correct_as_doctor(clinic: ClinicWithEtags) -> None:
    path = clinic.paths()["get_medical_entry"]
    clinic.doctor.request("PATCH", path, {"title": "Acetylsalicylic acid"}, if_match=clinic.doctor.request("GET", path)["version"])


def retract_entry(clinic: ClinicWithEtags) -> None:
    clinic.doctor.request("POST", f"{clinic.paths()['get_medical_entry']}/retract", {"reason": "Another patient's"})


def put_template(clinic: ClinicWithEtags) -> None:
    path = clinic.paths()["get_template"]
    body = {"subject": f"Booked {uuid4().hex}", "text": f"{uuid4().hex} {{{{ details }}}}"}
    clinic.admin.request("PUT", path, body, if_match=clinic.admin.request("GET", path)["version"])


def put_settings(**changes: Any) -> Change:
    """Return the replacement of all settings of the clinic by a few."""

    def change(clinic: ClinicWithEtags) -> None:
        path = "/admin/settings"
        clinic.admin.request("PUT", path, changes, if_match=clinic.admin.request("GET", path)["version"])

    return change


def reset_template(clinic: ClinicWithEtags) -> None:
    clinic.admin.request("DELETE", clinic.paths()["get_template"])


def act(action: str) -> Change:
    return lambda clinic: clinic.admin.request("POST", f"/appointments/{clinic.appointment['id']}/{action}")


def move(clinic: ClinicWithEtags) -> None:
    starts_at = list_slots(clinic.patient, clinic.service, clinic.doctor.id)[-1]["starts_at"]
    clinic.admin.request("POST", f"/appointments/{clinic.appointment['id']}/reschedule", {"starts_at": starts_at})


def overbook(clinic: ClinicWithEtags) -> None:
    starts_at = list_slots(clinic.patient, clinic.service, clinic.doctor.id)[0]["starts_at"]
    book(register_patient(clinic.admin.platform), clinic.service, clinic.doctor, starts_at)
    path = clinic.paths()["get_any_appointment"]
    body = {"starts_at": starts_at, "reason": "Acute", "override": {"code": "overbook", "reason": "Acute"}}
    clinic.admin.request("PUT", path, body, if_match=clinic.admin.request("GET", path)["version"])


def book_another(clinic: ClinicWithEtags) -> None:
    book(clinic.patient, clinic.service, clinic.doctor, list_slots(clinic.patient, clinic.service, clinic.doctor.id)[0]["starts_at"])


def cancel(clinic: ClinicWithEtags) -> None:
    clinic.admin.request("POST", f"/appointments/{clinic.appointment['id']}/cancel", {"reason": "Ill"})


def offer_another_service(clinic: ClinicWithEtags) -> None:
    offered = [clinic.service["id"], create_service_type(clinic.admin)["id"]]
    patch("get_doctor", services=offered)(clinic)


PROFILE: dict[str, Any] = {
    "full_name": "Mina Kim",
    "born_on": "1984-06-02",
    "sex": "female",
    "phone": "+49 30 1234",
    "address": {"line1": "Main St 1", "city": "Berlin", "country": "DE"},
    "locale": "de",
    "emergency_contact": {"full_name": "Kim Lee", "phone": "+49 1 2345"},
    "time_zone": "Asia/Kathmandu",
    "preferred_contact": "phone",
    "reminders_consent": False,
}


def profile_changes() -> dict[str, Change]:
    """Return the changes of a patient's profile: staff give the identifier, and the patient changes the rest."""
    identifier = {"system": "urn:oid:1.2.276.0.76.4.8", "value": uuid4().hex}
    own = {name: patch("get_my_profile", **{name: value}) for name, value in PROFILE.items()}
    return own | {"identifiers": patch("get_patient", identifiers=[identifier])}


SERVICE: dict[str, Any] = {
    "name": "Another name",
    "specialty": "Cardiology",
    "mode": "video",
    "buffer_before_minutes": 5,
    "buffer_after_minutes": 10,
    "slot_step_minutes": 10,
    "min_notice_minutes": 15,
    "horizon_days": 91,
    "cancel_cutoff_minutes": 60,
    "reschedule_cutoff_minutes": 60,
    "daily_cap": 50,
    "weekly_cap": 100,
    "price": {"amount": 3000, "currency": "EUR"},
    "reminder_offsets_minutes": [60],
    "requires_approval": False,
    "capacity": 2,
    "duration_minutes": 35,
    "active": False,
}
DOCTOR: dict[str, Any] = {
    "title": "Prof.",
    "specialties": ["Cardiology"],
    "languages": ["de"],
    "bio": "Kind.",
    "location": "Room 9",
    "full_name": "Ada Lang",
    "time_zone": "Asia/Kathmandu",
    "accepting_patients": False,
    "active": False,
}
ENTRY: dict[str, Any] = {
    "title": "ASS",
    "details": "After meals",
    "onset_on": "2020-02-29",
    "status": "inactive",
    "dose": "100 mg",
    "code": {"system": "http://www.whocc.no/atc", "code": "B01AC06"},
}
APPOINTMENT: dict[str, Change] = {
    "reason": patch("get_appointment", reason="Knee"),
    "intake": patch("get_appointment", intake={"a": "b"}),
    "doctor": patch("get_doctor", location="Room 7"),
    "doctor's name": patch("get_doctor", full_name="Ada Berg"),
    "doctor's title": patch("get_doctor", title="Priv.-Doz."),
    "local_start": patch("get_doctor", time_zone="Europe/London"),
    "status": act("approve"),
    "starts_at": move,
    "overridden": overbook,
    "cancel_reason": cancel,
}
LOGO = "data:image/png;base64," + b64encode(b"\x89PNG\r\n\x1a\npicture").decode()
VARY_WITH_TIME = {"get_settings"}
"""Operations whose ETag is only for If-Match: the body changes while the version stays."""
DEPENDANT_PREFERENCES: dict[str, Any] = {
    "reminder_offsets_minutes": [30],
    "quiet_hours": {"from": "22:00", "to": "06:00"},
    "locale": "fr",
    "reminders_consent": False,
}
# The changes of each resource, made one after another; most are named after the field of the body that they change.
CHANGES: dict[str, dict[str, Change]] = {
    "get_appointment": APPOINTMENT,
    "get_any_appointment": APPOINTMENT,
    "get_my_profile": profile_changes(),
    "get_patient": profile_changes(),
    "get_medical_entry": {
        **{name: patch("get_medical_entry", **{name: value}) for name, value in ENTRY.items()},
        "author_id and reported_by": correct_as_doctor,
        "retracted": retract_entry,
    },
    "get_my_preferences": {
        "reminder_offsets_minutes": put_preferences("get_my_preferences", reminder_offsets_minutes=[30]),
        "quiet_hours": put_preferences("get_my_preferences", quiet_hours={"from": "22:00", "to": "06:00"}),
        "locale": patch("get_my_profile", locale="fr"),
        "reminders_consent": patch("get_my_profile", reminders_consent=False),
    },
    "get_preferences_of_dependant": {
        name: put_preferences("get_preferences_of_dependant", **{name: value}) for name, value in DEPENDANT_PREFERENCES.items()
    },
    "get_doctor_preferences": {"daily_digest": put_preferences("get_doctor_preferences", daily_digest=True)},
    "get_me": {
        "full_name": patch("get_my_profile", full_name="Mina Ahn"),
        "email": patch_patients_account(email=f"{uuid4().hex}@patients.example"),
    },
    "get_user": {
        "full_name": patch("get_doctor", full_name="Ada Nord"),
        "email": patch("get_user", email=f"{uuid4().hex}@doctors.example"),
        "status": patch("get_user", status="disabled"),
        "role": patch("get_user", role="reception"),
    },
    "read_calendar": {"a new visit": book_another, "an approval": act("approve"), "a move": move, "a cancellation": cancel},
    "get_schedule": {
        "weekly": put_hours("", {"weekly": MORNINGS}),
        "windows": put_hours("", {"weekly": AFTERNOONS}),
        "overrides": put_hours(f"/overrides/{DAY_IN_RANGE}", {"windows": []}),
        "time_zone": patch("get_doctor", time_zone="Asia/Kathmandu"),
    },
    "get_doctor": {"services": offer_another_service} | {name: patch("get_doctor", **{name: value}) for name, value in DOCTOR.items()},
    "get_template": {"an override": put_template, "another": put_template, "a reset": reset_template},
    "get_service": {name: patch("get_service", **{name: value}) for name, value in SERVICE.items()},
}
CHANGES["get_webhook"] = {
    "failing_since": act_on_webhook("ping", 202),  # the host does not exist
    "previous_secret_until": act_on_webhook("rotate-secret", 200),
    "events": patch("get_webhook", events=["appointment.*"]),
    "description": patch("get_webhook", description="Ours"),
    "url": patch("get_webhook", url="https://other.careslot.example/"),
    "status": patch("get_webhook", status="paused"),
}
# What stays as long as the resource exists. Visits keep what was agreed at booking; a new role or status ends the session of `/auth/me`.
# `confirmed_at` is set by the link of a mail only, as a new version: tests/platform/test_visit_links.
VISIT_CONSTANTS = {"booked_by", "service", "price", "patient", "patient_id", "confirmed_at"}
CONSTANTS: dict[str, set[str]] = {
    "get_appointment": VISIT_CONSTANTS,
    "get_any_appointment": VISIT_CONSTANTS,
    "get_me": {"role", "status", "locale"},
    "get_my_profile": {"email"},
    "get_patient": {"email"},
    "get_medical_entry": {"patient_id", "kind", "severity", "recorded_at"},
    "get_my_preferences": {"channels"},
    "get_preferences_of_dependant": {"channels"},
    "get_schedule": {"doctor_id"},
    "get_template": {"kind", "locale", "variables", "required"},
}


def changed_fields(before: httpx.Response, after: httpx.Response) -> set[str]:
    """Return the names of the JSON fields that differ, or `text` if the body is not JSON and differs."""
    if "json" not in before.headers["content-type"]:
        return {"text"} if before.text != after.text else set()
    old, new = before.json(), after.json()
    return {name for name in old if old[name] != new[name]} - {"version"}


def wait_for_change(clinic: ClinicWithEtags, operation_id: str, before: httpx.Response) -> httpx.Response:
    """Return the first response whose body differs from that of `before`."""

    def changed() -> httpx.Response | None:
        response = clinic.read(operation_id)
        return response if changed_fields(before, response) else None

    clinic.admin.platform.run_until_idle()
    return wait_until(changed, seconds=15)  # type: ignore[no-any-return]


@pytest.mark.parametrize("operation_id", CHANGES)
def test_whatever_changes_the_body_changes_the_etag(clinic: ClinicWithEtags, operation_id: str) -> None:
    changed: set[str] = set()
    for name, change in CHANGES[operation_id].items():
        before = clinic.read(operation_id)
        assert clinic.read(operation_id, before.headers["etag"]).status_code == 304, name
        change(clinic)
        after = wait_for_change(clinic, operation_id, before)
        assert after.headers["etag"] != before.headers["etag"], name
        assert clinic.read(operation_id, before.headers["etag"]).status_code == 200, name
        changed |= changed_fields(before, after)
    if operation_id != "read_calendar":
        constants = {"id", "version", "created_at"} | CONSTANTS.get(operation_id, set())
        assert changed | constants == clinic.read(operation_id).json().keys() | constants


def test_the_table_has_every_get_with_an_etag_and_the_others_have_none(clinic: ClinicWithEtags) -> None:
    paths = clinic.admin.request("GET", "/openapi.json")["paths"]
    gets = {path: methods["get"] for path, methods in paths.items() if "get" in methods}
    assert {get["operationId"] for get in gets.values() if "304" in get["responses"]} == CHANGES.keys() == clinic.paths().keys()
    ids = ids_in_paths(clinic)
    visit = {"service_id": clinic.service["id"], "doctor_id": clinic.doctor.id, "starts_at": clinic.appointment["starts_at"]}
    visit["q"] = "kim"
    put_settings(logo=LOGO)(clinic)
    for path, get in gets.items():
        if "304" not in get["responses"]:
            names = {parameter["name"] for parameter in get.get("parameters", []) if parameter["in"] == "query"}
            params = {name: value for name, value in (visit | RANGE).items() if name in names and (name in visit or "from" in names)}
            reader = clinic.patient if path.startswith(("/holds", "/patients/me", "/patients/{patient_id}/medical")) else clinic.admin
            reader = clinic.doctor if path.endswith("/summary") else reader
            link_token = {"token": token_in_path(clinic, path)} if "{token}" in path else {}
            response = reader.http.get(path.format(**ids | link_token), params=params)
            has_etag = get["operationId"] in VARY_WITH_TIME
            assert (response.status_code, "etag" in response.headers) == (200, has_etag), (path, response.text)
            assert not has_etag or response.headers["vary"] == "*"
    put_settings()(clinic)


def ids_in_paths(clinic: ClinicWithEtags) -> dict[str, str]:
    """Create a leave, a closure and a hold, and return the values of all parameters of paths."""
    days = [datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(days=300 + day) for day in range(2)]
    absence = {"starts_at": f"{days[0]:%Y-%m-%dT%H:%M:%SZ}", "ends_at": f"{days[1]:%Y-%m-%dT%H:%M:%SZ}", "reason": "Works"}
    leave = clinic.admin.request("POST", f"/doctors/{clinic.doctor.id}/leaves", absence, status=201)
    closed = {"from": absence["starts_at"], "to": absence["ends_at"], "reason": "Works"}
    closure = clinic.admin.request("POST", "/admin/closures", closed, status=201)
    start = list_slots(clinic.patient, clinic.service, clinic.doctor.id)[-1]["starts_at"]
    booking = {"service_id": clinic.service["id"], "doctor_id": clinic.doctor.id, "starts_at": start}
    hold = clinic.patient.request("POST", "/holds", booking, status=201)
    bulk_change = {"ids": [clinic.appointment["id"]], "action": "message", "text": "The lift is out of order."}
    people = {"doctor_id": clinic.doctor.id, "patient_id": clinic.patient.id, "appointment_id": clinic.appointment["id"]}
    return people | {
        "entry_id": clinic.entry,
        "leave_id": leave["id"],
        "closure_id": closure["id"],
        "hold_id": hold["id"],
        "code": "slot_taken",
        "webhook_id": clinic.webhook,
        "dependant_id": clinic.dependant,
        "client_id": clinic.admin.request("POST", "/auth/clients", {"name": "Sync", "scopes": ["appointments:read"]}, status=201)["id"],
        "change_id": clinic.admin.request("POST", "/admin/appointments/bulk", bulk_change, status=200)["id"],
        "import_id": import_no_doctor(clinic)["id"],
        "message_id": clinic.admin.request("GET", "/admin/messages")["items"][0]["id"],
    }


def import_no_doctor(clinic: ClinicWithEtags) -> Any:
    """Upload a file that has only a header, and return the import."""
    headers = {"Content-Type": "text/csv"}
    response = clinic.admin.http.post("/admin/doctors/import", content=b"email,full_name\n", headers=headers)
    assert response.is_success, response.text
    return response.json()


def add_dependant(patient: User) -> str:
    """Add a person for whom the patient acts, and return the id."""
    dependant = {"full_name": "Mia Park", "born_on": "2019-05-01"}
    return str(patient.request("POST", "/patients/me/dependants", dependant, status=201)["id"])


def token_in_path(clinic: ClinicWithEtags, path: str) -> str:
    """Return the token of the patient's link to the visit, or of the link that ends the patient's reminders."""
    assert isinstance(clinic.admin.platform, Embedded)
    folder, patient_id = Folder(clinic.admin.platform.data), UUID(clinic.patient.id)
    if path.startswith("/visit"):
        return LinkTokens(folder.secret("APPOINTMENT_LINK")).token_for(UUID(clinic.appointment["id"]), patient_id)
    return UnsubscribeLinks("", folder.secret("NOTIFY_LINK")).token_for(Subscription(patient_id, SubscriptionKind.REMINDERS))


def test_a_change_accepts_the_etag_as_it_was_sent_until_the_next_change(clinic: ClinicWithEtags) -> None:
    profile, hours = clinic.read("get_my_profile"), clinic.read("get_schedule")
    patch("get_doctor", time_zone="America/New_York")(clinic)
    path = clinic.paths()["get_schedule"]
    stale, fresh = (
        clinic.admin.http.put(path, json={"weekly": MORNINGS}, headers={"If-Match": tag})
        for tag in (hours.headers["etag"], clinic.read("get_schedule").headers["etag"])
    )
    assert (stale.status_code, stale.json()["code"], fresh.status_code) == (412, "stale_version", 200)
    first, second = (
        clinic.patient.http.patch("/patients/me", json={"phone": phone}, headers={"If-Match": profile.headers["etag"]})
        for phone in ("+49 30 1", "+49 30 2")
    )
    assert (first.status_code, second.status_code) == (200, 412)
    assert clinic.read("get_my_profile", first.headers["etag"]).status_code == 304
