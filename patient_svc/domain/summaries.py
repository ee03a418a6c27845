"""The summary of a medical history: what matters of it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from patient_svc.domain.records import ClinicalStatus, EntryFilter, MedicalEntry, MedicalEntryKind, Severity


@dataclass(frozen=True, slots=True)
class MedicalSummary:
    """What matters of a medical history now, each list with the latest entries first; retracted entries are left out.

    Allergies that are resolved stay, because the reaction may come back. The other lists have active conditions and medications, and the
    latest procedures and notes. All allergies are listed. `complete` is False when there are more active
    conditions or medications than are listed.
    """

    patient_id: UUID
    allergies: list[MedicalEntry]
    conditions: list[MedicalEntry]
    medications: list[MedicalEntry]
    procedures: list[MedicalEntry]
    notes: list[MedicalEntry]
    complete: bool


SEVERITY_ORDER = {Severity.SEVERE: 0, Severity.MODERATE: 1, Severity.MILD: 2, None: 3}
MAX_RECENT_ENTRIES = 10
"""How many procedures and notes a summary shows."""


LATEST_OF_KINDS = {
    MedicalEntryKind.PROCEDURE: EntryFilter((MedicalEntryKind.PROCEDURE,), retracted=False),
    MedicalEntryKind.NOTE: EntryFilter((MedicalEntryKind.NOTE,), retracted=False),
}
"""The entries of which a summary shows the MAX_RECENT_ENTRIES latest."""
ACTIVE_OF_KINDS = {
    MedicalEntryKind.CONDITION: EntryFilter((MedicalEntryKind.CONDITION,), (ClinicalStatus.ACTIVE,), retracted=False),
    MedicalEntryKind.MEDICATION: EntryFilter((MedicalEntryKind.MEDICATION,), (ClinicalStatus.ACTIVE,), retracted=False),
}
"""The entries of which a summary shows the latest, as many as a history may have."""
ALL_ALLERGIES = EntryFilter((MedicalEntryKind.ALLERGY,), retracted=False)
"""The entries that a summary shows without exception."""


def medical_summary(
    patient_id: UUID, allergies: list[MedicalEntry], entries: Mapping[MedicalEntryKind, list[MedicalEntry]], limit: int
) -> MedicalSummary:
    """Return the summary of a medical history. All lists come latest first, and without retracted entries.

    `entries` are those of LATEST_OF_KINDS and ACTIVE_OF_KINDS. Of active conditions and medications, `limit` are shown.
    """
    return MedicalSummary(
        patient_id,
        sorted(allergies, key=lambda entry: (entry.status is not ClinicalStatus.ACTIVE, SEVERITY_ORDER[entry.severity])),
        entries[MedicalEntryKind.CONDITION][:limit],
        entries[MedicalEntryKind.MEDICATION][:limit],
        entries[MedicalEntryKind.PROCEDURE],
        entries[MedicalEntryKind.NOTE],
        complete=all(len(entries[kind]) <= limit for kind in ACTIVE_OF_KINDS),
    )
