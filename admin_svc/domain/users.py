"""Users whom an admin creates, and how long an interrupted creation is retried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.contracts.http import CreateAccount
from shared.contracts.identity import Role
from shared.contracts.texts import name_on_one_line

GIVE_UP_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to create. It has no password, because passwords are never stored: a creation that is retried invites the user by mail.

    `doctor` has the fields of a doctor's profile besides the name, the time zone and the locale.
    """

    id: UUID
    email: str
    role: Role
    full_name: str
    time_zone: str | None = None
    locale: str | None = None
    phone: str | None = None
    doctor: Mapping[str, Any] = field(default_factory=dict)

    def account_request(self, password: str | None) -> CreateAccount:
        """Return what auth-service needs to create the account."""
        return CreateAccount(
            email=self.email,
            role=self.role,
            full_name=name_on_one_line(self.full_name),
            password=password,
            locale=self.locale,
            phone=self.phone,
            time_zone=self.time_zone,
        )

    def doctor_request(self, password: str | None) -> dict[str, Any]:
        """Return what doctor-service needs to create the profile and the account."""
        identity = {"email": self.email, "full_name": name_on_one_line(self.full_name), "time_zone": self.time_zone}
        doctor = {**self.doctor, **identity, "locale": self.locale, "password": password}
        return {name: value for name, value in doctor.items() if value is not None}


@dataclass(frozen=True, slots=True)
class PendingUser:
    """A user whose creation has begun and is not known to be finished."""

    user: NewUser
    requested_at: datetime

    def has_expired(self, now: datetime) -> bool:
        """True when the creation is not retried any more."""
        return now - self.requested_at >= GIVE_UP_AFTER
