"""The events that scheduling-service consumes."""

from __future__ import annotations

from scheduling_svc.usecases.feeds import Feeds
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.contracts.events import (
    AccountChanged,
    AppointmentCheckedIn,
    AppointmentCompleted,
    AppointmentStarted,
    DoctorChanged,
    ServiceChanged,
)
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, rules: RuleCache, reservations: Reservations, feeds: Feeds) -> None:
    """Give every event to one use case."""
    await runtime.subscribe(
        {
            DoctorChanged: rules.save_doctor,
            ServiceChanged: rules.save_service,
            AccountChanged: feeds.note_account,
            AppointmentCheckedIn: reservations.mark_begun,
            AppointmentStarted: reservations.mark_begun,
            AppointmentCompleted: reservations.mark_begun,
        }
    )
