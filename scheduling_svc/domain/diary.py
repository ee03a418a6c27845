"""A diary: all that stands in one person's time, as one who asks sees it at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

from scheduling_svc.domain.holds import Hold
from shared.contracts.grains import Span
from shared.contracts.identity import Caller, Role


@dataclass(frozen=True, slots=True)
class View:
    """Who asks, when, and for which patient; `but` is an appointment whose own time counts as free, for it may move over itself."""

    now: datetime
    viewer_id: UUID | None = None
    by_staff: bool = False
    patient_id: UUID | None = None
    but: UUID | None = None

    @classmethod
    def of(cls, by: Caller | None, now: datetime, *, patient_id: UUID | None = None, but: UUID | None = None) -> Self:
        """A patient who asks is the patient; nobody in particular holds nothing and is nowhere."""
        if by is None:
            return cls(now, but=but)
        own = by.id if by.role is Role.PATIENT else None
        return cls(now, by.id, by.is_staff, patient_id or own, but)


class Engagement(NamedTuple):
    """Time that a person is not free, in grains: `starts` to `ends` with someone, `first` to `last` with the buffers around it."""

    starts: int
    ends: int
    first: int
    last: int


class Group(NamedTuple):
    """A session as it is seen: how many of its seats are booked, and held by others."""

    session_id: UUID
    service_id: UUID
    engagement: Engagement
    booked: int
    held: int


@dataclass(frozen=True, slots=True)
class Diary:
    """`engagements` are visits and sessions; `away` leaves and closures, as (start, stop); `holds` those that stand, `lapsed` those that
    are over and still in the way; `groups` the sessions; `counted` the starts of visits that count against the caps."""

    engagements: Sequence[Engagement] = ()
    away: Sequence[tuple[int, int]] = ()
    holds: Sequence[Hold] = ()
    lapsed: Sequence[Hold] = ()
    groups: Sequence[Group] = field(default=())
    counted: Sequence[int] = ()

    def without_empty_groups(self) -> Self:
        """A session whose last seat is the viewer's own, or a hold that is over, is as good as gone."""
        gone = {group.engagement for group in self.groups if not group.booked + group.held}
        if not gone:
            return self
        starts = {engagement.starts for engagement in gone}
        return replace(
            self,
            engagements=[engagement for engagement in self.engagements if engagement not in gone],
            groups=[group for group in self.groups if group.engagement not in gone],
            counted=[start for start in self.counted if start not in starts],
        )

    def giving_way(self, span: Span, viewer_id: UUID | None) -> list[Hold]:
        """Holds in a span that do not keep the viewer out: their own, and those that are over."""
        own = [hold for hold in self.holds if hold.owner_id == viewer_id]
        return [hold for hold in (*self.lapsed, *own) if hold.touches(span)]

    def held_until(self, span: Span, viewer_id: UUID | None) -> datetime | None:
        """When the holds of others in a span are over."""
        others = (hold.expires_at for hold in self.holds if hold.owner_id != viewer_id and hold.touches(span))
        return max(others, default=None)

    def load(self, day: Sequence[Span]) -> int:
        """How many grains of a day are spent with patients."""
        return sum(max(0, min(taken.ends, part.stop) - max(taken.starts, part.start)) for taken in self.engagements for part in day)


EMPTY = Diary()
