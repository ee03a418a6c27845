"""Time that is kept for someone, through the gateway, as its owner and as others see it."""

from __future__ import annotations

from typing import Any

from tests.platform.houses import House
from tests.platform.people import Person, admin_of, doctor_of, patient_of, service_of, slots


def marks(person: Person, wish: dict[str, Any]) -> list[bool]:
    """Whether it is the person's own hold, for a start that is listed to them."""
    asked = {"service_id": wish["service_id"], "doctor_id": wish["doctor_id"], "from": wish["starts_at"], "limit": 1}
    items = person.ask("GET", "/slots", **asked)["items"]
    return [slot["held_by_you"] for slot in items if slot["starts_at"] == wish["starts_at"]]


def test_a_held_time_is_its_owners_alone_and_a_booking_uses_it_up(house: House) -> None:
    admin = admin_of(house)
    service = service_of(admin)
    doctor, owner, rival = doctor_of(admin, service), patient_of(house), patient_of(house, "Tom Weber")
    start = slots(admin, service, doctor.id)[0]["starts_at"]
    wish = {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": start}
    assert marks(rival, wish) == [False]

    hold = owner.ask("POST", "/holds", wish, status=201, key="once")
    assert owner.ask("POST", "/holds", wish, status=201, key="once") == hold
    assert [marks(person, wish) for person in (owner, rival, Person(house))] == [[True], [], []]
    for path in ("/holds", "/appointments"):
        refused = rival.ask("POST", path, wish, status=409)
        assert (refused["code"], refused["available_again_at"]) == ("slot_held", hold["expires_at"])
    assert rival.ask("POST", "/appointments", wish | {"hold_id": hold["id"]}, status=409)["code"] == "hold_mismatch"
    rival.ask("DELETE", f"/holds/{hold['id']}", status=404)
    assert owner.ask("POST", f"/holds/{hold['id']}/extend")["expires_at"] > hold["expires_at"]

    appointment = owner.ask("POST", "/appointments", wish | {"hold_id": hold["id"]}, status=201)
    owner.ask("GET", f"/holds/{hold['id']}", status=404)
    assert [marks(person, wish) for person in (owner, rival)] == [[], []]
    owner.ask("POST", f"/appointments/{appointment['id']}/cancel")
    assert [marks(person, wish) for person in (owner, rival)] == [[False], [False]]
    rival.ask("POST", "/appointments", wish, status=201)
