"""What appointment-service hears: a doctor's leave moved or called off appointments in the calendar."""

from __future__ import annotations

from appointment_svc.usecases.follow import Displacements
from shared.contracts.events import LeaveTaken
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, displacements: Displacements) -> None:
    await runtime.subscribe({LeaveTaken: displacements.follow})
