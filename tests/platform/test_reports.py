"""The reports from a booking to the figures, through the gateway and over the bus, and their rebuild in the embedded installation."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.platform.accounts import User, book, create_doctor, create_service_type, list_slots, register_patient, sign_in_admin
from tests.platform.houses import Embedded, Platform, wait_until
from tests.platform.test_api_clients import sign_in_client
from tests.platform.test_rebuild_history import execute


def figures(admin: User, name: str, key: str, **query: Any) -> dict[str, Any] | None:
    """Return the row of a report, or None if there is none."""
    report = admin.request("GET", f"/admin/reports/{name}", **query)
    assert report["complete"], "the calendar answers"
    rows: dict[str, dict[str, Any]] = {row["key"]: row for row in report["items"]}
    return rows.get(key)


def test_a_booking_a_cancellation_and_a_leave_appear_in_the_reports(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient = create_doctor(admin, service), register_patient(platform)
    starts = [slot["starts_at"] for slot in list_slots(patient, service, doctor.id)]
    kept, cancelled = book(patient, service, doctor, starts[0]), book(patient, service, doctor, starts[8])
    patient.request("POST", f"/appointments/{cancelled['id']}/cancel")
    begins = datetime.fromisoformat(kept["starts_at"])
    period = {"from": kept["starts_at"], "to": f"{begins + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"}
    by_service = period | {"group_by": "service"}
    booked = {"key": service["id"], "name": service["name"], "bookings": 2, "called_off": 1, "new": 1, "returning": 0}
    wait_until(lambda: figures(admin, "bookings", service["id"], **by_service) == booked)
    used = figures(admin, "utilisation", doctor.id, **period)
    assert used == {
        "key": doctor.id,
        "name": doctor.account["full_name"],
        "booked_minutes": 30,
        "offered_minutes": 1440,
        "utilisation": 0.0208,
    }
    away = {"starts_at": starts[12], "ends_at": f"{datetime.fromisoformat(starts[12]) + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"}
    admin.request("POST", f"/doctors/{doctor.id}/leaves", away | {"reason": "Training", "affected": []})
    reduced = figures(admin, "utilisation", doctor.id, **period)
    assert reduced is not None
    assert reduced["offered_minutes"] == 1320
    lead = figures(admin, "lead-times", service["id"], **by_service)
    assert lead is not None
    assert (lead["visits"], lead["median_days"]) == (1, (begins - datetime.fromisoformat(kept["created_at"])).days)
    by_specialty = figures(admin, "lead-times", service["specialty"], **period, group_by="specialty")
    assert by_specialty is not None
    assert by_specialty["visits"] >= 1, "doctor-service knows the specialty"
    overview = admin.request("GET", "/admin/reports/overview")
    assert any(item["specialty"] == service["specialty"] and item["starts_at"] for item in overview["next_free"])
    response = admin.http.get("/admin/reports/bookings", params=by_service, headers={"Accept": "text/csv"})
    assert f"{service['id']},{service['name']},2,1,1,0" in response.text.splitlines()


def test_a_booking_by_an_api_client_counts_for_its_channel_and_a_patient_who_was_booked_before_returns(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient = create_doctor(admin, service), register_patient(platform)
    registered = admin.request("POST", "/auth/clients", {"name": "Script", "scopes": ["appointments:write"]}, status=201)
    client = sign_in_client(platform, registered)
    starts = [slot["starts_at"] for slot in list_slots(patient, service, doctor.id)]
    book(patient, service, doctor, starts[0])
    later = {"service_id": service["id"], "doctor_id": doctor.id, "patient_id": patient.id, "starts_at": starts[8]}
    client.request("POST", "/appointments", later, status=201)
    period = {"from": starts[0], "to": f"{datetime.fromisoformat(starts[8]) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
    key = f"client:{registered['id']}"
    expected = {"key": key, "name": None, "bookings": 1, "called_off": 0, "new": 0, "returning": 1}
    wait_until(lambda: figures(admin, "bookings", key, **period, group_by="channel") == expected)


@pytest.mark.xdist_group("embedded")
def test_the_reports_are_rebuilt_from_the_appointments(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Embedded(data) as platform:
        admin = sign_in_admin(platform)
        service = create_service_type(admin)
        doctor, patient = create_doctor(admin, service), register_patient(platform)
        start = list_slots(patient, service, doctor.id)[0]["starts_at"]
        book(patient, service, doctor, start)
        query = {"from": start, "to": f"{datetime.fromisoformat(start) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}", "group_by": "channel"}
        booked = {"key": "patient", "name": None, "bookings": 1, "called_off": 0, "new": 1, "returning": 0}
        wait_until(lambda: figures(admin, "bookings", "patient", **query) == booked)
        execute(data, "DELETE FROM report_visits", "admin.db")
        assert figures(admin, "bookings", "patient", **query) is None
        command = [sys.executable, "-m", "careslot", "rebuild", "reports", "--data", str(data)]
        ran = subprocess.run(command, capture_output=True, text=True)
        assert (ran.returncode, ran.stdout) == (0, "1 visits read, 0 removed\n"), ran.stderr
        assert figures(admin, "bookings", "patient", **query) == booked
        assert platform.process.end() == 0
