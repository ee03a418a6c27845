"""What all calendar files about an appointment have in common, for the services that write them (RFC 5545)."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from shared.contracts.http import VisitMode

EntryStatus = Literal["TENTATIVE", "CONFIRMED", "CANCELLED"]
ENTRY_STATUS: dict[str, EntryStatus] = {
    "pending": "TENTATIVE",
    "requested": "TENTATIVE",
    "refused": "CANCELLED",
    "declined": "CANCELLED",
    "expired": "CANCELLED",
    "cancelled": "CANCELLED",
}


def entry_uid(entry_id: UUID) -> str:
    """Return the UID of a calendar entry. It never changes, so that a calendar recognises the entry in every file."""
    return f"{entry_id}@careslot"


def entry_status(appointment_status: str) -> EntryStatus:
    """Return the STATUS of the entry of an appointment: tentative until the clinic approves it, cancelled when it does not take place."""
    return ENTRY_STATUS.get(appointment_status, "CONFIRMED")


def entry_place(mode: VisitMode, location: str | None) -> str | None:
    """Return the place to which the patient comes: the location of a visit in person, and none for a visit by video or phone."""
    return location if mode == "in_person" else None


def entry_location(mode: VisitMode, location: str | None, clinic_address: str | None) -> str | None:
    """Return the LOCATION of the entry: of a visit in person the place and the address of the clinic; none of other visits."""
    places = filter(None, (location, clinic_address)) if mode == "in_person" else ()
    return ", ".join(places) or None
