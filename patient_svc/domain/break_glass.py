"""Break-glass: an admin opens a medical history for some minutes, for a reason, and the patient is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.contracts.events import BreakGlassOpened


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """An access to a medical history that an admin opened. Instants are UTC."""

    id: UUID
    admin_id: UUID
    patient_id: UUID
    opened_at: datetime
    expires_at: datetime
    reason: str

    def opened_event(self, event_id: UUID) -> BreakGlassOpened:
        """Return the event from which the patient is told. It does not contain the reason."""
        return BreakGlassOpened(
            id=event_id,
            occurred_at=self.opened_at,
            break_glass_id=self.id,
            patient_id=self.patient_id,
            admin_id=self.admin_id,
            expires_at=self.expires_at,
        )
