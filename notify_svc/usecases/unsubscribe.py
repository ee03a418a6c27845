"""Ending reminders and digests by the link in a mail."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from notify_svc.domain.unsubscribe_links import Subscription, SubscriptionKind, UnsubscribeLinks
from notify_svc.ports.doctor_preferences import PatientReminders
from notify_svc.ports.merged_patients import PatientMoveStore
from notify_svc.usecases.doctor_preferences import DoctorMailPreferences
from shared.contracts.clinic import CurrentClinic
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """The use cases of the links that end reminders and digests.

    Readers whose browser names no language that the pages have read that of the `clinic`.
    """

    links: UnsubscribeLinks
    reminders: PatientReminders
    doctors: DoctorMailPreferences
    merges: PatientMoveStore
    clinic: CurrentClinic

    def read(self, token: str) -> Subscription:
        """Return what a link ends, and change nothing. Raises NoSuchUnsubscribeLink."""
        return self.links.read(token)

    async def unsubscribe(self, token: str) -> Subscription:
        """End what the link names, and nothing else; return it. It may be repeated. Raises NoSuchUnsubscribeLink or Unavailable."""
        subscription = self.links.read(token)
        if subscription.kind is SubscriptionKind.REMINDERS:
            await self.reminders.end_reminders(await self._find_current_patient(subscription.person_id))
        else:
            await self.doctors.update(subscription.person_id, daily_digest=False, expected_version=None)
        return subscription

    @retry_on_abort
    async def _find_current_patient(self, patient_id: UUID) -> UUID:
        """Return the patient who gets the reminders now: the one of the mail may have been merged into another one since."""
        return await self.merges.find_current_patient(patient_id)
