"""The events that notification-service consumes."""

from __future__ import annotations

from notify_svc.usecases.contacts import CachedContacts
from notify_svc.usecases.enqueue import MessageQueue
from notify_svc.usecases.erasure import RecipientErasure
from notify_svc.usecases.merged_patients import MergedRecipients
from notify_svc.usecases.reminders import ReminderPlanner
from shared.contracts.events import (
    AccountChanged,
    AccountInvited,
    AccountLocked,
    AppointmentEvent,
    BreakGlassOpened,
    DoctorChanged,
    PasswordChanged,
    PasswordResetRequested,
    PatientChanged,
    PatientErased,
    PatientMerged,
    PreferencesChanged,
    ServiceChanged,
    SettingsChanged,
)
from shared.kit.bus import handlers_for
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(
    runtime: ServiceRuntime, queue: MessageQueue, planner: ReminderPlanner, erasure: RecipientErasure, merges: MergedRecipients
) -> None:
    """Handle changes of appointments and of what reminders depend on, what is mailed about accounts and records, and patients who are
    erased or merged.
    """
    await runtime.subscribe(
        {
            **handlers_for(AppointmentEvent, queue.enqueue_appointment),
            AccountInvited: queue.enqueue_invitation,
            PasswordResetRequested: queue.enqueue_password_reset,
            PasswordChanged: queue.enqueue_password_changed,
            AccountLocked: queue.enqueue_account_locked,
            BreakGlassOpened: queue.enqueue_record_opened,
            PatientErased: erasure.erase,
            PatientMerged: merges.follow,
            PatientChanged: planner.plan_again_for_patient,
            PreferencesChanged: planner.plan_again_for_preferences,
            ServiceChanged: planner.plan_again_for_service,
            SettingsChanged: planner.plan_again_for_clinic,
        }
    )


async def subscribe_to_changes(runtime: ServiceRuntime, contacts: CachedContacts) -> None:
    """Forget people and service types that have changed, on every instance."""
    await runtime.bus.subscribe_broadcast(
        {
            AccountChanged: contacts.forget_account,
            PatientErased: contacts.forget_erased,
            PatientMerged: contacts.forget_merged,
            PatientChanged: contacts.forget_patient,
            PreferencesChanged: contacts.forget_patient,
            DoctorChanged: contacts.forget_doctor,
            ServiceChanged: contacts.forget_service,
        }
    )
