"""The links in mails: how their tokens are made, until when a link works, and what its recipient sees."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import NoSuchVisitLink, VisitChanged, VisitLinkExpired
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.domain.transitions import RESCHEDULABLE, AppointmentStatus
from shared.contracts.calendar_entries import entry_place
from shared.contracts.clinic import ClinicProfile
from shared.contracts.http import VisitMode
from shared.contracts.values import local_start

TOKEN_PATTERN = r"[A-Za-z0-9_-]{43}"  # the 32 bytes of an HMAC-SHA256 in base64url


@dataclass(frozen=True, slots=True)
class LinkTokens:
    """Makes the tokens of links. They follow from the secret, so that a mail that is sent again has the same link."""

    secret: str = field(repr=False)

    def token_for(self, appointment_id: UUID, recipient_id: UUID) -> str:
        """Return the token of the link with which a recipient sees an appointment."""
        digest = hmac.digest(self.secret.encode(), appointment_id.bytes + recipient_id.bytes, "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def hash_for(self, appointment_id: UUID, recipient_id: UUID) -> str:
        """Return the hash of the token, which is all that is stored of it."""
        return link_hash(self.token_for(appointment_id, recipient_id))


def link_hash(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal; raise NoSuchVisitLink for text that cannot be a token."""
    if not re.fullmatch(TOKEN_PATTERN, token):
        raise NoSuchVisitLink
    return hashlib.sha256(token.encode()).hexdigest()


def require_live_link(appointment: Appointment, now: datetime) -> None:
    """Raise VisitLinkExpired once the visit has begun, or will not take place."""
    if appointment.status not in RESCHEDULABLE or appointment.starts_at <= now:
        raise VisitLinkExpired


def require_unchanged(appointment: Appointment, sequence: int | None) -> None:
    """Raise VisitChanged if time, place, doctor or status have changed since the recipient read `sequence`; None stands for any."""
    if sequence is not None and sequence != appointment.sequence:
        raise VisitChanged(sequence=appointment.sequence)


@dataclass(frozen=True, slots=True)
class LinkedVisit:
    """An appointment as the recipient of its link sees it at the instant `now`, in the recipient's language and IANA time zone.

    It has neither the patient's name nor anything about health. `locale` is None if the recipient has given none.
    """

    appointment: Appointment
    clinic: ClinicProfile
    time_zone: str
    locale: str | None
    now: datetime

    @property
    def clinic_name(self) -> str:
        """The name of the clinic."""
        return self.clinic.name

    @property
    def clinic_address(self) -> str | None:
        """The address of the clinic, on one line."""
        return self.clinic.address

    @property
    def clinic_phone(self) -> str | None:
        """The phone number of the clinic."""
        return self.clinic.phone

    @property
    def cancellation_policy(self) -> str | None:
        """What the clinic says about cancelling."""
        return self.clinic.cancellation_policy

    @property
    def status(self) -> AppointmentStatus:
        """The status of the appointment."""
        return self.appointment.status

    @property
    def doctor(self) -> DoctorSnapshot | None:
        """The doctor, with name and title."""
        return self.appointment.doctor

    @property
    def mode(self) -> VisitMode:
        """How the visit takes place."""
        return self.appointment.service.mode

    @property
    def place(self) -> str | None:
        """The place to which the patient comes; None for a visit by video or phone."""
        return entry_place(self.mode, self.doctor.location) if self.doctor else None

    @property
    def starts_at(self) -> datetime:
        """The start (UTC)."""
        return self.appointment.starts_at

    @property
    def ends_at(self) -> datetime:
        """The end (UTC)."""
        return self.appointment.ends_at

    @property
    def local_start(self) -> str:
        """The start in `time_zone`, without offset."""
        return local_start(self.starts_at, self.time_zone)

    @property
    def confirmed_at(self) -> datetime | None:
        """When the patient confirmed the visit (UTC)."""
        return self.appointment.confirmed_at

    @property
    def sequence(self) -> int:
        """Grows when time, place, doctor or status change, and stays when the visit is confirmed."""
        return self.appointment.sequence

    @property
    def can_confirm(self) -> bool:
        """True if the visit is booked and not confirmed yet."""
        return self.status is AppointmentStatus.BOOKED and self.confirmed_at is None

    @property
    def can_cancel(self) -> bool:
        """True if the visit is ahead and its cut-off for cancelling has not passed."""
        return self.status in RESCHEDULABLE and not self.appointment.is_inside_cancel_cutoff(self.now)
