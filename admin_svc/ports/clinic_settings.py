"""The clinic's settings in the database of admin-service, as the use cases need them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from admin_svc.domain.clinic_settings import SettingsVersion
from admin_svc.ports.store import ChainTransaction
from shared.contracts.events import Event


class SettingsTransaction(ChainTransaction, Protocol):
    """A transaction with the settings: it commits on leaving and rolls back on any exception."""

    async def find_settings(self, changed_since: datetime) -> SettingsVersion:
        """Return the current version, or the first one if nothing was ever set; with the periods of retention of changes since then."""

    async def find_settings_change(self, change_id: UUID) -> SettingsVersion | None:
        """Return the version that a change has made, or None."""

    async def insert_settings(self, settings: SettingsVersion) -> None:
        """Insert a new version. Raises Stale if another request has inserted it since the current one was read."""

    async def add_event(self, event: Event) -> None:
        """Publish an event if the transaction commits."""


class SettingsStore(Protocol):
    """The settings with their history."""

    def begin(self) -> AbstractAsyncContextManager[SettingsTransaction]:
        """Open a transaction."""

    async def read_settings(self, changed_since: datetime) -> SettingsVersion:
        """Return the current version, or the first one if nothing was ever set; with the periods of retention of changes since then."""

    async def list_settings(self, limit: int, after: tuple[str, ...] | None) -> Sequence[SettingsVersion]:
        """Return up to `limit` versions, newest first, after the one that is the sort key `after`. Raises BadCursor."""
