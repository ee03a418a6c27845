"""Overrides: a rule of the calendar that staff lift for one appointment, with a reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from shared.contracts.appointments import OverrideCode
from shared.contracts.http import Actor, StaffOverride
from shared.contracts.identity import Caller, Role
from shared.contracts.relayed_refusals import OverrideNotAllowed


@dataclass(frozen=True, slots=True)
class AppointmentOverride:
    """Which rule was lifted, by whom, when (UTC) and why. `reason` is None after texts were erased."""

    code: OverrideCode
    by: Actor
    at: datetime
    reason: str | None

    @classmethod
    def of(cls, override: StaffOverride | None, by: Actor, at: datetime) -> Self | None:
        """Return what a request asks for; None if it asks for no override."""
        return cls(override.code, by, at, override.reason) if override else None

    def without_reason(self) -> Self:
        """Return the override without the text that staff wrote."""
        return replace(self, reason=None)


@dataclass(frozen=True, slots=True)
class OverridePolicy:
    """Who may lift which rule: admins every rule, reception those of `reception`, and nobody else any."""

    reception: frozenset[OverrideCode] = frozenset()

    def require_may_override(self, caller: Caller, override: StaffOverride | None) -> None:
        """Raise OverrideNotAllowed if the caller asks for an override and may not lift this rule."""
        if override is not None and not self.may_lift(caller, override.code):
            raise OverrideNotAllowed

    def may_lift(self, caller: Caller, code: OverrideCode) -> bool:
        """Return True if the caller may lift this rule."""
        return caller.role is Role.ADMIN or (caller.role is Role.RECEPTION and code in self.reception)


ADMINS_ONLY = OverridePolicy()
