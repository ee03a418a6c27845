"""The rules of patients' profiles, and who may see how much of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from patient_svc.domain.guardians import Dependant, HasAccount
from patient_svc.domain.identifiers import Identifier
from patient_svc.domain.preferences import Preferences
from shared.contracts.clinic import ClinicProfile
from shared.contracts.events import PatientChanged, PreferencesChanged
from shared.contracts.http import CreatePatient
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Conflict, Forbidden, Invalid, facts, require_version
from shared.contracts.relayed_refusals import NoSuchPatient


class BornLater(Invalid):
    """Raised when the date of birth lies after today in the patient's time zone."""

    code = "born_later"
    detail = "The date of birth lies in the future."
    example_pointers = ("/born_on",)


CONTACT_FIELDS = frozenset(
    {
        "phone",
        "email",
        "address",
        "emergency_contact",
        "preferred_contact",
        "reminders_consent",
        "time_zone",
        "locale",
        "identifiers",
    }
)
"""The fields of a profile that reception may change. The others say who the patient is, and are changed by admins."""


class ContactFieldsOnly(Forbidden):
    """Raised when reception changes a field that is not one of CONTACT_FIELDS. The fact `fields` names those that it may not change."""

    code = "contact_fields_only"
    detail = "Reception may change contact fields and identifiers only."
    remedy = "Leave out the fields that `fields` names, or ask an admin to change them."
    example_facts = facts(fields=["full_name", "born_on"])


class AddressOfAccount(Conflict):
    """Raised when staff give an email address to a patient with an account, which has the address."""

    code = "address_of_account"
    detail = "This patient has an account, and the email address is that of the account."
    remedy = "Change the address of the account with `PATCH /admin/users/{id}`."
    example_pointers = ("/email",)


class PreferredContact(StrEnum):
    """How the clinic is asked to contact a patient. It is information for staff and changes no mails about visits."""

    EMAIL = "email"
    PHONE = "phone"
    NONE = "none"


class Sex(StrEnum):
    """FHIR's administrative gender (HL7 FHIR R5, value set administrative-gender)."""

    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


def check_fields_of(caller: Caller, fields: Collection[str]) -> None:
    """Raise ContactFieldsOnly if the caller, who is staff, may not change one of the fields of a patient."""
    refused = sorted(set(fields) - CONTACT_FIELDS)
    if refused and not caller.is_admin:
        raise ContactFieldsOnly(fields=refused)


