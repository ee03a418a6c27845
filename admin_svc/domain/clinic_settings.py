"""The clinic's settings with their history, and what a logo must be."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from shared.contracts.clinic import CLINIC_ID, ClinicProfile, ClinicSettings, RetentionPeriods
from shared.contracts.events import SettingsChanged
from shared.contracts.http import Actor
from shared.contracts.refusals import Invalid, NotFound, require_version

FIRST_VERSION = 1
"""The version of the settings before anything was set."""
RETENTION_DELAY = timedelta(days=7)
"""How long after a change shorter periods of retention take effect. Until then they can be set back, and nothing was deleted."""
MAX_LOGO_BYTES = 32 * 1024
LOGO_TYPES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
"""The media types of logos, with the bytes with which their files begin. SVG is not among them, because it can contain scripts."""


class LogoUnreadable(Invalid):
    """Raised when a logo is not a PNG or JPEG file in a data URI, or is too large."""

    code = "logo_unreadable"
    detail = f"The logo must be a PNG or JPEG file of at most {MAX_LOGO_BYTES // 1024} KiB as a data URI in Base64."
    remedy = "Send `data:image/png;base64,` (or `image/jpeg`) and the file in Base64, or make the picture smaller."
    example_pointers = ("/logo",)


class NoLogo(NotFound):
    """Raised when the clinic has no logo."""

    code = "no_logo"
    detail = "The clinic has no logo."
    remedy = "Show the name of the clinic instead."


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture: its media type and the content of its file."""

    media_type: str
    content: bytes

    @classmethod
    def from_data_uri(cls, uri: str) -> Self:
        """Return the picture in a data URI (RFC 2397) in Base64. Raises LogoUnreadable."""
        prefix, _, encoded = uri.partition(",")
        media_type = prefix.removeprefix("data:").removesuffix(";base64")
        first_bytes = LOGO_TYPES.get(media_type)
        try:
            content = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise LogoUnreadable(pointer="/logo") from None
        is_base64 = prefix == f"data:{media_type};base64"
        if not is_base64 or first_bytes is None or not content.startswith(first_bytes) or len(content) > MAX_LOGO_BYTES:
            raise LogoUnreadable(pointer="/logo")
        return cls(media_type, content)


@dataclass(frozen=True, slots=True)
class SettingChange:
    """The value of one setting before and after a change, as JSON; None where it was not set. Of a logo it is the size."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class FormerRetention:
    """The periods that were set until a change. `until` is the instant of that change (UTC)."""

    periods: RetentionPeriods
    until: datetime

    def is_longer_than(self, periods: RetentionPeriods) -> bool:
        """True when something was kept longer, or may have been: where nothing is set, the environment of another service decides."""
        pairs = [(getattr(self.periods, name), getattr(periods, name)) for name in RetentionPeriods.model_fields]
        return any(before != after and (before is None or after is None or before > after) for before, after in pairs)


@dataclass(frozen=True, slots=True)
class SettingsVersion:
    """The settings as they are from one change on: `values` are those that were set, as JSON.

    `id` is that of the change, the same when its request is repeated. `id`, `changed_at` (UTC) and `changed_by` are None as long as nothing
    was ever set. `former_retention` are the periods of the changes that are recent.
    """

    version: int = FIRST_VERSION
    values: Mapping[str, Any] | None = None
    id: UUID | None = None
    changed_at: datetime | None = None
    changed_by: UUID | None = None
    changes: tuple[SettingChange, ...] = ()
    former_retention: tuple[FormerRetention, ...] = ()

    @property
    def set_values(self) -> Mapping[str, Any]:
        """The values that were set, as JSON."""
        return self.values or {}

    @property
    def settings(self) -> ClinicSettings:
        """The settings as the services fetch them: without the logo, which they only link to."""
        fields = {name: value for name, value in self.set_values.items() if name != "logo"}
        former = [former.periods for former in self.former_retention if former.is_longer_than(self.retention)]
        return ClinicSettings.model_validate(
            fields | {"former_retention": former, "version": self.version, "has_logo": "logo" in self.set_values}
        )

    @property
    def retention(self) -> RetentionPeriods:
        """The periods that are set."""
        return RetentionPeriods.model_validate(self.set_values.get("retention") or {})

    @property
    def retention_changes_at(self) -> datetime | None:
        """When shorter periods take effect (UTC); None when all that is set counts already."""
        changes = [former.until for former in self.former_retention if former.is_longer_than(self.retention)]
        return max(changes) + RETENTION_DELAY if changes else None

    def in_effect(self, now: datetime) -> SettingsVersion:
        """Return the settings without the periods of changes that were made RETENTION_DELAY ago or earlier."""
        return replace(self, former_retention=tuple(former for former in self.former_retention if now - former.until < RETENTION_DELAY))

    @property
    def audit_state(self) -> dict[str, str]:
        """The version and the settings that are no texts, for the audit trail: the time zone and the periods of retention."""
        periods = {name: str(period) for name, period in self.retention.model_dump(exclude_none=True).items()}
        zone = {"time_zone": str(self.set_values["time_zone"])} if "time_zone" in self.set_values else {}
        return {"version": str(self.version), **zone, **periods}

    @property
    def logo(self) -> Logo:
        """The logo of the clinic. Raises NoLogo."""
        uri = self.set_values.get("logo")
        if uri is None:
            raise NoLogo
        return Logo.from_data_uri(uri)

    def replace(self, values: Mapping[str, Any], expected_version: int | None, change_id: UUID, by: Actor, at: datetime) -> SettingsVersion:
        """Return the next version, with these values only, or this one if they are the same. Raises Stale or LogoUnreadable."""
        if self.id == change_id:
            return self
        require_version(self.version, expected_version)
        if "logo" in values:
            Logo.from_data_uri(values["logo"])
        names = sorted(self.set_values.keys() | values.keys())
        changes = tuple(
            SettingChange(name, _history_value(name, self.set_values.get(name)), _history_value(name, values.get(name)))
            for name in names
            if self.set_values.get(name) != values.get(name)
        )
        if not changes:
            return self
        former = (*self.former_retention, FormerRetention(self.retention, at))
        return SettingsVersion(self.version + 1, values, change_id, at, by.id, changes, former)

    def changed_event(self, event_id: UUID, at: datetime) -> SettingsChanged:
        """Return the event that says that there is a new version."""
        return SettingsChanged(id=event_id, occurred_at=at, clinic_id=CLINIC_ID, version=self.version)


@dataclass(frozen=True, slots=True)
class CurrentSettings:
    """The settings with what counts where nothing is set: `defaults` are from the environment of admin-service."""

    settings: SettingsVersion
    defaults: ClinicProfile

    @property
    def version(self) -> int:
        """The version of the settings."""
        return self.settings.version

    @property
    def clinic(self) -> ClinicProfile:
        """The clinic with the values that count now."""
        return self.defaults.with_settings(self.settings.settings)


def _history_value(name: str, value: Any) -> Any:
    """Return a value as the history shows it: of a logo only its size, because the picture itself is large."""
    if name != "logo" or value is None:
        return value
    logo = Logo.from_data_uri(value)
    return f"{logo.media_type}, {len(logo.content)} bytes"
