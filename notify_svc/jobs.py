"""The jobs of notification-service."""

from __future__ import annotations

from collections.abc import Callable

from notify_svc.usecases.send import MessageSender
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule_jobs(jobs: Jobs, sender: MessageSender, holder: LeaseHolder) -> Callable[[], None]:
    """Add the jobs. All instances send due messages; abandoned ones are recovered by one at a time, the holder of the lease.

    Returns the function that runs `send_due_messages` at once.
    """
    jobs.add("recover_abandoned_messages", sender.recover_abandoned, every_seconds=10, holder=holder)
    return jobs.add("send_due_messages", sender.send_due, every_seconds=1)
