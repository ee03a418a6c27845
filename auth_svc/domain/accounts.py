"""An account: who a person is, what their role is, and whether they may sign in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from shared.contracts.events import AccountChanged
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.contracts.refusals import require_version


class AccountStatus(StrEnum):
    """`pending`: the patient's profile may not exist yet. `invited`: the account has no password yet."""

    PENDING = "pending"
    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class PreviousFields:
    """What an account was before it became a patient's, in case patient-service refuses the profile."""

    email: str
    full_name: str
    role: Role
    status: AccountStatus

    @classmethod
    def of(cls, account: Account) -> Self:
        """Return the fields of an account."""
        return cls(account.email, account.full_name, account.role, account.status)


@dataclass(frozen=True, slots=True)
class PendingProfile:
    """A patient's profile that may not exist yet. `previous` is None for a new account."""

    account_id: UUID
    previous: PreviousFields | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """One person's account. `email` is normalized and unique.

    `full_name` is a copy of the name in the profile that belongs to `role`, and a patient's `locale` is a copy too; `name_version` is the
    version of that profile, 0 when they did not come from it. Otherwise `time_zone` and `locale` are what the person gave when the account
    was created, if anything. `version` grows with every change that others can see. `last_change_id` is the id of the last change that
    another service asked for, so that its repetition is recognised.
    """

    id: UUID
    email: str
    full_name: str
    role: Role
    status: AccountStatus
    locale: str | None
    created_at: datetime
    password_hash: str | None = field(default=None, repr=False)
    phone: str | None = None
    time_zone: str | None = None
    name_version: int = 0
    version: int = 1
    last_change_id: UUID | None = None

    @property
    def is_active_admin(self) -> bool:
        """True when the account counts as one of the clinic's active admins."""
        return self.role is Role.ADMIN and self.status is AccountStatus.ACTIVE

    @property
    def may_sign_in(self) -> bool:
        """True when the account is active and has a password."""
        return self.status is AccountStatus.ACTIVE and self.password_hash is not None

    @property
    def accepts_password(self) -> bool:
        """True when the right password signs in, which completes a pending account."""
        return self.may_sign_in or self.status is AccountStatus.PENDING

    @property
    def can_reset_password(self) -> bool:
        """True when a link to choose a password may be mailed to the owner."""
        return self.status in (AccountStatus.ACTIVE, AccountStatus.INVITED)

    def in_clinic(self, clinic_locale: str) -> Self:
        """Return the account with the locale in effect: the person's own, or that of the clinic. Such an account is not stored."""
        return self if self.locale else replace(self, locale=clinic_locale)

    def complete(self) -> Self:
        """Return the pending account as active, or as invited when it has no password."""
        return self._next_version(status=AccountStatus.ACTIVE if self.password_hash else AccountStatus.INVITED)

    def with_password(self, password_hash: str) -> Self:
        """Return the account with a password that its owner chose, which also accepts an invitation."""
        status = AccountStatus.ACTIVE if self.status is AccountStatus.INVITED else self.status
        return self._next_version(password_hash=password_hash, status=status)

    def with_rehashed_password(self, password_hash: str) -> Self:
        """Return the account with the same password hashed anew. The version stays, because nothing changes for others."""
        return replace(self, password_hash=password_hash)

    def update(self, changes: Mapping[str, Any], expected_version: int | None, change_id: UUID | None = None) -> Self:
        """Return the account with some fields replaced and a new version, or self if nothing changes or the last change had this
        `change_id`.

        An account that is enabled again without a password becomes invited. Raises Stale when `expected_version` is not the current one.
        """
        if change_id is not None and change_id == self.last_change_id:
            return self
        require_version(self.version, expected_version)
        updated = replace(self, **changes)
        if changes.get("status") is AccountStatus.ACTIVE and self.password_hash is None:
            updated = replace(updated, status=AccountStatus.INVITED)
        if updated.role is not self.role:
            updated = replace(updated, name_version=0)
        return self if updated == self else replace(updated, version=self.version + 1, last_change_id=change_id)

    def undo_role_change(self, previous: PreviousFields) -> Self:
        """Return the account as it was before it became a patient's, with a new version."""
        return self._next_version(**asdict(previous), last_change_id=None)

    def copy_profile(self, copied: Mapping[str, str | None], profile_role: Role, profile_version: int) -> Self:
        """Return the account with fields of a profile, or self if the profile is of another role or not newer than the copy."""
        if profile_role is not self.role or profile_version <= self.name_version:
            return self
        updated = replace(self, name_version=profile_version)
        is_same = all(getattr(self, name) == value for name, value in copied.items())
        return updated if is_same else updated._next_version(**copied)

    @property
    def actor(self) -> Actor:
        """The owner as the actor of a change."""
        return Actor(id=self.id, role=self.role)

    @property
    def audited_state(self) -> dict[str, str | None]:
        """What the audit trail shows of the account."""
        return {"role": self.role.value, "status": self.status.value}

    def audited_changes(self, other: Self) -> dict[str, str | None]:
        """Return what the audit trail shows of `other`, the state of this account after a change, with the names of the changed texts."""
        texts = [name for name in ("email", "full_name") if getattr(self, name) != getattr(other, name)]
        return other.audited_state | ({"texts": " ".join(texts)} if texts else {})

    def changed_event(self, event_id: UUID, occurred_at: datetime) -> AccountChanged:
        """Return the event that announces this version."""
        return AccountChanged(
            id=event_id, occurred_at=occurred_at, account_id=self.id, role=self.role, status=self.status.value, version=self.version
        )

    def _next_version(self, **changes: Any) -> Self:
        return replace(self, version=self.version + 1, **changes)
