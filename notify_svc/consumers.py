"""What notification-service hears."""

from __future__ import annotations

from notify_svc.usecases.hear import Hearing
from shared.contracts.events import AccountInvited, AppointmentEvent, PasswordChanged, PasswordResetAsked
from shared.kit.bus import every
from shared.kit.footing import Footing


async def subscribe(ground: Footing, hearing: Hearing) -> None:
    await ground.subscribe(
        {
            **every(AppointmentEvent, hearing.appointment),
            AccountInvited: hearing.invited,
            PasswordResetAsked: hearing.reset_asked,
            PasswordChanged: hearing.password_changed,
        }
    )
