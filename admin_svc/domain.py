"""A user whom an admin asked for, and when a wish is taken up again or given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.contracts.http import CreateAccount
from shared.contracts.identity import Role
from shared.contracts.refusals import Conflict

TAKEN_UP_AFTER = timedelta(minutes=1)  # longer than any request runs, so that request and job do not meet
GIVEN_UP_AFTER = timedelta(days=1)


class EmailTaken(Conflict):
    """Another account has this e-mail address."""

    code = "email_taken"
    detail = "Another account has this e-mail address."


class LastAdmin(Conflict):
    """The clinic would be left without an admin."""

    code = "last_admin"
    detail = "The clinic would be left without an admin."


@dataclass(frozen=True, slots=True)
class NewUser:
    """The wish without its password, which is never written down: whoever takes it up later invites by mail.

    `doctor` are fields of the profile."""

    id: UUID
    email: str
    role: Role
    full_name: str
    time_zone: str = "UTC"
    locale: str = "en"
    phone: str | None = None
    doctor: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_doctor(self) -> bool:
        return self.role is Role.DOCTOR

    def account(self, password: str | None) -> CreateAccount:
        return CreateAccount(
            email=self.email,
            role=self.role,
            full_name=self.full_name,
            password=password,
            locale=self.locale,
            phone=self.phone,
            time_zone=self.time_zone,
        )

    def doctor_profile(self, password: str | None) -> dict[str, Any]:
        own = {"email": self.email, "full_name": self.full_name, "time_zone": self.time_zone, "password": password}
        return {name: value for name, value in {**self.doctor, **own}.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Wish:
    """A new user on paper, until both halves of the person count."""

    user: NewUser
    asked_at: datetime

    def is_given_up(self, now: datetime) -> bool:
        """A neighbour that was silent for so long never heard of it, or finished it alone."""
        return now - self.asked_at >= GIVEN_UP_AFTER
