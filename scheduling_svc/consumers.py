"""The events that scheduling-service consumes."""

from __future__ import annotations

from scheduling_svc.usecases.erasure import OwnerErasure
from scheduling_svc.usecases.feeds import Feeds
from scheduling_svc.usecases.merged_patients import MergedPatients
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.contracts.events import (
    AccountChanged,
    AppointmentAmended,
    AppointmentBooked,
    AppointmentCheckedIn,
    AppointmentCompleted,
    AppointmentRequested,
    AppointmentRescheduled,
    AppointmentStarted,
    DoctorChanged,
    PatientErased,
    PatientMerged,
    ServiceChanged,
)
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(
    runtime: ServiceRuntime, rules: RuleCache, reservations: Reservations, feeds: Feeds, erasure: OwnerErasure, merges: MergedPatients
) -> None:
    """Subscribe one use case to each event."""
    await runtime.subscribe(
        {
            DoctorChanged: rules.save_doctor,
            ServiceChanged: rules.save_service,
            AccountChanged: feeds.revoke_if_disabled,
            PatientErased: erasure.erase,
            PatientMerged: merges.follow_event,
            AppointmentAmended: reservations.follow_appointment,
            AppointmentRequested: reservations.follow_appointment,
            AppointmentBooked: reservations.follow_appointment,
            AppointmentRescheduled: reservations.follow_appointment,
            AppointmentCheckedIn: reservations.follow_appointment,
            AppointmentStarted: reservations.follow_appointment,
            AppointmentCompleted: reservations.follow_appointment,
        }
    )
