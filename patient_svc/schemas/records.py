"""The bodies of medical histories."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field, StringConstraints

from patient_svc.domain.codes import CodeSystem, MedicalCode
from patient_svc.domain.records import ClinicalStatus, MedicalEntryKind, ReportedBy, Severity
from patient_svc.schemas.profiles import BornOn
from shared.contracts.texts import MultiLineText, NoControls, OneLineText, RequiredText
from shared.contracts.values import Instant, PatchModel, ReadModel, RequestModel

CodeText = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9.!*+-]{0,31}$"), NoControls, Field(examples=["J45.9"])
]


class MedicalCodeBody(RequestModel):
    """A code of a system of medical terms. Its form is checked, not whether the system has it."""

    system: CodeSystem
    code: CodeText

    def to_code(self) -> MedicalCode:
        """Return the code of the domain."""
        return MedicalCode(self.system, self.code)


class AddMedicalEntry(RequestModel):
    """A new entry. `status` is for conditions, allergies and medications (`active` unless sent), `severity` for allergies, `dose` for
    medications."""

    kind: MedicalEntryKind
    title: OneLineText
    details: MultiLineText | None = None
    onset_on: BornOn | None = None
    status: ClinicalStatus | None = None
    severity: Severity | None = None
    dose: OneLineText | None = None
    code: MedicalCodeBody | None = None

    @property
    def content(self) -> dict[str, Any]:
        """The fields of the entry but its kind."""
        return {name: _plain(getattr(self, name)) for name in type(self).model_fields if name != "kind"}


class CorrectMedicalEntry(PatchModel):
    """Fields that are left out stay as they are; null removes an optional field. The kind of an entry cannot be changed."""

    nullable_fields: ClassVar = frozenset({"details", "onset_on", "severity", "dose", "code"})

    title: OneLineText | None = None
    details: MultiLineText | None = None
    onset_on: BornOn | None = None
    status: ClinicalStatus | None = None
    severity: Severity | None = None
    dose: OneLineText | None = None
    code: MedicalCodeBody | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were sent, in the types of the domain."""
        return {name: _plain(value) for name, value in super().changes.items()}


class RetractMedicalEntry(RequestModel):
    """Why an entry was made in error."""

    reason: RequiredText | None = None


class OpenBreakGlass(RequestModel):
    """Why an admin must read the medical history. The reason is stored encrypted."""

    reason: RequiredText


class MedicalCodeOut(ReadModel):
    """A code of a system of medical terms."""

    system: CodeSystem
    code: str


class MedicalEntryOut(ReadModel):
    """A version of an entry.

    `reported_by` says who vouches for it, and `author_id` who wrote it at `recorded_at`. `created_at` is the time of the first version. A
    `retracted` entry was made in error (FHIR `entered-in-error`).
    """

    id: UUID
    patient_id: UUID
    kind: MedicalEntryKind
    title: str
    details: str | None
    onset_on: date | None
    status: ClinicalStatus | None
    severity: Severity | None
    dose: str | None
    code: MedicalCodeOut | None
    reported_by: ReportedBy
    author_id: UUID
    created_at: Instant
    recorded_at: Instant
    retracted: bool
    retraction_reason: str | None
    version: int


class MedicalSummaryOut(ReadModel):
    """What matters of a medical history now, without retracted entries, the latest first.

    All allergies are listed, active and severe ones first; those that are resolved stay. Conditions and medications are the active ones,
    procedures and notes the ten latest. `complete` is false when there are more active conditions or medications than are listed.
    """

    patient_id: UUID
    allergies: list[MedicalEntryOut]
    conditions: list[MedicalEntryOut]
    medications: list[MedicalEntryOut]
    procedures: list[MedicalEntryOut]
    notes: list[MedicalEntryOut]
    complete: bool


class BreakGlassOut(ReadModel):
    """An access to a medical history by break-glass; it ends at `expires_at`."""

    id: UUID
    patient_id: UUID
    opened_at: Instant
    expires_at: Instant


class BreakGlassReasonOut(BreakGlassOut):
    """An access by break-glass as admins see it afterwards: who opened the medical history, and why."""

    admin_id: UUID
    reason: str = Field(examples=["Unconscious after an accident"])


def _plain(value: Any) -> Any:
    return value.to_code() if isinstance(value, MedicalCodeBody) else value
