"""Entries of medical histories: who may write them, and how they are corrected and retracted. They are never erased one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from patient_svc.domain.access import Relation
from patient_svc.domain.codes import MedicalCode
from shared.contracts.identity import Caller
from shared.contracts.refusals import Conflict, Forbidden, Invalid, NotFound, facts, require_version


class MedicalEntryKind(StrEnum):
    """What an entry is about, as FHIR's Condition, AllergyIntolerance, MedicationStatement and Procedure; `note` is free text."""

    CONDITION = "condition"
    ALLERGY = "allergy"
    MEDICATION = "medication"
    PROCEDURE = "procedure"
    NOTE = "note"


class ClinicalStatus(StrEnum):
    """Whether a condition, an allergy or a medication still matters (FHIR's clinical status)."""

    ACTIVE = "active"
    RESOLVED = "resolved"
    INACTIVE = "inactive"


class Severity(StrEnum):
    """How severe the reaction to an allergen is (FHIR's reaction severity)."""

    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


class ReportedBy(StrEnum):
    """Who vouches for what an entry says: the patient (or a guardian), or a practitioner."""

    PATIENT = "patient"
    PRACTITIONER = "practitioner"

    @classmethod
    def of(cls, relation: Relation) -> ReportedBy:
        """Return who vouches for what a caller with this relation to the patient writes."""
        return cls.PRACTITIONER if relation is Relation.TREATING_DOCTOR else cls.PATIENT


KINDS_WITH_STATUS = frozenset({MedicalEntryKind.CONDITION, MedicalEntryKind.ALLERGY, MedicalEntryKind.MEDICATION})
KINDS_OF_FIELDS = {
    "status": KINDS_WITH_STATUS,
    "severity": frozenset({MedicalEntryKind.ALLERGY}),
    "dose": frozenset({MedicalEntryKind.MEDICATION}),
}
"""The kinds of entries that have a field. Fields that are not named belong to all kinds."""


MAX_VERSIONS = 200
"""How many versions an entry may have before it is retracted."""
STORED_PER_LIMIT = 10
"""How many entries of a kind, retracted ones included, are stored for each that a history may have."""


class NoSuchEntry(NotFound):
    """Raised when the patient's medical history has no such entry."""

    code = "no_such_entry"
    detail = "There is no such entry in this medical history."
    remedy = "List the entries again with `GET /patients/{id}/medical-history`."


class FieldNotForKind(Invalid):
    """Raised when a field does not belong to entries of this kind, such as a dose of an allergy."""

    code = "field_not_for_kind"
    detail = "Entries of this kind do not have this field."
    remedy = "Leave the field out. `status` is for conditions, allergies and medications, `severity` for allergies, `dose` for medications."
    example_pointers = ("/dose",)


class OnsetInTheFuture(Invalid):
    """Raised when the onset lies after today in the patient's time zone."""

    code = "onset_in_the_future"
    detail = "The date of the onset lies in the future."
    example_pointers = ("/onset_on",)


class OnsetBeforeBirth(Invalid):
    """Raised when the onset lies before the patient was born."""

    code = "onset_before_birth"
    detail = "The date of the onset lies before the patient was born."
    remedy = "Correct the date, or the date of birth in the profile."
    example_pointers = ("/onset_on",)


class TooManyEntries(Conflict):
    """Raised when a medical history has as many entries of a kind as it may have. The fact `limit` is that number."""

    code = "too_many_entries"
    detail = "This medical history has as many entries of this kind as it may have."
    remedy = "Correct an entry instead of adding one, or retract entries that are wrong: those do not count."
    example_facts = facts(limit=200)


class TooManyStoredEntries(Conflict):
    """Raised when a medical history stores as many entries of a kind, retracted ones included, as it may. `limit` is that number."""

    code = "too_many_stored_entries"
    detail = "This medical history stores as many entries of this kind as it may, with those that were retracted."
    remedy = "Correct an entry that is not retracted instead of adding one. Entries are never removed."
    example_facts = facts(limit=2000)


class TooManyVersions(Conflict):
    """Raised when an entry has as many versions as it may have. The fact `limit` is that number."""

    code = "too_many_versions"
    detail = "This entry has as many versions as it may have."
    remedy = "Retract the entry, which is always possible, and add a new one."
    example_facts = facts(limit=200)


class EntryRetracted(Conflict):
    """Raised when an entry that was retracted is to be corrected."""

    code = "entry_retracted"
    detail = "This entry was retracted and cannot be corrected any more."
    remedy = "Add a new entry."


class ReportedByPractitioner(Forbidden):
    """Raised when a patient or a guardian wants to change what a practitioner wrote."""

    code = "reported_by_practitioner"
    detail = "A practitioner wrote this entry; patients change only what they reported themselves."
    remedy = "Ask the doctor to correct the entry, or add an entry of your own."


