"""Passwords with argon2id (RFC 9106; 19 MiB, two passes, one lane) in a few threads and a bounded queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from auth_svc.domain.passwords import LONGEST, canonical
from shared.contracts.refusals import Unavailable

T = TypeVar("T")


class Argon2:
    """Open with `async with`."""

    def __init__(self, threads: int, queue: int) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._pool = ThreadPoolExecutor(threads, "argon2")
        self._free = threads + queue

    async def __aenter__(self) -> Self:
        self._dummy = await self.hash("nobody has this password")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._hasher.hash(canonical(password)))

    async def fits(self, password: str, password_hash: str | None) -> bool:
        """Works as long for an account that does not exist."""
        given = password if len(password) <= LONGEST else password[:LONGEST]
        same = await self._run(lambda: self._verified(password_hash or self._dummy, canonical(given)))
        return same and password_hash is not None and given == password

    def is_outdated(self, password_hash: str) -> bool:
        return self._hasher.check_needs_rehash(password_hash)

    def _verified(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._free <= 0:
            raise Unavailable("Too many are signing in just now.", retry_after=2)
        self._free -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._free += 1
