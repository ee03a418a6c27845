"""The events that notification-service consumes."""

from __future__ import annotations

from notify_svc.usecases.enqueue import MessageQueue
from shared.contracts.events import AccountInvited, AccountLocked, AppointmentEvent, PasswordChanged, PasswordResetRequested
from shared.kit.bus import handlers_for
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, queue: MessageQueue) -> None:
    """Handle changes of appointments, invitations, changes of passwords and delays of logins."""
    await runtime.subscribe(
        {
            **handlers_for(AppointmentEvent, queue.enqueue_appointment),
            AccountInvited: queue.enqueue_invitation,
            PasswordResetRequested: queue.enqueue_password_reset,
            PasswordChanged: queue.enqueue_password_changed,
            AccountLocked: queue.enqueue_account_locked,
        }
    )
