"""To whom the mails about a patient are sent."""

from __future__ import annotations

from uuid import UUID

from shared.contracts.contacts import PatientContact


def recipient_ids(patient: PatientContact) -> list[UUID]:
    """Return to whom mails about a patient, reminders included, are sent: the guardians, and the patient.

    A dependant without an account gets none. A patient whose profile is closed gets none, and then the guardians alone do.
    """
    is_recipient = patient.active and (patient.has_account or not patient.guardian_ids)
    return [*patient.guardian_ids, *([patient.id] if is_recipient else [])]


def reminded_ids(patient: PatientContact) -> list[UUID]:
    """Return who is reminded of a patient's visits. Nobody is without the consent of the patient, which staff may withdraw."""
    return recipient_ids(patient) if patient.reminders_consent else []
