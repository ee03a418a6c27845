"""What patient-service hears: what became of accounts, and who treats whom."""

from __future__ import annotations

from patient_svc.usecases import Patients
from shared.contracts.events import AccountChanged, AppointmentEvent
from shared.kit.bus import every
from shared.kit.footing import Footing


async def subscribe(ground: Footing, patients: Patients) -> None:
    await ground.subscribe({AccountChanged: patients.note_account, **every(AppointmentEvent, patients.note_visit)})
