"""What patients decide about their reminders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from shared.contracts.contacts import QuietHours


@dataclass(frozen=True, slots=True)
class Preferences:
    """When a patient is reminded of a visit, and when not.

    `reminder_offsets_minutes` are the minutes before the start: None for those of the service type, or else of the clinic; empty for no
    reminders. `version` grows with every change of these fields and of the language.
    """

    reminder_offsets_minutes: tuple[int, ...] | None = None
    quiet_hours: QuietHours | None = None
    version: int = 1

    def next_version(self) -> Self:
        """Return the same preferences with a new version."""
        return replace(self, version=self.version + 1)
