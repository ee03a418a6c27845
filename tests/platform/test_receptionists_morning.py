"""A receptionist's morning through the API: search, walk-in, book, overbook, check in, move, cancel and print the day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.platform.accounts import (
    User,
    create_doctor,
    create_receptionist,
    create_service_type,
    sign_in_admin,
    unique_name,
    zone_of_late_morning,
)
from tests.platform.houses import Platform, wait_until

REASON = "In acute pain"


def test_a_receptionists_morning(platform: Platform) -> None:
    admin, zone = sign_in_admin(platform), zone_of_late_morning()
    service = create_service_type(admin, min_notice_minutes=0)
    doctor, desk = create_doctor(admin, service, time_zone=zone), create_receptionist(admin)

    walk_in = add_walk_in(desk, unique_name("Wanda "))
    regular = add_walk_in(desk, unique_name("Rolf "))
    starts_at = first_free_start(desk, service, doctor)
    first = desk.request("POST", "/appointments", booking(service, doctor, starts_at, walk_in), status=201)
    assert (first["status"], first["patient"]["full_name"]) == ("booked", walk_in["full_name"])

    taken = desk.request("POST", "/appointments", booking(service, doctor, starts_at, regular), status=409)
    assert (taken["code"], bool(taken["alternatives"])) == ("slot_taken", True)
    not_left_to_her = booking(service, doctor, starts_at, regular, override={"code": "off_hours", "reason": REASON})
    assert desk.request("POST", "/appointments", not_left_to_her, status=403)["code"] == "override_not_allowed"
    overbooking = booking(service, doctor, starts_at, regular, override={"code": "overbook", "reason": REASON})
    second = desk.request("POST", "/appointments", overbooking, status=201)
    assert (second["starts_at"], second["overridden"]["by"]) == (starts_at, {"id": desk.id, "role": "reception"})

    assert desk.request("POST", f"/appointments/{first['id']}/check-in")["status"] == "checked_in"
    later = f"{datetime.fromisoformat(starts_at) + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"
    moved = desk.request("POST", f"/appointments/{second['id']}/reschedule", {"starts_at": later})
    assert (moved["id"], moved["starts_at"], moved["overridden"]) == (second["id"], later, None)
    assert [visit["status"] for visit in day_of(desk, doctor, zone)] == ["checked_in", "booked"]

    cancelled = desk.request("POST", f"/appointments/{second['id']}/cancel", {"reason": "Called in"})
    assert (cancelled["status"], cancelled["cancel_reason"]) == ("cancelled", "Called in")
    printed = [(visit["id"], visit["starts_at"], visit["status"]) for visit in day_of(desk, doctor, zone)]
    assert printed == [(first["id"], starts_at, "checked_in"), (second["id"], later, "cancelled")]


def add_walk_in(desk: User, name: str) -> dict[str, Any]:
    """Search a patient whom the clinic does not know, add them, and return the patient when the search finds them."""
    assert desk.request("GET", "/patients", q=name)["items"] == []
    patient: dict[str, Any] = desk.request("POST", "/patients", {"full_name": name, "phone": "+49 30 901820"}, status=201)
    found = wait_until(lambda: desk.request("GET", "/patients", q=name)["items"])
    assert [item["id"] for item in found] == [patient["id"]]
    return patient


def first_free_start(desk: User, service: dict[str, Any], doctor: User) -> str:
    """Return the first free start in an hour or later, so that it is ahead when a slow machine comes to the overbooking."""
    since = datetime.now(UTC) + timedelta(hours=1)
    bounds: dict[str, Any] = {"from": f"{since:%Y-%m-%dT%H:%M:%SZ}", "to": f"{since + timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}"}
    return str(desk.request("GET", "/slots", service_id=service["id"], doctor_id=doctor.id, **bounds)["items"][0]["starts_at"])


def day_of(desk: User, doctor: User, zone: str) -> list[dict[str, Any]]:
    """Return the visits of a doctor today, in the order of their starts."""
    midnight = datetime.now(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    bounds: dict[str, Any] = {"from": midnight.isoformat(), "to": (midnight + timedelta(days=1)).isoformat()}
    return list(desk.request("GET", "/admin/appointments", doctor_id=doctor.id, **bounds)["items"])


def booking(service: dict[str, Any], doctor: User, starts_at: str, patient: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": starts_at, "patient_id": patient["id"], **more}
