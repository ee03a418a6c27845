"""Leases: of several instances of a service, one does a job."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from shared.kit.clock import Clock

TERM = timedelta(seconds=15)


class Leases(Protocol):
    """Where leases are kept."""

    async def acquire(self, name: str, holder: str) -> bool:
        """True: `holder` has it for TERM from now."""

    async def release_all(self, holder: str) -> None: ...


class LeaseHolder:
    """One instance's leases; it asks the store only when half of a term is over."""

    def __init__(self, leases: Leases, name: str, now: Clock) -> None:
        self._leases, self._name, self._now = leases, name, now
        self._until: dict[str, datetime] = {}

    async def acquire(self, job: str) -> bool:
        """True while this instance may do the job for at least half a term from now."""
        now = self._now()
        if not now < self._until.get(job, now) - TERM / 2 < now + TERM:
            self._until[job] = now + TERM if await self._leases.acquire(job, self._name) else now
        return self._until[job] > now

    async def release_all(self) -> None:
        self._until.clear()
        await self._leases.release_all(self._name)
