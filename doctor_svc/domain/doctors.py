"""Doctors: the profile that patients see, and what the clinic decides about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from doctor_svc.domain.refusals import DoctorAccountInactive, NotYoursToChange
from doctor_svc.domain.schedules import Schedule
from shared.contracts.events import DoctorChanged
from shared.contracts.http import AccountSummary, DoctorRules
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import require_version
from shared.contracts.relayed_refusals import NoSuchDoctor

OWN_FIELDS = frozenset({"title", "bio", "languages", "location", "accepting_patients"})
"""The fields that doctors may change themselves."""


@dataclass(frozen=True, slots=True)
class DoctorProfile:
    """What patients see of a doctor in a list: everything but the working hours, which may have a thousand dates."""

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
    """A doctor with profile and schedule. `version` is the profile's; the schedule has its own.

    `pending`: the account does not exist yet, so the doctor is invisible. `has_doctor_account`: the account, as of its version
    `account_version`, has the role doctor and is not disabled. `active` is the clinic's decision, and false without such an account.
    `locale` is that of the account to be created: None for the clinic's.
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
    has_doctor_account: bool = True
    account_version: int = 0
    version: int = 1
    schedule: Schedule = field(default_factory=Schedule)
    locale: str | None = None

    def confirm(self, account: AccountSummary) -> Self:
        """Return the doctor after the account was created, inactive if it is disabled."""
        return replace(self, pending=False).apply_account(account.role, account.status, account.version)

    def update(self, changes: Mapping[str, Any], expected_version: int | None, by: Caller | None) -> Self:
        """Return the doctor with some fields replaced and a new version, or self if nothing changes.

        Another time zone moves the working hours, so it makes a new version of the schedule too. Admins may change every field, and so may
        a service that has checked the permission itself (`by` is None); doctors OWN_FIELDS.
        Raises NotYoursToChange, Stale or DoctorAccountInactive.
        """
        if by is not None and not by.is_admin and changes.keys() - OWN_FIELDS:
            raise NotYoursToChange
        require_version(self.version, expected_version)
        updated = replace(self, **changes)
        if updated.active and not self.has_doctor_account:
            raise DoctorAccountInactive
        if updated.time_zone != self.time_zone:
            updated = updated.with_schedule(self.schedule.in_another_zone())
        return updated if updated == self else replace(updated, version=self.version + 1)

    def apply_account(self, role: Role, status: str, account_version: int) -> Self:
        """Return the doctor after a change of the account, or self if this or a newer version of the account was applied before.

        A doctor whose account is disabled or gets another role becomes inactive, and active again with the account. Any other change of the
        account, such as an accepted invitation, leaves `active` as the clinic decided.
        """
        if account_version <= self.account_version:
            return self
        has_account = role is Role.DOCTOR and status != "disabled"
        updated = replace(self, account_version=account_version, has_doctor_account=has_account)
        if has_account == self.has_doctor_account or has_account == self.active:
            return updated
        return replace(updated, active=has_account, version=self.version + 1)

    def with_schedule(self, schedule: Schedule) -> Self:
        """Return the doctor with another schedule."""
        return replace(self, schedule=schedule)

    def view_for(self, caller: Caller | None) -> Self:
        """Return self if the caller may see the doctor: active ones are public, inactive ones visible to admins and themselves.

        Raises NoSuchDoctor otherwise, and for pending doctors.
        """
        is_trusted = caller is not None and (caller.is_admin or caller.id == self.id)
        if self.pending or not (self.active or is_trusted):
            raise NoSuchDoctor
        return self

    def rules(self) -> DoctorRules:
        """Return what other services must know. Its version is the sum of the profile's and the schedule's, so both make it grow."""
        return DoctorRules(
            id=self.id, full_name=self.full_name, title=self.title, location=self.location, time_zone=self.time_zone,
            specialties=list(self.specialties), languages=list(self.languages), services=list(self.services),
            active=self.active and not self.pending, accepting_patients=self.accepting_patients,
            weekly=list(self.schedule.weekly), overrides=list(self.schedule.overrides), version=self.version + self.schedule.version,
        )  # fmt: skip

    def changed_event(self, event_id: UUID, occurred_at: datetime) -> DoctorChanged:
        """Return the event that announces the rules of this version."""
        rules = self.rules()
        return DoctorChanged(id=event_id, occurred_at=occurred_at, doctor_id=self.id, version=rules.version, rules=rules)
