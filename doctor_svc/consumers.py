"""The events that doctor-service consumes."""

from __future__ import annotations

from doctor_svc.usecases.doctors import Doctors
from shared.contracts.events import AccountChanged
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, doctors: Doctors) -> None:
    """Handle changes of accounts."""
    await runtime.subscribe({AccountChanged: doctors.apply_account_change})
