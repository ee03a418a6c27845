"""Leases: only one instance of a service runs a job at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from shared.kit.clock import Clock

LEASE_DURATION = timedelta(seconds=15)


class Leases(Protocol):
    """The port to the store of leases, which all instances of a service share."""

    async def acquire(self, name: str, holder: str) -> bool:
        """Acquire or renew the lease for LEASE_DURATION from now. Returns False when another holder has it."""

    async def release_all(self, holder: str) -> None:
        """Release every lease of this holder."""


class LeaseHolder:
    """The leases of one instance. It renews a lease in the store only when half of LEASE_DURATION is over."""

    def __init__(self, leases: Leases, holder: str, now: Clock) -> None:
        self._leases, self._holder, self._now = leases, holder, now
        self._expires_at: dict[str, datetime] = {}

    async def acquire(self, name: str) -> bool:
        """Acquire or renew the lease where necessary. Returns True when this instance holds it."""
        now = self._now()
        renew_at = self._expires_at.get(name, now) - LEASE_DURATION / 2
        if not now < renew_at < now + LEASE_DURATION:  # the second comparison fails when the clock was set back
            is_held = await self._leases.acquire(name, self._holder)
            self._expires_at[name] = now + LEASE_DURATION if is_held else now
        return self._expires_at[name] > now

    async def release_all(self) -> None:
        """Release every lease of this instance, so that another instance need not wait until they expire."""
        self._expires_at.clear()
        await self._leases.release_all(self._holder)
