"""Something happened: those concerned shall be told. The messages are on paper before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass

from notify_svc.domain.messages import Kind, Message, Reader, about, outdates
from notify_svc.ports import Store
from shared.contracts.events import AccountInvited, AppointmentEvent, PasswordChanged, PasswordResetRequested
from shared.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class Hearing:
    store: Store
    now: Clock

    async def appointment(self, event: AppointmentEvent) -> None:
        """A late word about an older state of the appointment makes no mail."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id) and outdates(event) and await tx.is_newest(event.appointment_id, event.version):
                for message in about(event, self.now()):
                    await tx.queue(message)

    async def invited(self, event: AccountInvited) -> None:
        await self._owner(event, Kind.INVITED)

    async def reset_asked(self, event: PasswordResetRequested) -> None:
        await self._owner(event, Kind.RESET)

    async def password_changed(self, event: PasswordChanged) -> None:
        await self._owner(event, Kind.PASSWORD_CHANGED)

    async def _owner(self, event: AccountInvited | PasswordResetRequested | PasswordChanged, kind: Kind) -> None:
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
                await tx.queue(Message.of(event, kind, Reader.OWNER, event.account_id, self.now()))
