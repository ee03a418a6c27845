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
LONGEST_WAIT_SECONDS = 10.0
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
        """Strangers can send any key id; they must not make this service call the issuer each time."""
        return abs(self._clock().timestamp() - self._fetched_at) > REFETCH_AFTER_SECONDS

    async def _wait_for_fetch(self) -> None:
        """Join the fetch that is under way, or start one. It goes on when this caller is cancelled, for others may wait for it."""
        if self._fetching is None:
            context = contextvars.copy_context()
            context.run(deadline.set, None)  # the first caller's deadline is not the others'
            self._fetching = asyncio.create_task(self._fetch_keys(), name="fetch signing keys", context=context)
            self._fetching.add_done_callback(self._fetch_ended)
        try:
            async with asyncio.timeout(remaining_seconds(LONGEST_WAIT_SECONDS)):
                await asyncio.shield(self._fetching)
        except TimeoutError:
            raise Unavailable("The token issuer does not answer.", retry_after=2) from None

    async def _fetch_keys(self) -> None:
        self._keys = {key["kid"]: jwk.construct(key, "RS256") for key in await self._fetch()}
        self._fetched_at = self._clock().timestamp()

    def _fetch_ended(self, task: asyncio.Task[None]) -> None:
        """Forget the fetch, so that the next caller tries again after a failure."""
        self._fetching = None
        if not task.cancelled():
            task.exception()  # marks it as seen: every caller may have left before the fetch failed
