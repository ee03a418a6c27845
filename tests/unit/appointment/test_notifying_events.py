"""The events of an appointment that notification-service must have handled."""

from __future__ import annotations

from typing import Any

import pytest

from appointment_svc.domain.notifying_events import latest_events_to_handle


def an_event(name: str, version: int, *changed: str) -> dict[str, Any]:
    return {"id": f"{name}-{version}", "type": f"appointment.{name}.v1", "data": {"version": version, "changed": list(changed)}}


def latest_ids(*events: dict[str, Any]) -> list[str]:
    return [event["id"] for event in latest_events_to_handle(events)]


@pytest.mark.parametrize("name", ["requested", "booked", "rescheduled", "cancelled", "declined", "expired"])
def test_the_latest_of_these_is_chosen_in_any_order_of_storage(name: str) -> None:
    assert latest_ids(an_event(name, 3), an_event("booked", 2)) == [f"{name}-3"]


@pytest.mark.parametrize("name", ["checked_in", "started", "completed", "missed"])
def test_a_later_change_of_status_is_chosen_beside_the_event_that_notifies(name: str) -> None:
    assert latest_ids(an_event(name, 4), an_event("booked", 2), an_event("checked_in", 3)) == ["booked-2", f"{name}-4"]
    assert latest_ids(an_event("booked", 2), an_event(name, 4), an_event("amended", 3, "place")) == ["booked-2", "amended-3", f"{name}-4"]
    assert latest_ids(an_event(name, 2), an_event("booked", 3)) == ["booked-3"]


def test_a_visible_amendment_is_chosen_beside_the_booking_before_it() -> None:
    assert latest_ids(an_event("booked", 2), an_event("amended", 3, "place"), an_event("amended", 4, "doctor_name")) == [
        "booked-2",
        "amended-4",
    ]
    assert latest_ids(an_event("amended", 3, "place"), an_event("rescheduled", 4)) == ["rescheduled-4"]


@pytest.mark.parametrize("changed", ["reason", "intake", "confirmation"])
def test_an_invisible_amendment_is_not_chosen(changed: str) -> None:
    assert latest_ids(an_event("booked", 2), an_event("amended", 3, changed)) == ["booked-2"]


def test_a_change_of_the_patient_is_chosen_beside_the_booking_and_a_visible_amendment() -> None:
    events = [an_event("booked", 2), an_event("amended", 3, "patient"), an_event("amended", 4, "place"), an_event("amended", 5, "patient")]
    assert latest_ids(*events) == ["booked-2", "amended-4", "amended-5"]
    assert latest_ids(an_event("booked", 2), an_event("amended", 3, "place", "patient")) == ["booked-2", "amended-3"]


def test_an_undone_check_in_hides_no_booking() -> None:
    assert latest_ids(an_event("booked", 2), an_event("checked_in", 3), an_event("booked", 4, "check_in")) == ["booked-2", "booked-4"]


@pytest.mark.parametrize("data", [{}, {"version": "7"}, {"version": 7, "changed": None}, {"version": 7, "changed": [7]}])
def test_an_event_without_the_expected_fields_hides_no_other(data: dict[str, Any]) -> None:
    strange = {"id": "strange", "type": "appointment.unheard_of.v1", "data": data}
    assert latest_ids(strange, an_event("booked", 2)) == ["booked-2"]
    assert latest_ids() == []
