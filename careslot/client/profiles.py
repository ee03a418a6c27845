"""Profiles, one for each clinic: its address and its time zone; and the sessions that are kept for them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from careslot.client.failures import Unreachable, UsageFault
from careslot.client.stored_files import make_private_folder, read_document, write_document
from careslot.client.times import to_api

DEFAULT_PROFILE = "default"
DEFAULT_URL = "http://localhost:8000"
PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ZONE_KEPT_FOR = timedelta(days=1)
LOCK_SECONDS = 60.0  # longer than one renewal takes


@dataclass(frozen=True, slots=True)
class PlatformProfile:
    """The address of a clinic's platform and, once it is known, the clinic's time zone.

    `zone_read_at` is when the time zone was read (RFC 3339, UTC).
    """

    url: str
    time_zone: str | None = None
    zone_read_at: str | None = None

    def knows_zone_at(self, instant: datetime) -> bool:
        """Return whether the time zone was read so lately that the clinic can hardly have another one."""
        return self.zone_read_at is not None and instant - datetime.fromisoformat(self.zone_read_at) < ZONE_KEPT_FOR


@dataclass(frozen=True, slots=True)
class StoredSession:
    """The tokens of a person, or of an API client, which has no refresh token. `expires_at` is that of the access token (RFC 3339, UTC)."""

    access_token: str
    expires_at: str
    refresh_token: str | None
    client_id: str | None
    account: dict[str, Any] | None

    def is_valid_at(self, instant: datetime) -> bool:
        """Return whether the access token can still be used at an instant."""
        return instant < datetime.fromisoformat(self.expires_at)


class PlatformProfiles:
    """The file `profiles.json` of the client's folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "profiles.json"

    def all(self) -> dict[str, PlatformProfile]:
        """Return all profiles by name."""
        stored = (read_document(self._path) or {}).get("profiles", {})
        try:
            return {
                name: PlatformProfile(fields["url"], fields.get("time_zone"), fields.get("zone_read_at")) for name, fields in stored.items()
            }
        except (AttributeError, KeyError, TypeError):
            raise UsageFault(f"{self._path} has no profiles of this version. Delete it and sign in again.") from None

    def save(self, name: str, profile: PlatformProfile) -> None:
        """Add or replace a profile."""
        with locked(self._path):
            self._write(self.all() | {name: profile})

    def save_time_zone(self, name: str, url: str, time_zone: str, read_at: datetime) -> None:
        """Store a clinic's time zone in the profile of that name, if it is of the platform at `url`."""
        if name not in self.all():
            return
        with locked(self._path):
            profiles = self.all()
            profile = profiles.get(name)
            if profile is not None and profile.url == url:
                self._write(profiles | {name: replace(profile, time_zone=time_zone, zone_read_at=to_api(read_at))})

    def delete(self, name: str) -> None:
        """Delete a profile, if there is one of that name."""
        with locked(self._path):
            self._write({known: profile for known, profile in self.all().items() if known != name})

    def _write(self, profiles: dict[str, PlatformProfile]) -> None:
        write_document(self._path, {"profiles": {name: asdict(profile) for name, profile in profiles.items()}})


class SessionFile:
    """The session of one profile at one address. A session is never used for another address, so that no other server gets its tokens."""

    def __init__(self, folder: Path, profile: str, url: str) -> None:
        digest = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.path = folder / "sessions" / f"{profile}-{digest}.json"

    def read(self) -> StoredSession | None:
        """Return the session, or None if there is none."""
        document = read_document(self.path)
        try:
            return StoredSession(**document) if document else None
        except TypeError:
            raise UsageFault(f"{self.path} is not a session of this version. Delete it and sign in again.") from None

    def write(self, session: StoredSession) -> None:
        """Store the session."""
        write_document(self.path, asdict(session))

    def delete(self) -> None:
        """Delete the session, if there is one."""
        self.path.unlink(missing_ok=True)

    def lock(self) -> AbstractContextManager[None]:
        """Return a context in which no other process renews the session."""
        return locked(self.path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock beside a file. Raises Unreachable when another process holds it for too long."""
    from filelock import FileLock, Timeout

    make_private_folder(path.parent)
    try:
        with FileLock(path.with_suffix(".lock"), timeout=LOCK_SECONDS, mode=0o600):
            yield
    except Timeout:
        raise Unreachable(f"Another careslot command has locked {path.name} for more than {LOCK_SECONDS:.0f} seconds.") from None


def checked_profile_name(name: str) -> str:
    """Return a profile's name. Raises UsageFault if it could not be the name of a file."""
    if not PROFILE_NAME.fullmatch(name):
        raise UsageFault(f"A profile's name consists of letters, digits, dots, hyphens and underscores: {name[:100]!r} does not.")
    return name


def normalized_url(text: str) -> str:
    """Return the address of a platform without a slash at its end. Raises UsageFault if it is no http or https URL."""
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
        is_url = is_url and parts.username is None and (parts.port is None or parts.port > 0)
    except ValueError:
        is_url = False
    if not is_url:
        raise UsageFault(f"{text[:100]!r} is not the address of a platform, such as https://clinic.example.")
    return text.rstrip("/")
