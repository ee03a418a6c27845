"""The digest of a doctor's next day: times and count of the visits, and nothing about the patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.domain.quiet_hours import instant_of
from shared.contracts.derived_ids import derive_id
from shared.contracts.values import format_instant

DIGEST_TIME = time(18)
"""The doctor's wall-clock time from which the digest is sent."""


class DigestPreference(NamedTuple):
    """A doctor who wants digests since `switched_at`."""

    doctor_id: UUID
    switched_at: datetime


@dataclass(frozen=True, slots=True)
class DigestDay:
    """The day that a digest is about, and the evening before it, in the doctor's zone.

    The digest is sent from `sent_from` on and before `starts_at`, the local midnight at which the day begins. The day ends before
    `ends_at`.
    """

    local_date: date
    time_zone: str
    sent_from: datetime
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, day: date, time_zone: str) -> Self:
        """Return the evening and the length of a local date."""
        zone = ZoneInfo(time_zone)
        sent_from = instant_of(day - timedelta(days=1), DIGEST_TIME, zone, fold=0)
        starts_at, ends_at = (instant_of(midnight, time.min, zone, fold=0) for midnight in (day, day + timedelta(days=1)))
        return cls(day, time_zone, sent_from, starts_at, ends_at)

    @classmethod
    def after(cls, now: datetime, time_zone: str) -> Self:
        """Return the local day after today."""
        return cls.of(now.astimezone(ZoneInfo(time_zone)).date() + timedelta(days=1), time_zone)

    def is_due(self, preference: DigestPreference, now: datetime) -> bool:
        """Return whether the evening has come, for a doctor who wanted digests when it began."""
        return preference.switched_at <= self.sent_from <= now < self.starts_at

    def message(self, doctor_id: UUID, starts: Sequence[datetime], now: datetime) -> Message:
        """Return the message with the starts of the day's visits. It is not sent once the day has begun."""
        message_id = derive_id(doctor_id, MessageKind.DIGEST, self.local_date)
        return Message(
            id=message_id,
            event_id=message_id,
            kind=MessageKind.DIGEST,
            audience=Audience.OWNER,
            recipient_id=doctor_id,
            subject_id=doctor_id,
            version=0,
            facts=self.facts(doctor_id, starts),
            created_at=now,
            due_at=now,
            valid_until=self.starts_at,
        )

    def facts(self, doctor_id: UUID, starts: Sequence[datetime]) -> dict[str, Any]:
        """Return the facts of a digest: the local date, the IANA zone, the number of visits, and the start of each, in order."""
        return {
            "doctor_id": str(doctor_id),
            "date": self.local_date.isoformat(),
            "time_zone": self.time_zone,
            "count": len(starts),
            "starts": [format_instant(start) for start in starts],
        }
