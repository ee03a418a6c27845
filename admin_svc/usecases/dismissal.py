"""Disabling a user, and what becomes of their appointments."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from admin_svc.ports import Accounts, Appointment, Appointments, Dismissed
from shared.contracts.http import AccountSummary, Actor
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Conflict, NotFound
from shared.contracts.values import format_instant
from shared.kit.clock import Clock

PAGE, MOST_PAGES = 100, 50
SIDE = {Role.DOCTOR: "doctor_id", Role.PATIENT: "patient_id"}


@dataclass(frozen=True, slots=True)
class Dismissal:
    accounts: Accounts
    appointments: Appointments
    now: Clock

    async def dismiss(self, user_id: UUID, expected: int | None, *, cancelling: bool, by: Caller) -> Dismissed:
        """Disables first, so that nothing new is booked; a repeat goes on where this one stopped."""
        card = await self.accounts.change(user_id, {"status": "disabled"}, expected)
        future = await self._future(card)
        if cancelling:
            await self._cancel(future, by)
        return Dismissed(**dict(card), future_appointments=future)

    async def _future(self, card: AccountSummary) -> list[Appointment]:
        """Those requested or booked from now on, of the doctor or of the patient."""
        found: list[Appointment] = []
        if card.role not in SIDE:
            return found
        wanted = {SIDE[card.role]: card.id, "status": ["requested", "booked"], "from": format_instant(self.now()), "limit": PAGE}
        page = await self.appointments.listed(**wanted)
        found += page.items
        while page.next and len(found) < PAGE * MOST_PAGES:
            page = await self.appointments.listed(**wanted, after=page.next)
            found += page.items
        return found

    async def _cancel(self, appointments: list[Appointment], by: Caller) -> None:
        for appointment in appointments:
            with suppress(Conflict, NotFound):  # it moved on meanwhile
                await self.appointments.cancel(appointment.id, Actor.from_caller(by))
