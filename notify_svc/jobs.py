"""The jobs of notification-service."""

from __future__ import annotations

from collections.abc import Callable

from notify_svc.usecases.compare import AppointmentComparison
from notify_svc.usecases.deliver_webhooks import WebhookDispatcher
from notify_svc.usecases.digests import DigestQueue
from notify_svc.usecases.maintain_webhooks import WebhookMaintenance
from notify_svc.usecases.message_log import MessageRetention
from notify_svc.usecases.reminders import ReminderPlanner
from notify_svc.usecases.reminders_due import ReminderQueue
from notify_svc.usecases.send import MessageSender
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule_message_jobs(jobs: Jobs, sender: MessageSender, retention: MessageRetention, holder: LeaseHolder) -> Callable[[], None]:
    """Add the jobs of messages. All instances send due messages; the other jobs run on one instance at a time, the holder of the lease.

    Returns the function that runs `send_due_messages` at once.
    """
    jobs.add("delete_old_messages", retention.delete_old, every_seconds=3600, holder=holder)
    jobs.add("recover_abandoned_messages", sender.recover_abandoned, every_seconds=10, holder=holder)
    return jobs.add("send_due_messages", sender.send_due, every_seconds=1)


def schedule_reminder_jobs(
    jobs: Jobs, planner: ReminderPlanner, reminders: ReminderQueue, digests: DigestQueue, holder: LeaseHolder
) -> None:
    """Add the jobs that queue reminders and digests. Reminders are planned and queued by all instances together."""
    jobs.add("plan_reminders", planner.plan_due, every_seconds=5)
    jobs.add("queue_due_reminders", reminders.queue_due, every_seconds=5)
    jobs.add("delete_ended_reminders", reminders.delete_ended, every_seconds=3600, holder=holder)
    jobs.add("queue_due_digests", digests.queue_due, every_seconds=60, holder=holder)


def schedule_comparison(jobs: Jobs, comparison: AppointmentComparison, holder: LeaseHolder) -> None:
    """Add the job that handles events which did not arrive."""
    jobs.add("compare_with_appointments", comparison.compare, every_seconds=300, holder=holder)


def schedule_webhook_jobs(
    jobs: Jobs, dispatcher: WebhookDispatcher, maintenance: WebhookMaintenance, holder: LeaseHolder
) -> Callable[[], None]:
    """Add the jobs of webhooks. `send_webhooks` runs on all instances at the same time, the others on the holder of their lease.

    Returns the function that makes `send_webhooks` look for due deliveries at once.
    """
    jobs.add("pause_failing_webhooks", maintenance.pause_failing, every_seconds=60, holder=holder)
    jobs.add("prune_webhook_deliveries", maintenance.prune, every_seconds=3600, holder=holder)
    wake_job = jobs.add("send_webhooks", dispatcher.send_due, every_seconds=1)

    def wake() -> None:
        dispatcher.wake()
        wake_job()

    return wake
