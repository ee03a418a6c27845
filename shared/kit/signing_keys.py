"""The public keys of the token issuer (JWKS, RFC 7517), fetched when a token names a key that is not known yet."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

from jose import jwk

from shared.contracts.refusals import Unavailable
from shared.kit.clock import Clock
from shared.kit.deadlines import deadline, remaining_seconds

REFETCH_AFTER_SECONDS = 10
MAX_WAIT_SECONDS = 10.0
FetchKeys = Callable[[], Awaitable[list[dict[str, Any]]]]
"""Returns the keys of the issuer's JWKS document."""


class KeySet:
    """The issuer's public keys by key id (`kid`).

    An unknown key id makes the set fetch the keys again, at most every REFETCH_AFTER_SECONDS. All callers that wait share one fetch.
    """

    def __init__(self, fetch: FetchKeys, clock: Clock) -> None:
        self._fetch, self._clock = fetch, clock
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> Any:
        """Return the key, or None when the issuer has no such key. Raises what `fetch` raised, or Unavailable at the deadline."""
        if key_id not in self._keys and (self._fetching is not None or self._may_fetch_again()):
            await self._wait_for_fetch()
        return self._keys.get(key_id)

    def _may_fetch_again(self) -> bool:
        """Return whether the last fetch is long enough ago. Clients can send any key id and must not cause a fetch with each request."""
        return abs(self._clock().timestamp() - self._fetched_at) > REFETCH_AFTER_SECONDS

    async def _wait_for_fetch(self) -> None:
        """Wait for the fetch that is under way, or start one. A cancelled caller does not cancel it, because others may wait for it."""
        if self._fetching is None:
            context = contextvars.copy_context()
            context.run(deadline.set, None)  # the deadline of the first caller does not apply to the other callers
            self._fetching = asyncio.create_task(self._fetch_keys(), name="fetch signing keys", context=context)
            self._fetching.add_done_callback(self._forget_fetch)
        try:
            async with asyncio.timeout(remaining_seconds(MAX_WAIT_SECONDS)):
                await asyncio.shield(self._fetching)
        except TimeoutError:
            raise Unavailable("The token issuer does not answer.", retry_after=2) from None

    async def _fetch_keys(self) -> None:
        self._keys = {key["kid"]: jwk.construct(key, "RS256") for key in await self._fetch()}
        self._fetched_at = self._clock().timestamp()

    def _forget_fetch(self, task: asyncio.Task[None]) -> None:
        """Forget the fetch that has ended, so that the next caller tries again after a failure."""
        self._fetching = None
        if not task.cancelled():
            task.exception()  # asyncio reports an exception that is never read, and every caller may have been cancelled before
