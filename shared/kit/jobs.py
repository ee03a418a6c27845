"""Jobs: what a service does when the clock ticks or something nudges it; each under a lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from shared.contracts.refusals import Refusal
from shared.kit.cancellation import propagate_cancellation
from shared.kit.leases import LeaseHolder
from shared.kit.logs import log
from shared.kit.retry import TransactionAborted

Work = Callable[[], Awaitable[int]]


@dataclass(slots=True)
class Job:
    """`work` returns how many things it did; while it did some it runs again at once."""

    name: str
    work: Work
    every_seconds: float
    holder: LeaseHolder | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    done: int = 0

    async def once(self) -> int:
        """One run, after the one that is under way; what was done since this was asked for, by both."""
        before = self.done
        async with self.turn:
            self.done += await self._run()
        return self.done - before

    async def _run(self) -> int:
        """If this instance holds the lease. A failure is logged and tried again at the next tick."""
        try:
            if self.holder is not None and not await self.holder.acquire(self.name):
                return 0
            return await self.work()
        except (Refusal, TransactionAborted, OSError, TimeoutError) as why:
            log.warning("job waits", extra={"facts": {"job": self.name, "why": repr(why)}})
        except Exception:
            log.exception("job failed", extra={"facts": {"job": self.name}})
        return 0

    async def forever(self) -> None:
        while True:
            self.wake.clear()
            with propagate_cancellation():
                did = await self.once()
            if not did:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.every_seconds):  # not wait_for: see heeded
                        await self.wake.wait()


class BackgroundWork:
    """All that moves by itself in one process, so that development and tests can wait for it to come to rest."""

    def __init__(self) -> None:
        self.works: list[Work] = []

    async def settle(self) -> int:
        """Runs every job and delivers every message until a whole round does nothing; returns the rounds (at most 1,000)."""
        for rounds in range(1, 1000):
            if not sum([await work() for work in list(self.works)]):
                return rounds
        return 1000


class Jobs:
    """The jobs of one service instance; runs them while entered."""

    def __init__(self, pulse: BackgroundWork | None = None) -> None:
        self._jobs: list[Job] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._pulse = pulse
        self._holders: list[LeaseHolder] = []

    def add(self, name: str, work: Work, *, every_seconds: float, holder: LeaseHolder | None = None) -> Callable[[], None]:
        """Adds a job and gives its nudge."""
        job = Job(name, work, every_seconds, holder)
        self._jobs.append(job)
        if holder is not None and holder not in self._holders:
            self._holders.append(holder)
        return job.wake.set

    async def __aenter__(self) -> Jobs:
        self._tasks = [asyncio.create_task(job.forever(), name=job.name) for job in self._jobs]
        if self._pulse is not None:
            self._pulse.works += [job.once for job in self._jobs]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._pulse is not None:
            mine = [job.once for job in self._jobs]
            self._pulse.works = [work for work in self._pulse.works if work not in mine]
        for holder in self._holders:
            with suppress(Exception):
                await holder.release_all()
