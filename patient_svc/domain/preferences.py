"""What patients decide about their reminders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from shared.contracts.contacts import QuietHours


@dataclass(frozen=True, slots=True)
class Preferences:
    """When a patient is reminded of a visit, and when not.

    `reminder_offsets_minutes` are the minutes before the start: None for those of the service type, or else of the clinic; empty for no
    reminders. They were changed last at `offsets_changed_at`, None if never. `version` grows with every change of the offsets, the quiet
    hours and the language.
    """

    reminder_offsets_minutes: tuple[int, ...] | None = None
    quiet_hours: QuietHours | None = None
    version: int = 1
    offsets_changed_at: datetime | None = None

    def change_to(self, offsets: tuple[int, ...] | None, quiet_hours: QuietHours | None, now: datetime) -> Self:
        """Return the preferences with other offsets and quiet hours, in the same version."""
        changed_at = self.offsets_changed_at if offsets == self.reminder_offsets_minutes else now
        return replace(self, reminder_offsets_minutes=offsets, quiet_hours=quiet_hours, offsets_changed_at=changed_at)

    def next_version(self) -> Self:
        """Return the same preferences with a new version."""
        return replace(self, version=self.version + 1)
