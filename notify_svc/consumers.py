"""What notification-service hears."""

from __future__ import annotations

from notify_svc.usecases.hear import Hearing
from shared.contracts.events import AccountInvited, AppointmentEvent, PasswordChanged, PasswordResetRequested
from shared.kit.bus import handlers_for
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, hearing: Hearing) -> None:
    await runtime.subscribe(
        {
            **handlers_for(AppointmentEvent, hearing.appointment),
            AccountInvited: hearing.invited,
            PasswordResetRequested: hearing.reset_asked,
            PasswordChanged: hearing.password_changed,
        }
    )
