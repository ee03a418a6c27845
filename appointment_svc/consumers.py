"""The events that appointment-service consumes."""

from __future__ import annotations

from appointment_svc.usecases.leaves import LeaveFollower
from shared.contracts.events import LeaveTaken
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, leaves: LeaveFollower) -> None:
    """Follow every leave that scheduling-service announces."""
    await runtime.subscribe({LeaveTaken: leaves.follow_leave})
