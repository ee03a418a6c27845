"""What doctor-service hears: what became of accounts."""

from __future__ import annotations

from doctor_svc.usecases.doctors import Doctors
from shared.contracts.events import AccountChanged
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, doctors: Doctors) -> None:
    await runtime.subscribe({AccountChanged: doctors.note_account})
