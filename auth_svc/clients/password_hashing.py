"""Password hashing with argon2id (RFC 9106; 19 MiB, two passes, one lane) in a few threads, with a bounded queue and a bounded wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from auth_svc.domain.passwords import MAX_LENGTH, normalize_password
from shared.contracts.refusals import Unavailable

T = TypeVar("T")
MAX_WAIT_SECONDS = 2.0


class Argon2Hasher:
    """Implements the port PasswordHasher. Open it with `async with`.

    At most `queue_length` calls wait for one of the threads, each for `max_wait_seconds` at most.
    """

    def __init__(self, threads: int, queue_length: int, *, max_wait_seconds: float = MAX_WAIT_SECONDS) -> None:
        self._argon2 = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._pool = ThreadPoolExecutor(threads, "argon2")
        self._free_threads = asyncio.Semaphore(threads)
        self._free_places, self._max_wait_seconds = threads + queue_length, max_wait_seconds

    async def __aenter__(self) -> Self:
        self._dummy_hash = await self.hash("the dummy password")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        return await self.run(lambda: self._argon2.hash(normalize_password(password)))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Without a hash, verify a dummy hash, so that the response time does not show whether the account exists."""
        truncated = password[:MAX_LENGTH]
        is_correct = await self.run(lambda: self._verify(password_hash or self._dummy_hash, normalize_password(truncated)))
        return is_correct and password_hash is not None and truncated == password

    def is_outdated(self, password_hash: str) -> bool:
        return self._argon2.check_needs_rehash(password_hash)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread and return its result. Raises Unavailable when too many calls wait, or this one waited too long."""
        if self._free_places <= 0:
            raise _too_busy()
        self._free_places -= 1
        try:
            await self._wait_for_thread()
            return await self._run_in_free_thread(work)
        finally:
            self._free_places += 1

    async def _wait_for_thread(self) -> None:
        try:
            async with asyncio.timeout(self._max_wait_seconds):
                await self._free_threads.acquire()
        except TimeoutError:
            raise _too_busy() from None

    async def _run_in_free_thread(self, work: Callable[[], T]) -> T:
        """The thread is free again when `work` has ended, even if this call is cancelled before: a thread cannot be interrupted."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(lambda _: self._free_threads.release())
        return await asyncio.shield(future)


def _too_busy() -> Unavailable:
    return Unavailable("Too many people are signing in at the moment.", retry_after=2)
