"""What doctor-service hears: what became of accounts."""

from __future__ import annotations

from doctor_svc.usecases.doctors import Doctors
from shared.contracts.events import AccountChanged
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(ground: ServiceRuntime, doctors: Doctors) -> None:
    await ground.subscribe({AccountChanged: doctors.note_account})
