"""Jobs: work that a service does at intervals, or at once when it is woken, on one instance at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from shared.contracts.refusals import Refusal
from shared.kit.cancellation import propagate_cancellation
from shared.kit.error_texts import describe_error
from shared.kit.leases import LeaseHolder
from shared.kit.logs import log_event
from shared.kit.retry import TransactionAborted

MAX_ROUNDS = 1000
Work = Callable[[], Awaitable[int]]
"""Handles some of the items that are due and returns how many it handled; 0 means that nothing is left to do now."""


@dataclass(slots=True)
class Job:
    """Runs `work` every `every_seconds`, at once when it is woken, and again at once while it returns `batch` or more.

    A run that handles fewer items than `batch` has found everything that is due, so looking once more would be in vain.

    With a `holder` it runs only on the instance that holds the lease of the job's name. It runs `collect_seconds` after it was woken, so
    that one run handles what comes meanwhile.
    """

    name: str
    work: Work
    every_seconds: float
    holder: LeaseHolder | None = None
    batch: int = 1
    collect_seconds: float = 0.0
    _wake_event: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _run_lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _items_handled: int = field(default=0, init=False)
    _items_counted: int = field(default=0, init=False)

    def wake(self) -> None:
        """Make the job run now, or once more if it is running."""
        self._wake_event.set()

    async def run_and_count(self) -> int:
        """Run the job once, after a run that is already under way.

        Returns how many items all runs handled since the last call, because a caller that waits until the system is idle must also count
        those of the runs that waking started.
        """
        await self.run_once()
        count = self._items_handled - self._items_counted
        self._items_counted = self._items_handled
        return count

    async def run_once(self) -> int:
        """Run the job once, after a run that is already under way. Returns how many items both runs handled since this call."""
        before = self._items_handled
        async with self._run_lock:
            self._items_handled += await self._run_if_leased()
        return self._items_handled - before

    async def run_forever(self) -> None:
        """Run the job at its interval until the task is cancelled."""
        while True:
            self._wake_event.clear()
            with propagate_cancellation():
                items_handled = await self.run_once()
            if items_handled < self.batch:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.every_seconds):  # asyncio.wait_for can lose a cancellation: see propagate_cancellation
                        await self._wake_event.wait()
                if self._wake_event.is_set() and self.collect_seconds:
                    await asyncio.sleep(self.collect_seconds)

    async def _run_if_leased(self) -> int:
        """Run the work if this instance holds the lease. A failure is logged and counts as 0; the job runs again at its next interval."""
        try:
            if self.holder is not None and not await self.holder.acquire(self.name):
                return 0
            return await self.work()
        except (Refusal, TransactionAborted, OSError, TimeoutError) as error:
            log_event("job_postponed", logging.WARNING, job=self.name, reason=describe_error(error))
        except Exception as error:
            log_event("job_failed", logging.ERROR, error=error, job=self.name)
        return 0


class BackgroundWork:
    """All jobs and message queues of one process, so that development and tests can wait until nothing is left to do."""

    def __init__(self) -> None:
        self._works: list[Work] = []

    def add(self, work: Work) -> None:
        """Let `run_until_idle` run `work`."""
        self._works.append(work)

    def remove(self, work: Work) -> None:
        """No longer let `run_until_idle` run `work`."""
        self._works.remove(work)

    async def run_until_idle(self) -> int:
        """Run everything in rounds until a whole round does nothing. Returns the number of rounds, at most MAX_ROUNDS."""
        for rounds in range(1, MAX_ROUNDS):
            if not sum([await work() for work in list(self._works)]):
                return rounds
        return MAX_ROUNDS


class Jobs:
    """The jobs of one service instance. They run while it is entered with `async with`; on leaving, their leases are released."""

    def __init__(self, background_work: BackgroundWork | None = None) -> None:
        self._background_work = background_work
        self._jobs: list[Job] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add(
        self,
        name: str,
        work: Work,
        *,
        every_seconds: float,
        holder: LeaseHolder | None = None,
        batch: int = 1,
        collect_seconds: float = 0.0,
    ) -> Callable[[], None]:
        """Add a job before entering. Returns the function that wakes it."""
        job = Job(name, work, every_seconds, holder, batch, collect_seconds)
        self._jobs.append(job)
        return job.wake

    async def __aenter__(self) -> Jobs:
        self._tasks = [asyncio.create_task(job.run_forever(), name=job.name) for job in self._jobs]
        if self._background_work is not None:
            for job in self._jobs:
                self._background_work.add(job.run_and_count)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._background_work is not None:
            for job in self._jobs:
                self._background_work.remove(job.run_and_count)
        for holder in {id(job.holder): job.holder for job in self._jobs if job.holder is not None}.values():
            with suppress(Exception):  # a lease that cannot be released ends by itself
                await holder.release_all()
