"""The clinic's settings and imports through the gateway, in both ways of running: what every service shows, outages, and crashes."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.contracts.identity import Service
from tests.platform.accounts import PASSWORD, User, book, create_doctor, create_service_type, list_slots, register_patient, sign_in_admin
from tests.platform.houses import Distributed, Embedded, Platform, wait_until

PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
SETTINGS: dict[str, Any] = {
    "name": "Praxis Lindenstraße",
    "address": "Lindenstraße 5, 10969 Berlin",
    "phone": "+49 30 1234567",
    "email": "desk@linde.example",
    "time_zone": "Pacific/Auckland",
    "languages": ["de", "en"],
    "reminder_offsets_minutes": [2880, 120],
    "cancellation_policy": "Bitte sagen Sie einen Tag vorher ab.",
    "retention": {"records_years": 15},
    "logo": "data:image/png;base64," + base64.b64encode(PNG).decode(),
}
SERVERS = pytest.mark.needs_servers("MYSQL", "MONGO", "AMQP")
ROWS = 300


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("embedded", marks=pytest.mark.xdist_group("settings embedded")),
        pytest.param("distributed", marks=[SERVERS, pytest.mark.xdist_group("settings distributed")]),
    ],
)
def clinic(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform of its own, because its settings are changed and its services end."""
    folder = tmp_path_factory.mktemp("settings")
    platform = Embedded(folder / "data") if request.param == "embedded" else Distributed(folder)
    with platform:
        yield platform


def kill(clinic: Platform, service: Service) -> None:
    """Kill a service where it is a process of its own; otherwise the one process of all."""
    (clinic.processes[service, 0] if isinstance(clinic, Distributed) else clinic.process).kill()  # type: ignore[attr-defined]


def start(clinic: Platform, service: Service) -> None:
    """Start what `kill` has killed, and wait until it is ready."""
    if isinstance(clinic, Distributed):
        clinic.start_instance(service)
        clinic.processes[service, 0].wait_until_ready(f"http://127.0.0.1:{clinic.ports[service][0]}")
    else:
        clinic.start()  # type: ignore[attr-defined]


def zone_of_a_new_patient(clinic: Platform) -> str:
    """Return the zone of a patient who gives none."""
    return str(register_patient(clinic, time_zone=None).request("GET", "/patients/me")["time_zone"])


def text_to(clinic: Platform, patient: User) -> dict[str, Any] | None:
    """Return the first mail to a patient, or None."""
    return next((mail for mail in clinic.mails() if patient.account["email"] in mail["to"]), None)


def test_every_service_uses_the_settings_and_an_outage_or_a_restart_in_it_loses_none(clinic: Platform) -> None:
    admin = sign_in_admin(clinic)
    service = create_service_type(admin)
    assert zone_of_a_new_patient(clinic) == "Asia/Tokyo"
    changed = admin.request("PUT", "/admin/settings", SETTINGS, if_match=admin.request("GET", "/admin/settings")["version"])
    assert changed["retention_changes_at"], "whether it is shorter than what the environment says is not known"
    shown = User(clinic).request("GET", "/clinic")
    assert {name: shown[name] for name in ("name", "phone", "cancellation_policy")} == {
        name: SETTINGS[name] for name in ("name", "phone", "cancellation_policy")
    }
    assert httpx.get(f"{clinic.url}{shown['logo_url']}").content == PNG
    clinic.run_until_idle()
    wait_until(lambda: zone_of_a_new_patient(clinic) == "Pacific/Auckland")
    wait_until(lambda: admin.request("GET", "/admin/reports/overview")["time_zone"] == "Pacific/Auckland")
    wait_until(lambda: _zone_of_a_new_doctor(admin) == "Pacific/Auckland")
    doctor, patient = create_doctor(admin, service), register_patient(clinic, time_zone=None)
    appointment = book(patient, service, doctor, list_slots(patient, service, doctor.id)[0]["starts_at"])
    mail = wait_until(lambda: text_to(clinic, patient))
    assert all(SETTINGS[name] in mail["text"] for name in ("name", "address", "phone"))
    assert '/clinic/logo"' in mail["html"]
    (token,) = set(re.findall(r"/visit/([A-Za-z0-9_-]{43})", mail["text"]))
    page = httpx.get(f"{clinic.url}/visit/{token}", headers={"Accept": "application/json"}).json()
    assert [page[name] for name in ("clinic_name", "clinic_address", "clinic_phone", "cancellation_policy")] == [
        SETTINGS[name] for name in ("name", "address", "phone", "cancellation_policy")
    ]
    file = patient.http.get(f"/appointments/{appointment['id']}/calendar.ics").text.replace("\r\n ", "")
    assert "Lindenstraße 5" in file
    _check_outage(clinic)


def _zone_of_a_new_doctor(admin: User) -> str:
    body = {"email": f"d{uuid4().hex[:12]}@doctors.example", "full_name": "Ada Brandt", "specialties": ["Dentistry"], "services": []}
    return str(admin.request("POST", "/doctors", body, status=201)["time_zone"])


def _check_outage(clinic: Platform) -> None:
    """End admin-service; patient-service, which starts meanwhile, still knows the settings. Embedded, everything starts again."""
    kill(clinic, Service.ADMIN)
    if isinstance(clinic, Distributed):
        kill(clinic, Service.PATIENT)
        start(clinic, Service.PATIENT)
        wait_until(lambda: _status(clinic, "/patients/me") == 401)
    else:
        start(clinic, Service.ADMIN)
    assert zone_of_a_new_patient(clinic) == "Pacific/Auckland"
    if isinstance(clinic, Distributed):
        start(clinic, Service.ADMIN)
    wait_until(lambda: _status(clinic, "/clinic") == 200)


