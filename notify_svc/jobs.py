"""The jobs of notification-service."""

from __future__ import annotations

from collections.abc import Callable

from notify_svc.usecases.compare import AppointmentComparison
from notify_svc.usecases.deliver_webhooks import WebhookDispatcher
from notify_svc.usecases.digests import DigestQueue
from notify_svc.usecases.due_work import DueWorkFinder
from notify_svc.usecases.maintain_webhooks import WebhookMaintenance
from notify_svc.usecases.merged_patients import MergedRecipients
from notify_svc.usecases.message_log import MessageRetention
from notify_svc.usecases.reminders import ReminderPlanner
from notify_svc.usecases.reminders_due import ReminderQueue
from notify_svc.usecases.send import MessageSender
from notify_svc.usecases.visit_retention import NotifiedVisitRetention
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder

COLLECT_SECONDS = 0.2
"""How long a mail waits for others, so that one transaction takes them in hand and one request asks for their contacts and links."""
COLLECT_VISITS_SECONDS = 4.0
"""How long a visit waits for others, so that their reminders are planned together."""
UNWOKEN_SECONDS = 60.0
"""The interval of jobs that `wake_due_jobs` wakes every second when something is due."""


def schedule_message_jobs(jobs: Jobs, sender: MessageSender, retention: MessageRetention, holder: LeaseHolder) -> Callable[[], None]:
    """Add the jobs of messages. All instances send due messages; the other jobs run on one instance at a time, the holder of the lease.

    Returns the function that runs `send_due_messages` at once.
    """
    jobs.add("delete_old_messages", retention.delete_old, every_seconds=3600, holder=holder)
    jobs.add("recover_abandoned_messages", sender.recover_abandoned, every_seconds=10, holder=holder)
    # The interval is that of results which the database did not take.
    return jobs.add("send_due_messages", sender.send_due, every_seconds=5, collect_seconds=COLLECT_SECONDS)


def schedule_reminder_jobs(
    jobs: Jobs, planner: ReminderPlanner, reminders: ReminderQueue, digests: DigestQueue, holder: LeaseHolder
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Add the jobs that queue reminders and digests. Reminders are planned and queued by all instances together.

    Returns the functions that run `plan_reminders` soon, and `queue_due_reminders` at once.
    """
    wake_planner = jobs.add("plan_reminders", planner.plan_due, every_seconds=UNWOKEN_SECONDS, collect_seconds=COLLECT_VISITS_SECONDS)
    wake_queue = jobs.add("queue_due_reminders", reminders.queue_due, every_seconds=UNWOKEN_SECONDS)
    jobs.add("delete_ended_reminders", reminders.delete_ended, every_seconds=3600, holder=holder)
    jobs.add("queue_due_digests", digests.queue_due, every_seconds=60, holder=holder)
    return wake_planner, wake_queue


def schedule_visit_retention(jobs: Jobs, visits: NotifiedVisitRetention, holder: LeaseHolder) -> None:
    """Add the job that deletes visits and digests of long ago."""
    jobs.add("delete_old_visits", visits.delete_old, every_seconds=3600, holder=holder)


def schedule_merges(jobs: Jobs, merges: MergedRecipients, holder: LeaseHolder) -> None:
    """Add the job that finds what was stored for merged patients after they were merged."""
    jobs.add("follow_late_merges", merges.follow_late, every_seconds=60, holder=holder)


def schedule_due_work(jobs: Jobs, finder: DueWorkFinder) -> None:
    """Add the job that wakes those with due work, on every instance."""
    jobs.add("wake_due_jobs", finder.wake_jobs, every_seconds=1)


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
    wake_job = jobs.add("send_webhooks", dispatcher.send_due, every_seconds=UNWOKEN_SECONDS)

    def wake() -> None:
        dispatcher.wake()
        wake_job()

    return wake
