"""The session of one command: its profile, the API, the zone of its times, and how it prints."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from careslot.client.environment import ClientEnvironment
from careslot.client.failures import Declined, RequestRefused, Unreachable, UsageFault
from careslot.client.lookup import NameLookup, as_id
from careslot.client.options import CommonOptions, Invocation
from careslot.client.profiles import (
    DEFAULT_PROFILE,
    DEFAULT_URL,
    PlatformProfile,
    PlatformProfiles,
    SessionFile,
    checked_profile_name,
    normalized_url,
)
from careslot.client.times import zone_named

if TYPE_CHECKING:
    from careslot.client.api import PlatformApi
    from careslot.client.output import Printer

DEFAULT_TIMEOUT_SECONDS = 30.0
DEFAULT_MAX_WAIT_SECONDS = 60.0


class ClientSession:
    """Everything that a command works with. Each part is created, and its modules are imported, when a command uses it first."""

    def __init__(self, environment: ClientEnvironment, options: CommonOptions, profile_name: str, profile: PlatformProfile) -> None:
        self.environment, self.options, self.profile_name, self.profile = environment, options, profile_name, profile
        self.profiles = PlatformProfiles(environment.folder)
        self.file = SessionFile(environment.folder, profile_name, profile.url)
        self.known_zone: ZoneInfo | None = zone_named(options.time_zone) if options.time_zone else None

    @property
    def url(self) -> str:
        """Return the address of the platform."""
        return self.profile.url

    @cached_property
    def api(self) -> PlatformApi:
        """Return the client of the API."""
        from careslot.client.api import PlatformApi, RequestTiming

        timeout = self.options.timeout or DEFAULT_TIMEOUT_SECONDS
        max_wait = DEFAULT_MAX_WAIT_SECONDS if self.options.max_wait is None else self.options.max_wait
        return PlatformApi(self.url, self.environment, self.file, RequestTiming(timeout, max_wait), self.printer.print_note)

    @cached_property
    def printer(self) -> Printer:
        """Return the printer of the results."""
        from careslot.client.output import Printer

        return Printer(self.options.form, self.environment, lambda: self.zone)

    @cached_property
    def lookup(self) -> NameLookup:
        """Return the lookup of people and services by their names."""
        return NameLookup(self.api)

    @property
    def zone(self) -> ZoneInfo:
        """Return the zone in which times are read and printed: that of `--time-zone`, else that of the clinic."""
        if self.known_zone is None:
            self.known_zone = self._clinic_zone()
        return self.known_zone

    @property
    def now(self) -> datetime:
        """Return the present instant, in the session's zone."""
        return self.environment.now().astimezone(self.zone)

    def appointment_id(self, text: str) -> str:
        """Return the id of the appointment that a text names: an id, its beginning or end, or the patient of a visit of today."""
        return as_id(text) or self.lookup.appointment(text, self.now.date(), self.zone)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask whether to go on. Raises Declined for a no, and UsageFault without a terminal and without `--yes`."""
        import typer

        if yes:
            return
        if not self.environment.terminals.input:
            raise UsageFault(f"{question} Without a terminal this needs --yes.")
        if not typer.confirm(question, err=True):
            raise Declined("Nothing was changed.")

    def refresh_clinic_zone(self) -> None:
        """Store the clinic's present zone in the profile. The stored one stays if the platform does not name one."""
        fetched = self._fetch_zone()
        if fetched:
            self._store_zone(fetched)

    def close(self) -> None:
        """Close the connections."""
        if "api" in self.__dict__:
            self.api.close()

    def _clinic_zone(self) -> ZoneInfo:
        """Return the stored zone if it is at most a day old, else the clinic's present zone, else the older stored one, else UTC."""
        known = self.profile.time_zone
        if known and self.profile.knows_zone_at(self.environment.now()):
            return zone_named(known)
        fetched = self._fetch_zone()
        if fetched:
            self._store_zone(fetched)
        elif not known:
            self.printer.print_note("The clinic's time zone is not known; times are in UTC.")
        return zone_named(fetched or known or "UTC")

    def _store_zone(self, time_zone: str) -> None:
        self.profiles.save_time_zone(self.profile_name, self.url, time_zone, self.environment.now())

    def _fetch_zone(self) -> str | None:
        """Return the zone of the clinic, for which no session is needed; None if the platform does not name one."""
        try:
            clinic: Any = self.api.get_anonymously("/clinic")
            return zone_named(clinic["time_zone"]).key
        except (RequestRefused, Unreachable, UsageFault, LookupError, TypeError):
            return None


def open_session(invocation: Invocation) -> ClientSession:
    """Return the session that options and environment describe. Raises UsageFault for a profile or an address that cannot be used."""
    environment, options = invocation.environment, invocation.options
    variables = environment.variables
    name = checked_profile_name(options.profile or variables.get("CARESLOT_PROFILE") or DEFAULT_PROFILE)
    profile = PlatformProfiles(environment.folder).all().get(name)
    given = options.url or variables.get("CARESLOT_URL")
    url = normalized_url(given or (profile.url if profile else DEFAULT_URL))
    if profile is None or profile.url != url:  # the zone of another clinic would be wrong
        profile = PlatformProfile(url)
    return ClientSession(environment, options, name, profile)
