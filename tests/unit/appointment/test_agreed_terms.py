"""Length and price are agreed at the booking, and stay through every move and restore."""

from __future__ import annotations

from datetime import timedelta

from shared.contracts.http import Money
from tests.unit.appointment.builders import ANNA, DESK, DR_WEISS, HALF, NINE, TEN, a_booking_request, a_service
from tests.unit.appointment.fakes import FakeClinic


async def test_a_changed_service_changes_neither_length_nor_price_of_what_is_booked() -> None:
    clinic = FakeClinic(service=a_service(price=Money(amount=5000, currency="EUR")))
    booked = await clinic.booking.book(a_booking_request(), ANNA, DR_WEISS.id)
    clinic.service = a_service(duration_minutes=60, price=Money(amount=9900, currency="EUR"), version=2)
    moved = await clinic.actions.reschedule(clinic.context(ANNA, booked), starts_at=TEN)
    cancelled = await clinic.actions.cancel(clinic.context(ANNA, moved), None)
    restored = await clinic.actions.restore(clinic.context(DESK, cancelled))
    for appointment, start in ((booked, NINE), (moved, TEN), (restored, TEN)):
        assert (appointment.starts_at, appointment.ends_at - appointment.starts_at) == (start, HALF)
        assert (appointment.service.duration_minutes, appointment.price) == (30, Money(amount=5000, currency="EUR"))
    assert [request.duration_minutes for request in clinic.calendar.requests] == [30, 30, 30]


async def test_a_new_booking_has_the_new_length() -> None:
    clinic = FakeClinic(service=a_service(duration_minutes=60, version=2))
    booked = await clinic.booking.book(a_booking_request(), ANNA, DR_WEISS.id)
    assert booked.ends_at - booked.starts_at == timedelta(hours=1)
