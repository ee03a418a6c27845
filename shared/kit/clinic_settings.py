"""The clinic's settings in every service: fetched from admin-service, and stored, so that neither an outage nor a restart loses them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

from shared.contracts.clinic import MAX_SETTINGS_AGE, ClinicProfile, ClinicSettings
from shared.contracts.events import SettingsChanged
from shared.kit.client import ServiceClient
from shared.kit.clock import Clock
from shared.kit.retry import retry_transaction

POLL_SECONDS = 30

FetchSettings = Callable[[], Awaitable[ClinicSettings]]


class SettingsCopy(Protocol):
    """The copy of the clinic's settings in the service's own database."""

    async def read(self) -> ClinicSettings | None:
        """Return the settings that were stored last, or None if there are none that can be read."""

    async def store(self, settings: ClinicSettings) -> None:
        """Store settings in place of those that were stored before."""


class ClinicFollower:
    """Follows the clinic's settings. A call returns the clinic with the present ones.

    `defaults` are from the environment, and are used where an admin has set nothing. Fetched settings are used until others are fetched.
    """

    def __init__(self, defaults: ClinicProfile, fetch: FetchSettings, copy: SettingsCopy, now: Clock) -> None:
        self.defaults, self._fetch, self._copy, self._now = defaults, fetch, copy, now
        self._clinic = defaults
        self._fetched_at: datetime | None = None
        self._announcements = 0
        self.wake: Callable[[], None] = lambda: None

    def __call__(self) -> ClinicProfile:
        return self._clinic

    async def load(self) -> None:
        """Use the stored copy, if there is one. Raises Unavailable when the database does not answer."""
        stored = await retry_transaction(self._copy.read)
        if stored is not None:
            self._clinic = self.defaults.with_settings(stored)

    async def announce(self, _event: SettingsChanged) -> None:
        """Have changed settings fetched at once, also if a fetch that began before the change is under way."""
        self._fetched_at = None
        self._announcements += 1
        self.wake()

    async def refresh(self) -> int:
        """Fetch the settings if they may be outdated; return 1 if they have changed, else 0. Raises Unavailable."""
        now, announcements = self._now(), self._announcements
        if self._fetched_at is not None and timedelta() <= now - self._fetched_at < MAX_SETTINGS_AGE:
            return 0
        settings, is_changed = await self._fetch(), False
        if (clinic := self.defaults.with_settings(settings)) != self._clinic:
            await retry_transaction(lambda: self._copy.store(settings))
            self._clinic, is_changed = clinic, True
        if announcements == self._announcements:
            self._fetched_at = now
        return int(is_changed)


def fetch_from(admin: ServiceClient) -> FetchSettings:
    """Return the function that fetches the settings from admin-service."""

    async def fetch() -> ClinicSettings:
        return await admin.get("/internal/settings", ClinicSettings)

    return fetch
