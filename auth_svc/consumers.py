"""The events that auth-service consumes."""

from __future__ import annotations

from auth_svc.usecases.accounts import Accounts
from auth_svc.usecases.erasure import AccountErasure
from shared.contracts.events import DoctorChanged, PatientChanged, PatientErased
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, accounts: Accounts, erasure: AccountErasure) -> None:
    """Handle changes of profiles, whose names and languages accounts copy, and erased patients."""
    await runtime.subscribe(
        {PatientChanged: accounts.update_from_profile, DoctorChanged: accounts.update_doctor_name, PatientErased: erasure.erase}
    )
