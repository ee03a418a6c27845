"""The main journey with the client that openapi-python-client generates: register, find a time, book, conflict, move, cancel.

Called with the address of the platform.
"""
# mypy: disable-error-code="import-not-found"
# ruff: noqa: T201

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from careslot_client import AuthenticatedClient, Client
from careslot_client.api.appointments import book_appointment, cancel_appointment, get_appointment, reschedule_appointment
from careslot_client.api.calendar import list_slots
from careslot_client.api.doctors_and_services import list_doctors, list_services
from careslot_client.api.identity import register
from careslot_client.models import (
    AppointmentOut,
    BookAppointment,
    CancelAppointment,
    Problem,
    Register,
    RescheduleAppointment,
    SignedInOut,
)


def signed_in_client(url: str, full_name: str) -> AuthenticatedClient:
    """Register a new patient and return a client with the access token."""
    body = Register(email=f"{uuid4()}@example.com", password=f"pass phrase {uuid4()}", full_name=full_name)
    registered = register.sync(client=Client(base_url=url), body=body)
    assert isinstance(registered, SignedInOut), registered
    assert registered.account.role == "patient"
    return AuthenticatedClient(base_url=url, token=registered.access_token)


def booking_request(patient: AuthenticatedClient, url: str) -> BookAppointment:
    """Return a request for the first free time, from three days on, of a service that needs no approval."""
    public = Client(base_url=url)
    doctors, services = list_doctors.sync(client=public), list_services.sync(client=public)
    assert doctors is not None
    assert services is not None
    assert not isinstance(doctors, Problem), doctors
    assert not isinstance(services, Problem), services
    service = next(service for service in services.items if not service.requires_approval)
    slots = list_slots.sync(client=patient, service_id=service.id, from_=datetime.now(UTC) + timedelta(days=3), limit=5)
    assert slots is not None
    assert not isinstance(slots, Problem), slots
    slot = slots.items[0]
    assert slot.doctor_id in {doctor.id for doctor in doctors.items}
    return BookAppointment(service_id=slot.service_id, doctor_id=str(slot.doctor_id), starts_at=slot.starts_at)


def run(url: str) -> str:
    """Make the journey, and return one line about it."""
    patient, rival = signed_in_client(url, "Sam Lee"), signed_in_client(url, "Alex Kim")
    request = booking_request(patient, url)

    booked = book_appointment.sync_detailed(client=patient, body=request, idempotency_key=str(uuid4()))
    assert booked.status_code == 201, booked.content
    appointment = booked.parsed
    assert isinstance(appointment, AppointmentOut)
    assert appointment.status == "booked"
    assert appointment.starts_at == request.starts_at

    refused = book_appointment.sync_detailed(client=rival, body=request)
    assert refused.status_code == 409, refused.content
    problem = refused.parsed
    assert isinstance(problem, Problem)
    assert problem.code == "slot_taken"
    assert problem.alternatives
    alternative = problem.alternatives[0]

    new_time = RescheduleAppointment(starts_at=alternative.starts_at, doctor_id=alternative.doctor_id)
    moved = reschedule_appointment.sync(appointment.id, client=patient, body=new_time, if_match=booked.headers["ETag"])
    assert isinstance(moved, AppointmentOut), moved
    assert (moved.id, moved.status, moved.starts_at) == (appointment.id, "booked", alternative.starts_at)
    assert moved.version == appointment.version + 1

    cancelled = cancel_appointment.sync(appointment.id, client=patient, body=CancelAppointment(reason="No longer needed"))
    assert isinstance(cancelled, AppointmentOut), cancelled
    assert cancelled.status == "cancelled"
    final = get_appointment.sync(appointment.id, client=patient)
    assert isinstance(final, AppointmentOut), final
    assert final.status == "cancelled"
    times = f"booked {request.starts_at:%F %R}, moved to {moved.starts_at:%F %R}"
    return f"{times}, cancelled; {len(problem.alternatives)} alternatives to a booked time"


if __name__ == "__main__":
    print(run(sys.argv[1]))
