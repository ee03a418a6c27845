"""Waking the jobs that have something to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import pytest

from notify_svc.ports.due_work import DueWork
from notify_svc.usecases.due_work import DueWorkFinder, JobWakes
from tests.running import NOON

NOTHING = DueWork(messages=False, deliveries=False, visits=False, reminders=False)
JOBS = {"messages": "send", "deliveries": "webhooks", "visits": "plan", "reminders": "queue"}


@dataclass
class FakeDueWork:
    """A store in which `due` is due."""

    due: DueWork

    async def find_due_work(self, now: datetime, abandoned_before: datetime) -> DueWork:
        assert abandoned_before < now
        return self.due


async def woken_jobs(due: DueWork) -> set[str]:
    woken = set[str]()
    wakes = JobWakes(*(lambda name=name: woken.add(name) for name in JOBS.values()))
    assert await DueWorkFinder(FakeDueWork(due), lambda: NOON, wakes).wake_jobs() == 0
    return woken


@pytest.mark.parametrize("name", JOBS)
async def test_only_the_job_with_due_work_is_woken(name: str) -> None:
    assert await woken_jobs(DueWork(**asdict(NOTHING) | {name: True})) == {JOBS[name]}


async def test_no_job_is_woken_while_nothing_is_due() -> None:
    assert await woken_jobs(NOTHING) == set()
