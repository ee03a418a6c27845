"""Preferences of doctors and patients, as the links in mails change them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from notify_svc.domain.doctor_preferences import DoctorPreferences


class DoctorPreferencesTransaction(Protocol):
    """A transaction: it commits on leaving and rolls back on any exception."""

    async def lock_doctor_preferences(self, doctor_id: UUID, now: datetime) -> DoctorPreferences:
        """Return a doctor's preferences, the default ones if there are none; no other transaction changes them until this one ends."""

    async def save_doctor_preferences(self, preferences: DoctorPreferences) -> None:
        """Replace preferences that are locked."""


class DoctorPreferencesStore(Protocol):
    """The stored preferences of doctors."""

    def begin(self) -> AbstractAsyncContextManager[DoctorPreferencesTransaction]:
        """Open a transaction."""

    async def find_doctor_preferences(self, doctor_id: UUID) -> DoctorPreferences | None:
        """Return a doctor's preferences; None if the doctor has not decided yet."""


class PatientReminders(Protocol):
    """patient-service, which owns the preferences of patients."""

    async def end_reminders(self, patient_id: UUID) -> None:
        """Choose no reminders for a patient; a patient who does not exist any more has none. Raises Unavailable."""
