"""Finding and changing users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from admin_svc.domain import NewUser
from admin_svc.ports import Accounts, Doctors, Listed, Patients
from shared.contracts.http import AccountSummary
from shared.contracts.identity import Role
from shared.contracts.refusals import require_version


@dataclass(frozen=True, slots=True)
class Users:
    accounts: Accounts
    doctors: Doctors
    patients: Patients

    async def find(self, user_id: UUID) -> AccountSummary:
        return await self.accounts.get(user_id)

    async def browse(self, **filters: Any) -> Listed[AccountSummary]:
        return await self.accounts.listed(**filters)

    async def amend(self, user_id: UUID, changes: Mapping[str, Any], expected: int | None) -> AccountSummary:
        """The account first, for it decides; then the name at its owner, then auth-service's copy (which an event would bring later)."""
        card = await self.accounts.get(user_id)
        require_version(card.version, expected)
        name = changes.get("full_name", card.full_name)
        of_account = {field: value for field, value in changes.items() if field != "full_name"}
        if changes.get("role", card.role) is Role.DOCTOR and card.role is not Role.DOCTOR:
            await self.doctors.make(user_id, NewUser(user_id, card.email, Role.DOCTOR, name).doctor_profile(None))
        if of_account:
            card = await self.accounts.change(user_id, of_account, expected)
        return card if name == card.full_name else await self._renamed(card, name)

    async def _renamed(self, card: AccountSummary, full_name: str) -> AccountSummary:
        owners: dict[Role, Doctors | Patients] = {Role.DOCTOR: self.doctors, Role.PATIENT: self.patients}
        if owner := owners.get(card.role):
            await owner.rename(card.id, full_name)
        return await self.accounts.change(card.id, {"full_name": full_name})
