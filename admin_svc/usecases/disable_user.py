"""Disabling a user, and listing or cancelling their future appointments."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from admin_svc.ports import AdminAppointment, AppointmentClient, UserAccountClient
from shared.contracts.derived_ids import derive_id
from shared.contracts.http import AccountSummary, Actor
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Conflict, NotFound
from shared.contracts.values import format_instant
from shared.kit.clock import Clock

PAGE_SIZE, MAX_APPOINTMENTS = 100, 5000
APPOINTMENT_FILTER = {Role.DOCTOR: "doctor_id", Role.PATIENT: "patient_id"}


class DisabledUser(AccountSummary):
    """A disabled account with the appointments that were requested or booked from now on."""

    future_appointments: list[AdminAppointment]


@dataclass(frozen=True, slots=True)
class UserDisabling:
    """The account is disabled before its appointments are listed, so that no new ones are booked meanwhile."""

    accounts: UserAccountClient
    appointments: AppointmentClient
    now: Clock

    async def disable(
        self, user_id: UUID, expected_version: int | None, change_id: UUID, *, cancel_appointments: bool, by: Caller
    ) -> DisabledUser:
        """Disable a user and, if asked to, cancel their future appointments. A repeat continues an interrupted cancellation.

        Raises NotFound, Stale, LastAdmin or Unavailable.
        """
        account = await self.accounts.update(user_id, {"status": "disabled"}, expected_version, change_id, Actor.from_caller(by))
        appointments = await self._list_future_appointments(account)
        if cancel_appointments:
            for appointment in appointments:
                with suppress(Conflict, NotFound):  # its status has changed meanwhile
                    await self.appointments.cancel(appointment.id, Actor.from_caller(by), derive_id(change_id, appointment.id))
        return DisabledUser(**dict(account), future_appointments=appointments)

    async def _list_future_appointments(self, account: AccountSummary) -> list[AdminAppointment]:
        """Return up to MAX_APPOINTMENTS requested or booked appointments of a doctor or patient; other users have none."""
        if account.role not in APPOINTMENT_FILTER:
            return []
        query = {
            APPOINTMENT_FILTER[account.role]: account.id,
            "status": ["requested", "booked"],
            "from": format_instant(self.now()),
            "limit": PAGE_SIZE,
        }
        page = await self.appointments.list_appointments(**query)
        appointments = list(page.items)
        while page.next and len(appointments) < MAX_APPOINTMENTS:
            page = await self.appointments.list_appointments(**query, after=page.next)
            appointments += page.items
        return appointments
