"""A doctor: the profile that patients see, and what the clinic says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from doctor_svc.domain.refusals import AccountDismissed, NoSuchDoctor, NotYoursToChange
from doctor_svc.domain.schedules import Schedule
from shared.contracts.events import DoctorChanged
from shared.contracts.http import DoctorRules
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import require_version

OWN_FIELDS = frozenset({"title", "bio", "languages", "location", "accepting_patients"})


@dataclass(frozen=True, slots=True)
class Profile:
    """What patients see of a doctor."""

    id: UUID
    full_name: str
    time_zone: str
    title: str | None
    bio: str | None
    location: str | None
    specialties: Sequence[str]
    languages: Sequence[str]
    services: Sequence[UUID]
    accepting_patients: bool
    active: bool
    version: int


@dataclass(frozen=True, slots=True)
class Doctor:
    """`pending`: the account is not there yet. `active` is the clinic's word, and never true while the account does not stand.

    `account_stands`, of the account's version `account_version`: it is a doctor's and not disabled.
    """

    id: UUID
    email: str
    full_name: str
    time_zone: str
    title: str | None = None
    bio: str | None = None
    location: str | None = None
    specialties: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    services: tuple[UUID, ...] = ()
    accepting_patients: bool = True
    active: bool = True
    pending: bool = True
    account_stands: bool = True
    account_version: int = 0
    version: int = 1
    schedule: Schedule = field(default_factory=Schedule)

    def completed(self) -> Self:
        """Both halves are there."""
        return replace(self, pending=False)

    def amended(self, changes: Mapping[str, Any], expected: int | None, by: Caller | None) -> Self:
        """With some fields changed, by themselves, an admin, or a service that checked already (None); the same when nothing is new."""
        if by is not None and not by.is_admin and changes.keys() - OWN_FIELDS:
            raise NotYoursToChange
        require_version(self.version, expected)
        changed = replace(self, **changes)
        if changed.active and not self.account_stands:
            raise AccountDismissed
        return changed if changed == self else replace(changed, version=self.version + 1)

    def with_account(self, role: Role, status: str, version: int) -> Self:
        """What became of the account; an older word than the one that is known changes nothing.

        Dismissed is inactive and reinstated active again; an accepted invitation leaves alone what the clinic said.
        """
        if version <= self.account_version:
            return self
        stands = role is Role.DOCTOR and status != "disabled"
        known = replace(self, account_version=version, account_stands=stands)
        changed = stands != self.account_stands and stands != self.active
        return replace(known, active=stands, version=self.version + 1) if changed else known

    def scheduled(self, schedule: Schedule) -> Self:
        return replace(self, schedule=schedule)

    def shown_to(self, by: Caller | None) -> Self:
        """Active doctors are public; others are there for admins and themselves."""
        inside = by is not None and (by.is_admin or by.id == self.id)
        if self.pending or not (self.active or inside):
            raise NoSuchDoctor
        return self

    def rules(self) -> DoctorRules:
        """What the calendar must know. The version grows with profile and schedule."""
        return DoctorRules(
            id=self.id, full_name=self.full_name, title=self.title, location=self.location, time_zone=self.time_zone,
            specialties=list(self.specialties), languages=list(self.languages), services=list(self.services),
            active=self.active and not self.pending, accepting_patients=self.accepting_patients,
            weekly=list(self.schedule.weekly), overrides=list(self.schedule.overrides), version=self.version + self.schedule.version,
        )  # fmt: skip

    def changed(self, event_id: UUID, at: datetime) -> DoctorChanged:
        rules = self.rules()
        return DoctorChanged(id=event_id, occurred_at=at, doctor_id=self.id, version=rules.version, rules=rules)
