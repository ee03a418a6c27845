"""Password hashing with argon2id (RFC 9106; 19 MiB, two passes, one lane) in a few threads with a bounded queue."""

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


class Argon2Hasher:
    """Implements the port PasswordHasher. Open it with `async with`."""

    def __init__(self, threads: int, queue_length: int) -> None:
        self._argon2 = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._pool = ThreadPoolExecutor(threads, "argon2")
        self._free_places = threads + queue_length

    async def __aenter__(self) -> Self:
        self._dummy_hash = await self.hash("the dummy password")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._argon2.hash(normalize_password(password)))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Without a hash, verify a dummy hash, so that the response time does not show whether the account exists."""
        truncated = password[:MAX_LENGTH]
        is_correct = await self._run(lambda: self._verify(password_hash or self._dummy_hash, normalize_password(truncated)))
        return is_correct and password_hash is not None and truncated == password

    def is_outdated(self, password_hash: str) -> bool:
        return self._argon2.check_needs_rehash(password_hash)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread. Raises Unavailable when the queue is full."""
        if self._free_places <= 0:
            raise Unavailable("Too many people are signing in at the moment.", retry_after=2)
        self._free_places -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._free_places += 1
