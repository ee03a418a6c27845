"""Finds the addresses of hosts with the system's resolver, in a bounded number of threads that nothing else uses."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

MAX_LOOKUPS = 64
MAX_LOOKUPS_PER_WEBHOOK = 2
"""With the largest number of webhooks fewer than MAX_LOOKUPS, so that hosts whose name servers hang leave room for all others."""
FindAddresses = Callable[[str], list[str]]


class LookupTookTooLong(OSError):
    """The addresses of a host are not found in time, or too many lookups are running already."""


def find_addresses(host: str) -> list[str]:
    """Return the addresses of a host as the system finds them. Raises OSError if there are none, UnicodeError for an impossible name."""
    return list(dict.fromkeys(str(address[0]) for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)))


@dataclass(frozen=True, slots=True)
class RunningLookup:
    """A lookup in a thread, which nothing can end. `result` becomes the addresses, or the exception with which the lookup ended."""

    webhook_id: UUID | None
    started_at: float
    result: asyncio.Future[list[str] | Exception]


@dataclass(slots=True)
class HostLookups:
    """The lookups that are running, by host.

    A second question for a host waits for the lookup that is running, as long as a first one would have waited for it. So a host whose
    name servers hang has one thread.
    """

    find: FindAddresses = find_addresses
    _running: dict[str, RunningLookup] = field(default_factory=dict)

    async def find_addresses(self, host: str, webhook_id: UUID | None, timeout_seconds: float) -> list[str]:
        """Return the addresses of a host. `webhook_id` is None when the URL of a webhook is being saved.

        Raises LookupTookTooLong, OSError if the host is not found, and UnicodeError for an impossible name.
        """
        lookup = self._running.get(host) or self._start(host, webhook_id)
        try:
            async with asyncio.timeout_at(lookup.started_at + timeout_seconds):
                result = await asyncio.shield(lookup.result)
        except TimeoutError:
            raise LookupTookTooLong from None
        if isinstance(result, Exception):
            raise result
        return result

    def _start(self, host: str, webhook_id: UUID | None) -> RunningLookup:
        running = self._running.values()
        if len(running) >= MAX_LOOKUPS or sum(lookup.webhook_id == webhook_id for lookup in running) >= MAX_LOOKUPS_PER_WEBHOOK:
            raise LookupTookTooLong
        loop = asyncio.get_running_loop()
        lookup = self._running[host] = RunningLookup(webhook_id, loop.time(), loop.create_future())

        def end(result: list[str] | Exception) -> None:
            del self._running[host]
            if not lookup.result.done():
                lookup.result.set_result(result)

        def run() -> None:
            result = self._find(host)
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(end, result)

        threading.Thread(target=run, name="host-lookup", daemon=True).start()  # a daemon, so that no lookup delays the end of the process
        return lookup

    def _find(self, host: str) -> list[str] | Exception:
        try:
            return self.find(host)
        except Exception as error:
            return error
