"""Holds through the gateway, as their owner and as other patients see them."""

from __future__ import annotations

from typing import Any

from tests.platform.accounts import User, create_doctor, create_service_type, list_slots, register_patient, sign_in_admin
from tests.platform.houses import Platform


def held_by_user(user: User, booking: dict[str, Any]) -> list[bool]:
    """Return `held_by_you` of the slot at the booking's start; an empty list when the slot is not listed."""
    query = {"service_id": booking["service_id"], "doctor_id": booking["doctor_id"], "from": booking["starts_at"], "limit": 1}
    items = user.request("GET", "/slots", **query)["items"]
    return [slot["held_by_you"] for slot in items if slot["starts_at"] == booking["starts_at"]]


def test_only_its_owner_can_book_a_held_time_and_the_booking_ends_the_hold(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, owner, rival = create_doctor(admin, service), register_patient(platform), register_patient(platform, "Tom Weber")
    start = list_slots(admin, service, doctor.id)[0]["starts_at"]
    booking = {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": start}
    assert held_by_user(rival, booking) == [False]

    hold = owner.request("POST", "/holds", booking, status=201, key="once")
    assert owner.request("POST", "/holds", booking, status=201, key="once") == hold
    assert [held_by_user(user, booking) for user in (owner, rival, User(platform))] == [[True], [], []]
    for path in ("/holds", "/appointments"):
        refused = rival.request("POST", path, booking, status=409)
        assert (refused["code"], refused["available_again_at"]) == ("slot_held", hold["expires_at"])
    assert rival.request("POST", "/appointments", booking | {"hold_id": hold["id"]}, status=409)["code"] == "hold_mismatch"
    rival.request("DELETE", f"/holds/{hold['id']}", status=404)
    assert owner.request("POST", f"/holds/{hold['id']}/extend")["expires_at"] > hold["expires_at"]

    appointment = owner.request("POST", "/appointments", booking | {"hold_id": hold["id"]}, status=201)
    owner.request("GET", f"/holds/{hold['id']}", status=404)
    assert [held_by_user(user, booking) for user in (owner, rival)] == [[], []]
    owner.request("POST", f"/appointments/{appointment['id']}/cancel")
    assert [held_by_user(user, booking) for user in (owner, rival)] == [[False], [False]]
    rival.request("POST", "/appointments", booking, status=201)