def _status(clinic: Platform, path: str) -> int:
    return httpx.get(f"{clinic.url}{path}", timeout=30).status_code


def upload(admin: User, kind: str, content: bytes, **params: str) -> dict[str, Any]:
    """Send a file, and return the import."""
    headers = {"Content-Type": "text/csv"}
    response = admin.http.post(f"/admin/{kind}/import", content=content, params=params, headers=headers, timeout=120)
    assert response.status_code == 202, response.text
    return dict(response.json())


def outcome(admin: User, uploaded: dict[str, Any], **params: Any) -> dict[str, Any]:
    """Wait for the end of an import, and return what became of it."""
    path = f"/admin/imports/{uploaded['id']}"
    wait_until(lambda: admin.request("GET", path)["status"] == "done", seconds=600)
    return dict(admin.request("GET", path, **params))


def test_a_crash_in_the_middle_of_a_file_delays_it_and_the_same_file_creates_nobody_twice(clinic: Platform) -> None:
    admin, name = sign_in_admin(clinic), f"Imp{uuid4().hex[:8]}"
    content = "full_name;born_on;identifiers\n" + "".join(f"{name} {n};1984-06-02;urn:clinic:{name} {n}\n" for n in range(ROWS))
    uploaded = upload(admin, "patients", content.encode("utf-8-sig"))
    path = f"/admin/imports/{uploaded['id']}"
    wait_until(lambda: admin.request("GET", path)["done"])
    kill(clinic, Service.ADMIN)
    start(clinic, Service.ADMIN)
    wait_until(lambda: _status(clinic, "/clinic") == 200)
    admin = sign_in_admin(clinic)
    result = outcome(admin, uploaded)
    assert (result["total"], result["created"], result["unchanged"], result["failed"]) == (ROWS, ROWS, 0, 0)
    again = outcome(admin, upload(admin, "patients", content.encode("utf-8-sig")))
    assert (again["created"], again["unchanged"], again["failed"]) == (0, ROWS, 0)
    assert [row["id"] for row in again["rows"]] == [row["id"] for row in result["rows"]]
    assert len(_found(admin, name)) == ROWS


def _found(admin: User, name: str) -> set[str]:
    """Return the ids of all patients who are found by a name."""
    ids, query = set[str](), dict[str, Any](q=name, limit=100)
    while True:
        page = admin.http.get("/patients", params=query).json()
        ids |= {patient["id"] for patient in page["items"]}
        if page["next"] is None:
            return ids
        query["after"] = page["next"]


def test_a_file_of_windows_has_doctors_with_accounts_and_a_bad_row_stops_no_other(clinic: Platform) -> None:
    admin, mark = sign_in_admin(clinic), uuid4().hex[:8]
    lines = ["email;full_name;bio;specialties", f'{mark}@doctors.example;Jörg Müßig;"Zwei\r\nZeilen; ""mit"" Zeichen";Cardiology|Sport']
    lines += [f"{admin.request('GET', '/auth/me')['email']};Nobody;;", f"{mark}x@doctors.example;;;", ""]
    content = "\r\n".join(lines).encode("cp1252")
    trial = outcome(admin, upload(admin, "doctors", content, dry_run="true"))
    expected = [(2, "created", None), (4, "failed", "email_taken"), (5, "failed", "missing")]
    assert [(row["line"], row["status"], row["code"]) for row in trial["rows"]] == expected
    result = outcome(admin, upload(admin, "doctors", content))
    assert [(row["line"], row["status"], row["code"]) for row in result["rows"]] == expected
    doctor = admin.request("GET", f"/doctors/{result['rows'][0]['id']}")
    assert (doctor["full_name"], doctor["specialties"]) == ("Jörg Müßig", ["Cardiology", "Sport"])
    assert doctor["bio"].splitlines() == ["Zwei", 'Zeilen; "mit" Zeichen']
    assert admin.request("GET", f"/admin/users/{doctor['id']}")["status"] == "invited"
    wait_until(lambda: any(f"{mark}@doctors.example" in mail["to"] for mail in clinic.mails()))


def test_only_files_to_import_may_be_large(clinic: Platform) -> None:
    admin, mebibytes = sign_in_admin(clinic), 1024 * 1024
    header, row = b"email,full_name,wage\n", b"a@b.example,Ada," + b"x" * 1000 + b"\n"
    large = header + row * (8 * mebibytes // len(row) - 1)
    assert 7 * mebibytes < len(large) <= 8 * mebibytes
    headers = {"Content-Type": "text/csv"}
    for content, status, code in ((large, 422, "unknown_column"), (large + bytes(mebibytes), 413, "body_too_large")):
        response = admin.http.post("/admin/doctors/import", content=content, headers=headers, timeout=120)
        assert (response.status_code, response.json()["code"]) == (status, code)
    other = admin.http.post("/doctors", json={"bio": "x" * 2 * mebibytes}, timeout=120)
    assert (other.status_code, other.json()["code"]) == (413, "body_too_large")
    patient = User(clinic).request(
        "POST", "/auth/register", {"email": f"{uuid4().hex}@p.example", "password": PASSWORD, "full_name": "Mina"}, status=201
    )
    as_patient = User(clinic, patient["account"], patient["access_token"])
    refused = as_patient.http.post("/admin/patients/import", content=b"full_name\nMina\n", headers=headers)
    assert refused.status_code == 403