@dataclass(frozen=True, slots=True)
class Patient:
    """The profile of a patient. `time_zone` and `locale` are None for patients who have those of the clinic.

    `active`: the account, as of its version `account_version`, has the role patient and is not disabled. Walk-ins and dependants have no
    account (`has_account` is False) and stay active; only they have an `email` here. `version` is that of the profile; the preferences
    have their own. `reminders_consent`: the patient agrees to reminders. Preferences show it, and the locale, too. `merged_into`: this is
    what remains of a patient who was merged into another one: an id without any data of a person.
    """

    id: UUID
    full_name: str
    time_zone: str | None
    locale: str | None
    phone: str | None = None
    email: str | None = None
    born_on: date | None = None
    sex: Sex | None = None
    address: dict[str, Any] | None = None
    emergency_contact: dict[str, Any] | None = None
    active: bool = True
    has_account: bool = False
    account_version: int = 0
    version: int = 1
    identifiers: tuple[Identifier, ...] = ()
    preferred_contact: PreferredContact | None = None
    reminders_consent: bool = True
    merged_into: UUID | None = None
    preferences: Preferences = field(default_factory=Preferences)

    @classmethod
    def from_request(cls, patient_id: UUID, request: CreatePatient) -> Self:
        """Return the profile of a new patient with an account."""
        return cls(patient_id, request.full_name, request.time_zone, request.locale, request.phone, has_account=True)

    @classmethod
    def of_dependant(cls, dependant: Dependant, guardian: Patient) -> Self:
        """Return the profile of a new dependant, who has the time zone, the locale and the preferences of the guardian."""
        return cls(
            dependant.id,
            dependant.full_name,
            guardian.time_zone,
            guardian.locale,
            born_on=dependant.born_on,
            reminders_consent=guardian.reminders_consent,
            preferences=replace(guardian.preferences, version=1),
        )

    def in_clinic(self, clinic: ClinicProfile) -> Self:
        """Return the profile with time zone and locale in effect: the patient's own, or those of the clinic."""
        return replace(self, time_zone=self.time_zone or clinic.time_zone, locale=self.locale or clinic.locale)

    def check_born_on(self, now: datetime, clinic: ClinicProfile) -> Self:
        """Return self. Raises BornLater when the date of birth lies after today in the patient's time zone."""
        today = now.astimezone(ZoneInfo(self.time_zone or clinic.time_zone)).date()
        if self.born_on is not None and self.born_on > today:
            raise BornLater(pointer="/born_on")
        return self

    def update(self, changes: Mapping[str, Any], expected_version: int | None, now: datetime, *, clinic: ClinicProfile) -> Self:
        """Return the profile with some fields replaced and a new version, or self if nothing changes.

        A new locale or consent is a new version of the preferences too, because they show it. Raises Stale, or BornLater when the date of
        birth lies after today in the patient's time zone.
        """
        require_version(self.version, expected_version)
        updated = replace(self, **changes).check_born_on(now, clinic)
        return self if updated == self else updated._with_version_after(self, now)

    def fill(self, values: Mapping[str, Any], now: datetime) -> Self:
        """Return the profile with fields that were empty, in a new version, also if there are none: its guardians may be others now."""
        return replace(self, **values)._with_version_after(self, now)

    @property
    def wants_reminders(self) -> bool:
        """Whether the patient agrees to reminders, and has not chosen to get none."""
        return self.reminders_consent and self.preferences.reminder_offsets_minutes != ()

    def remove_identity(self, merged_into: UUID) -> Self:
        """Return what remains of a patient who is merged into another one."""
        preferences = Preferences(version=self.preferences.version + 1)
        remainder = type(self)(self.id, "", None, None, active=False, reminders_consent=False, preferences=preferences)
        return replace(remainder, account_version=self.account_version, version=self.version + 1, merged_into=merged_into)

    def _with_version_after(self, before: Patient, now: datetime) -> Self:
        """Return this changed profile with the version after `before`, and new preferences where they show what has changed."""
        preferences = self.preferences
        if self._shown_by_preferences != before._shown_by_preferences:
            preferences = self._preferences_after(before, now).next_version()
        return replace(self, preferences=preferences, version=before.version + 1)

    def check_address(self) -> Self:
        """Return self. Raises AddressOfAccount for a patient with an account and an address here."""
        if self.email is not None and self.has_account:
            raise AddressOfAccount(pointer="/email")
        return self

    def with_preferences(
        self, preferences: Preferences, profile_changes: Mapping[str, Any], expected_version: int | None, now: datetime
    ) -> Self:
        """Return the patient with other preferences in a new version, or self if nothing changes.

        `profile_changes` are fields of the profile that preferences show: `locale` and `reminders_consent`. A change of them is a new
        version of the profile too. `expected_version` is that of the preferences. Raises Stale.
        """
        require_version(self.preferences.version, expected_version)
        changed = self.preferences.change_to(preferences.reminder_offsets_minutes, preferences.quiet_hours, now)
        updated = replace(self, preferences=changed, **profile_changes)
        if updated == self:
            return self
        version = self.version if updated._shown_by_preferences == self._shown_by_preferences else self.version + 1
        return replace(updated, preferences=updated._preferences_after(self, now).next_version(), version=version)

    @property
    def _shown_by_preferences(self) -> tuple[str | None, bool]:
        return self.locale, self.reminders_consent

    def _preferences_after(self, before: Patient, now: datetime) -> Preferences:
        """Return the preferences. If the consent is another than before, their offsets count since now, so that no old reminder is sent."""
        is_same = self.reminders_consent is before.reminders_consent
        return self.preferences if is_same else replace(self.preferences, offsets_changed_at=now)

    def without_reminders(self, now: datetime) -> Self:
        """Return the patient with preferences by which no reminders are sent, or self if there are none already."""
        return self.with_preferences(replace(self.preferences, reminder_offsets_minutes=()), {}, None, now)

    def require_guardians_allowed(self, adults_born_until: date) -> Self:
        """Return self. Raises HasAccount for a patient with an account, unless the patient is a minor: born after `adults_born_until`."""
        is_minor = self.born_on is not None and self.born_on > adults_born_until
        if self.has_account and not is_minor:
            raise HasAccount
        return self

    def next_version(self) -> Self:
        """Return the profile with a new version, because its guardians have changed, of whom other services have copies."""
        return replace(self, version=self.version + 1)

    def apply_account(self, role: Role, status: str, account_version: int) -> Self:
        """Return the profile after a change of its account, or self if this or a newer version of the account was applied before."""
        if account_version <= self.account_version:
            return self
        is_active = role is Role.PATIENT and status != "disabled"
        updated = replace(self, account_version=account_version, has_account=True)
        return updated if is_active == self.active else replace(updated, active=is_active, version=self.version + 1)

    def changed_event(self, event_id: UUID, occurred_at: datetime) -> PatientChanged:
        """Return the event that announces this version."""
        return PatientChanged(id=event_id, occurred_at=occurred_at, patient_id=self.id, version=self.version)

    def preferences_event(self, event_id: UUID, occurred_at: datetime) -> PreferencesChanged:
        """Return the event that announces this version of the preferences."""
        version = self.preferences.version
        return PreferencesChanged(id=event_id, occurred_at=occurred_at, patient_id=self.id, version=version)

    def view_for(self, caller: Caller, is_treating: bool) -> Self:
        """Return as much of the profile as the caller may see. Raises NoSuchPatient for callers who may see nothing.

        The patient, doctors who are treating them and admins see all; reception sees neither date of birth nor sex.
        """
        if caller.role is Role.RECEPTION:
            return replace(self, born_on=None, sex=None)
        is_self = caller.role is Role.PATIENT and caller.id == self.id
        if caller.is_admin or is_self or (caller.role is Role.DOCTOR and is_treating):
            return self
        raise NoSuchPatient
