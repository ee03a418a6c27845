"""The events that scheduling-service hears."""

from __future__ import annotations

from scheduling_svc.usecases.feeds import Feeds
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rulebook import Rulebook
from shared.contracts.events import (
    AccountChanged,
    AppointmentCheckedIn,
    AppointmentCompleted,
    AppointmentStarted,
    DoctorChanged,
    ServiceChanged,
)
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, rulebook: Rulebook, reservations: Reservations, feeds: Feeds) -> None:
    await runtime.subscribe(
        {
            DoctorChanged: rulebook.doctor_changed,
            ServiceChanged: rulebook.service_changed,
            AccountChanged: feeds.note_account,
            AppointmentCheckedIn: reservations.note_begun,
            AppointmentStarted: reservations.note_begun,
            AppointmentCompleted: reservations.note_begun,
        }
    )
