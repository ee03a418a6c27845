"""A cache of the data of another service by id, filled in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from cachetools import LRUCache

from shared.contracts.contacts import MAX_CONTACTS
from shared.kit.clock import Clock

MAX_AGE = timedelta(seconds=30)
MAX_AGE_OF_ABSENCE = timedelta(seconds=5)
MAX_ENTRIES = 10_000


class Identified(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> UUID:
        """The id by which it is found."""


T = TypeVar("T", bound=Identified)
Fetch = Callable[[Sequence[UUID]], Awaitable[Sequence[T]]]


@dataclass(frozen=True, slots=True)
class CacheEntry(Generic[T]):
    """What was fetched at an instant; None if it did not exist."""

    contact: T | None
    fetched_at: datetime

    def is_recent(self, now: datetime) -> bool:
        """Return whether the entry may still be used. An entry from the future, after the clock was set back, may not."""
        return self.fetched_at <= now < self.fetched_at + (MAX_AGE_OF_ABSENCE if self.contact is None else MAX_AGE)


class ContactCache(Generic[T]):
    """Answers from memory, or from one request for all ids that are asked for at the same moment.

    While a request is under way, further ids wait for the next one. Callers that ask for an id that is being fetched share the answer.
    `fetch` gets at most MAX_CONTACTS ids.
    """

    def __init__(self, fetch: Fetch[T], now: Clock) -> None:
        self._fetch, self._now = fetch, now
        self._entries: LRUCache[UUID, CacheEntry[T]] = LRUCache(MAX_ENTRIES)
        self._fetching: dict[UUID, asyncio.Future[T | None]] = {}
        self._waiting: dict[UUID, asyncio.Future[T | None]] = {}
        self._fetching_since = now()
        self._task: asyncio.Task[None] | None = None

    async def find(
        self, ids: Collection[UUID], is_current: Callable[[UUID, T | None], bool] | None = None, fetched_after: datetime | None = None
    ) -> Mapping[UUID, T]:
        """Return what exists, by id. Raises what `fetch` raises.

        What was fetched at `fetched_after` or earlier, or what `is_current` refuses, is fetched once more.
        """
        if fetched_after is not None:
            for contact_id in ids:
                self._forget_older(contact_id, fetched_after)
        contacts = await self._look_up(ids)
        outdated = [contact_id for contact_id in ids if not is_current(contact_id, contacts.get(contact_id))] if is_current else []
        if not outdated:
            return contacts
        for contact_id in outdated:
            self.forget(contact_id)
        return {**contacts, **await self._look_up(outdated)}

    def forget(self, contact_id: UUID) -> None:
        """Make the next `find` fetch a contact that has changed. An answer that is under way is not stored either."""
        self._entries.pop(contact_id, None)
        if future := self._fetching.pop(contact_id, None):
            self._request(contact_id).add_done_callback(lambda newer: copy_result(newer, future))

    def _forget_older(self, contact_id: UUID, fetched_after: datetime) -> None:
        """Forget what was fetched, or is being fetched, since `fetched_after` or earlier."""
        entry = self._entries.get(contact_id)
        since = self._fetching_since if contact_id in self._fetching else entry.fetched_at if entry else None
        if since is not None and since <= fetched_after:
            self.forget(contact_id)

    async def aclose(self) -> None:
        """End the request that is under way, and cancel the calls that wait for an answer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for future in self._waiting.values():
            future.cancel()

    async def _look_up(self, ids: Collection[UUID]) -> dict[UUID, T]:
        now, contacts, requested = self._now(), dict[UUID, T](), dict[UUID, asyncio.Future[T | None]]()
        for contact_id in set(ids):
            entry = self._entries.get(contact_id)
            if entry is None or not entry.is_recent(now):
                requested[contact_id] = self._request(contact_id)
            elif entry.contact is not None:
                contacts[contact_id] = entry.contact
        if requested:
            await asyncio.wait(requested.values())
            contacts |= {contact_id: contact for contact_id, future in requested.items() if (contact := future.result()) is not None}
        return contacts

    def _request(self, contact_id: UUID) -> asyncio.Future[T | None]:
        """Return the future answer of a request that is under way or that begins as soon as possible."""
        if future := self._fetching.get(contact_id) or self._waiting.get(contact_id):
            return future
        future = self._waiting[contact_id] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._fetch_waiting(), context=Context())  # no deadline or trace of one of the callers
        return future

    async def _fetch_waiting(self) -> None:
        while self._waiting:
            ids = list(self._waiting)[:MAX_CONTACTS]
            self._fetching = {contact_id: self._waiting.pop(contact_id) for contact_id in ids}
            self._fetching_since = self._now()
            try:
                contacts = {contact.id: contact for contact in await self._fetch(ids)}
            except BaseException as error:
                self._fail(error)
                if not isinstance(error, Exception):
                    raise
            else:
                self._store(contacts)

    def _store(self, contacts: Mapping[UUID, T]) -> None:
        for contact_id, future in self._fetching.items():
            self._entries[contact_id] = CacheEntry(contacts.get(contact_id), self._fetching_since)
            future.set_result(contacts.get(contact_id))
        self._fetching = {}

    def _fail(self, error: BaseException) -> None:
        failed, self._fetching = self._fetching, {}
        for future in failed.values():
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()  # a caller that no longer waits makes no "exception was never retrieved"
            else:
                future.cancel()


def copy_result(source: asyncio.Future[T | None], target: asyncio.Future[T | None]) -> None:
    """Give one future the result or the error of another."""
    if source.cancelled():
        target.cancel()
    elif error := source.exception():
        target.set_exception(error)
        target.exception()
    else:
        target.set_result(source.result())
