"""What an export needs from other services. Every method raises Unavailable when the service does not answer."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from patient_svc.domain.exports import Exported
from shared.contracts.pages import Page


class ExportSources(Protocol):
    """The parts of an export that other services have."""

    async def read_account(self, patient_id: UUID) -> Exported | None:
        """Return the account with its sessions, or None for a patient without an account."""

    async def list_appointments(self, patient_id: UUID, cursor: str | None) -> Page[Exported]:
        """Return a page of all appointments with texts and all changes, by their start."""

    async def list_messages(self, patient_id: UUID, cursor: str | None) -> Page[Exported]:
        """Return a page of the messages that the patient was sent, newest first."""
