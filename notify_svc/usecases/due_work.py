"""Waking the jobs that have something to do. One question for all of them costs less than one of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from notify_svc.domain.webhook_deliveries import ABANDONED_AFTER_SENDING_FOR
from notify_svc.ports.due_work import DueWorkStore
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class JobWakes:
    """The functions that wake the jobs of one instance."""

    send_messages: Callable[[], None]
    send_webhooks: Callable[[], None]
    plan_reminders: Callable[[], None]
    queue_reminders: Callable[[], None]


@dataclass(frozen=True, slots=True)
class DueWorkFinder:
    """Finds what has become due, or what other instances have stored."""

    store: DueWorkStore
    now: Clock
    wakes: JobWakes

    @retry_on_abort
    async def wake_jobs(self) -> int:
        """Wake the jobs with due work. Returns 0, because the jobs do the work."""
        now = self.now()
        due = await self.store.find_due_work(now, now - ABANDONED_AFTER_SENDING_FOR)
        jobs = (
            (due.messages, self.wakes.send_messages),
            (due.deliveries, self.wakes.send_webhooks),
            (due.visits, self.wakes.plan_reminders),
            (due.reminders, self.wakes.queue_reminders),
        )
        for is_due, wake in jobs:
            if is_due:
                wake()
        return 0
