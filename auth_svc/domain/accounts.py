"""An account: one person's identity, role and standing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from shared.contracts.events import AccountChanged
from shared.contracts.identity import Role
from shared.contracts.refusals import require_version


class Status(StrEnum):
    """`pending`: the profile is not there yet; `invited`: no password yet."""

    PENDING = "pending"
    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Account:
    """`name_version` is the version of the role's profile that the name was copied from."""

    id: UUID
    email: str
    full_name: str
    role: Role
    status: Status
    locale: str
    created_at: datetime
    password_hash: str | None = field(default=None, repr=False)
    phone: str | None = None
    time_zone: str = "UTC"
    name_version: int = 0
    version: int = 1

    @property
    def is_active_admin(self) -> bool:
        return self.role is Role.ADMIN and self.status is Status.ACTIVE

    @property
    def may_sign_in(self) -> bool:
        return self.status is Status.ACTIVE and self.password_hash is not None

    def completed(self) -> Self:
        """Both halves are there: active, or invited where it has no password."""
        return self._changed(status=Status.ACTIVE if self.password_hash else Status.INVITED)

    def with_password(self, password_hash: str) -> Self:
        """The owner chose one: an invitation is thereby accepted."""
        status = Status.ACTIVE if self.status is Status.INVITED else self.status
        return self._changed(password_hash=password_hash, status=status)

    def rehashed(self, password_hash: str) -> Self:
        """The same password under newer parameters: nothing that anyone could see has changed."""
        return replace(self, password_hash=password_hash)

    def amended(self, expected: int | None, **changes: Any) -> Self:
        """With some fields changed; the same when nothing is new. A reactivated account without a password is invited again."""
        require_version(self.version, expected)
        if changes.get("status") is Status.ACTIVE and self.password_hash is None:
            changes["status"] = Status.INVITED
        if changes.get("role", self.role) is not self.role:
            changes["name_version"] = 0
        changed = replace(self, **changes)
        return self if changed == self else self._changed(**changes)

    def named(self, full_name: str, source: Role, source_version: int) -> Self:
        """The name as its owner has it, unless a newer one is known. Only the profile of one's own role counts."""
        if source is not self.role or source_version <= self.name_version:
            return self
        changed = replace(self, name_version=source_version)
        return changed if full_name == self.full_name else changed._changed(full_name=full_name)

    def changed_event(self, event_id: UUID, at: datetime) -> AccountChanged:
        return AccountChanged(
            id=event_id, occurred_at=at, account_id=self.id, role=self.role, status=self.status.value, version=self.version
        )

    def _changed(self, **changes: Any) -> Self:
        return replace(self, version=self.version + 1, **changes)
