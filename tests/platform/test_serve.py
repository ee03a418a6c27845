"""`careslot serve` as a user runs it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import httpx
import pytest

from tests.platform.accounts import book, create_doctor, create_service_type, list_slots, register_patient, sign_in_admin, wait_for_mails
from tests.platform.houses import Embedded, Process, free_port

pytestmark = pytest.mark.xdist_group("embedded")


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    with Embedded(tmp_path / "data") as platform:
        admin = sign_in_admin(platform)
        service = create_service_type(admin)
        doctor, patient = create_doctor(admin, service), register_patient(platform)
        appointment = book(patient, service, doctor, list_slots(patient, service, doctor.id)[0]["starts_at"])
        assert platform.process.end() == 0
        platform.start()
        assert patient.request("GET", f"/appointments/{appointment['id']}")["status"] == "booked"
        assert len([mail for mail in platform.mails() if patient.account["email"] in mail["to"]]) == 1
        assert platform.process.end() == 0


@pytest.mark.parametrize("public_url", ["", "https://clinic.example"])
def test_the_issuer_is_where_it_listens_unless_the_environment_names_the_public_address(tmp_path: Path, public_url: str) -> None:
    port, log = free_port(), tmp_path / "log"
    arguments = ("-m", "careslot", "serve", "--port", str(port), "--data", str(tmp_path / "data"))
    process = Process(sys.executable, *arguments, environment={"CARESLOT_PUBLIC_URL": public_url}, log=log)
    process.wait_until(lambda: "careslot ready" in log.read_text())
    configuration = httpx.get(f"http://127.0.0.1:{port}/.well-known/openid-configuration").json()
    assert configuration["issuer"] == (public_url or f"http://localhost:{port}")
    assert configuration["jwks_uri"] == f"{configuration['issuer']}/.well-known/jwks.json"
    assert process.end() == 0


def test_the_log_has_only_events_of_the_level_in_the_environment(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    arguments = ("-m", "careslot", "serve", "--port", str(port), "--data", str(tmp_path / "data"))
    process = Process(sys.executable, *arguments, environment={"CARESLOT_LOG_LEVEL": "warning"}, log=log)
    process.wait_until(lambda: "careslot ready" in log.read_text())
    assert httpx.get(f"http://127.0.0.1:{port}/specialties").status_code == 200
    assert process.end() == 0
    assert '"level":"info"' not in (tmp_path / "data" / "careslot.log").read_text()


def test_the_demo_clinic_is_loaded_once_and_its_accounts_work(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    arguments = (
        "-m",
        "careslot",
        "serve",
        "--demo",
        "--dev",
        "--port",
        str(port),
        "--data",
        str(tmp_path / "data"),
        "--clock",
        "2026-03-07T12:00:00Z",
    )
    for _ in range(2):
        process = Process(sys.executable, *arguments, environment={}, log=log)
        process.wait_until(lambda: f"careslot ready {url}" in log.read_text())
        listed = httpx.get(f"{url}/doctors?limit=100")
        assert listed.headers["ratelimit-policy"] == '"address";q=6000;w=60', "--dev widens the rate limits"
        doctors = listed.json()["items"]
        assert len(doctors) == 8
        assert len({specialty for doctor in doctors for specialty in doctor["specialties"]}) == 4
        assert httpx.get(f"{url}/dev/clock").json()["now"].startswith("2026-03-07T12:0")
        assert process.end() == 0
        log.write_text(log.read_text().replace(f"careslot ready {url}", "was ready"))
    email, password = re.findall(r"demo patient\s+(\S+)\s+(\S+)", log.read_text())[0]
    process = Process(sys.executable, *arguments, environment={}, log=log)
    process.wait_until(lambda: f"careslot ready {url}" in log.read_text())
    token = httpx.post(f"{url}/auth/login", json={"email": email, "password": password}).json()["access_token"]
    mine = httpx.get(f"{url}/appointments", headers={"Authorization": f"Bearer {token}"}).json()["items"]
    assert [item["status"] for item in mine] == ["booked"]
    assert "time zone: Europe/Berlin" in log.read_text()
    newcomer = {"email": "new@patients.example", "password": "a long enough pass phrase", "full_name": "Nina New"}
    token = httpx.post(f"{url}/auth/register", json=newcomer).json()["access_token"]
    profile = httpx.get(f"{url}/patients/me", headers={"Authorization": f"Bearer {token}"}).json()
    assert profile["time_zone"] == "Europe/Berlin"
    assert process.end() == 0


def test_moving_the_clock_runs_the_jobs(tmp_path: Path) -> None:
    with Embedded(tmp_path / "data") as platform:
        admin = sign_in_admin(platform)
        service = create_service_type(admin, requires_approval=True)
        doctor, patient = create_doctor(admin, service), register_patient(platform)
        appointment = book(patient, service, doctor, list_slots(patient, service, doctor.id)[0]["starts_at"])
        assert appointment["status"] == "requested"
        wait_for_mails(platform, patient.account["email"], 1)  # the request is told before it expires
        moved = httpx.put(f"{platform.url}/dev/clock", json={"now": appointment["ends_at"]}, timeout=60)
        assert moved.json()["now"] >= appointment["ends_at"]
        login = {"email": patient.account["email"], "password": "a long enough pass phrase"}
        token = httpx.post(f"{platform.url}/auth/login", json=login).json()["access_token"]
        response = httpx.get(f"{platform.url}/appointments/{appointment['id']}", headers={"Authorization": f"Bearer {token}"})
        assert response.json()["status"] == "expired"
        assert len([mail for mail in platform.mails() if patient.account["email"] in mail["to"]]) == 2
        assert platform.process.end() == 0


def test_the_development_routes_are_absent_without_their_flag(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    process = Process(
        sys.executable, "-m", "careslot", "serve", "--port", str(port), "--data", str(tmp_path / "data"), environment={}, log=log
    )
    process.wait_until(lambda: f"careslot ready {url}" in log.read_text())
    assert "time zone: UTC" in log.read_text()
    for path in ("/dev/mailbox", "/dev/clock", "/dev/settle"):
        assert httpx.get(url + path).status_code == 404
    assert httpx.get(f"{url}/doctors").headers["ratelimit-policy"] == '"address";q=300;w=60'
    assert process.end() == 0
