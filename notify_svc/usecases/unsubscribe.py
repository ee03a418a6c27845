"""Ending reminders and digests by the link in a mail."""

from __future__ import annotations

from dataclasses import dataclass

from notify_svc.domain.unsubscribe_links import Subscription, SubscriptionKind, UnsubscribeLinks
from notify_svc.ports.doctor_preferences import PatientReminders
from notify_svc.usecases.doctor_preferences import DoctorMailPreferences


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """The use cases of the links that end reminders and digests.

    `clinic_locale` (BCP 47) is for readers whose browser names no language that the pages have.
    """

    links: UnsubscribeLinks
    reminders: PatientReminders
    doctors: DoctorMailPreferences
    clinic_locale: str

    def read(self, token: str) -> Subscription:
        """Return what a link ends, and change nothing. Raises NoSuchUnsubscribeLink."""
        return self.links.read(token)

    async def unsubscribe(self, token: str) -> Subscription:
        """End what the link names, and nothing else; return it. It may be repeated. Raises NoSuchUnsubscribeLink or Unavailable."""
        subscription = self.links.read(token)
        if subscription.kind is SubscriptionKind.REMINDERS:
            await self.reminders.end_reminders(subscription.person_id)
        else:
            await self.doctors.update(subscription.person_id, daily_digest=False, expected_version=None)
        return subscription