@dataclass(frozen=True, slots=True)
class MedicalEntry:
    """One version of an entry of a medical history.

    `created_at` is when the first version was recorded, and `recorded_at` when `author_id` recorded this one; both are UTC. `reported_by`
    says who vouches for it. `retracted`: it was made in error (FHIR `entered-in-error`), and `retraction_reason` says why.
    """

    id: UUID
    patient_id: UUID
    kind: MedicalEntryKind
    title: str
    author_id: UUID
    reported_by: ReportedBy
    created_at: datetime
    recorded_at: datetime
    details: str | None = None
    onset_on: date | None = None
    status: ClinicalStatus | None = None
    severity: Severity | None = None
    dose: str | None = None
    code: MedicalCode | None = None
    version: int = 1
    retracted: bool = False
    retraction_reason: str | None = None

    def check(self, today: date, born_on: date | None) -> Self:
        """Return self. `today` is that of the patient.

        Raises FieldNotForKind, BadCode, OnsetInTheFuture or OnsetBeforeBirth.
        """
        for name, kinds in KINDS_OF_FIELDS.items():
            if getattr(self, name) is not None and self.kind not in kinds:
                raise FieldNotForKind(pointer=f"/{name}")
        if self.code is not None:
            self.code.check_form()
        if self.onset_on is not None and self.onset_on > today:
            raise OnsetInTheFuture(pointer="/onset_on")
        if self.onset_on is not None and born_on is not None and self.onset_on < born_on:
            raise OnsetBeforeBirth(pointer="/onset_on")
        return self

    def with_default_status(self) -> Self:
        """Return the entry with the status `active` if its kind has a status and it has none."""
        return replace(self, status=ClinicalStatus.ACTIVE) if self.status is None and self.kind in KINDS_WITH_STATUS else self

    def correct(self, changes: Mapping[str, Any], by: Caller, relation: Relation, at: datetime) -> Self:
        """Return a new version with some fields replaced, or self if nothing changes.

        A practitioner who corrects what the patient reported vouches for it from then on. Raises ReportedByPractitioner, EntryRetracted
        or TooManyVersions.
        """
        self._refuse_foreign_author(relation)
        if self.retracted:
            raise EntryRetracted
        updated = replace(self, **changes).with_default_status()
        if updated == self:
            return self
        if self.version >= MAX_VERSIONS:
            raise TooManyVersions(limit=MAX_VERSIONS)
        return updated._next_version(by, at, reported_by=ReportedBy.of(relation))

    def retract(self, reason: str | None, by: Caller, relation: Relation, at: datetime) -> Self:
        """Return a new version that says that the entry was made in error, or self if it was retracted before.

        An entry with MAX_VERSIONS gets this one, too: what is wrong must not stay.
        Raises ReportedByPractitioner.
        """
        self._refuse_foreign_author(relation)
        if self.retracted:
            return self
        return replace(self, retracted=True, retraction_reason=reason)._next_version(by, at, reported_by=self.reported_by)

    def require_version(self, expected: int | None) -> Self:
        """Return self. Raises Stale unless the caller read this version; None stands for any."""
        require_version(self.version, expected)
        return self

    def _refuse_foreign_author(self, relation: Relation) -> None:
        if relation is not Relation.TREATING_DOCTOR and self.reported_by is ReportedBy.PRACTITIONER:
            raise ReportedByPractitioner

    def _next_version(self, by: Caller, at: datetime, *, reported_by: ReportedBy) -> Self:
        return replace(self, author_id=by.id, reported_by=reported_by, recorded_at=at, version=self.version + 1)


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries a list shows; None shows all. Retracted entries are shown unless `retracted` is False."""

    kinds: tuple[MedicalEntryKind, ...] = ()
    statuses: tuple[ClinicalStatus, ...] = ()
    retracted: bool | None = None

    def has(self, kind: MedicalEntryKind, status: ClinicalStatus | None, *, is_retracted: bool) -> bool:
        """Return whether a list shows an entry of this kind and in this state."""
        has_kind, has_status = not self.kinds or kind in self.kinds, not self.statuses or status in self.statuses
        return has_kind and has_status and self.retracted in (None, is_retracted)


@dataclass(frozen=True, slots=True)
class EntryCounts:
    """How many entries of a kind a history has: `current` are not retracted, `stored` are all."""

    current: int
    stored: int

    def refuse_another(self, limit: int) -> None:
        """Raise TooManyEntries or TooManyStoredEntries when the history, which may have `limit` entries, may not have another one."""
        if self.current >= limit:
            raise TooManyEntries(limit=limit)
        if self.stored >= limit * STORED_PER_LIMIT:
            raise TooManyStoredEntries(limit=limit * STORED_PER_LIMIT)
