"""A plain model of reminders: it checks every fifth minute of the wall clock, and has neither rows nor messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

TICK, HOUR = timedelta(minutes=5), timedelta(hours=1)
Key = tuple[UUID, datetime, int]


@dataclass
class ModelledVisit:
    """A visit, with the offsets that are wanted and the instants since when."""

    start: datetime
    is_booked: bool = False
    wanted: dict[int, datetime] = field(default_factory=dict)


@dataclass
class ReminderModel:
    """One patient and their visits. `quiet` are the first quiet hour and the first that is not; `sent` is compared with what was mailed."""

    now: datetime
    zone: str = "Europe/Berlin"
    offsets: list[int] = field(default_factory=lambda: [1440, 60])
    quiet: tuple[int, int] | None = None
    visits: dict[UUID, ModelledVisit] = field(default_factory=dict)
    ended: set[Key] = field(default_factory=set)
    postponed: dict[Key, datetime] = field(default_factory=dict)
    sent: list[tuple[Key, datetime]] = field(default_factory=list)

    def arrange(self, visit_id: UUID, start: datetime) -> None:
        """Book, approve, restore or move a visit."""
        self.visits[visit_id] = ModelledVisit(start, True, dict.fromkeys(self.offsets, self.now))
        self.drop_late_offsets()

    def release(self, visit_id: UUID) -> None:
        """Cancel, check in or request a visit."""
        self.visits[visit_id].is_booked = False

    def apply_preferences(self) -> None:
        """Apply changed preferences or a changed zone."""
        for visit in self.visits.values():
            visit.wanted = {offset: visit.wanted.get(offset, self.now) for offset in self.offsets}
        self.drop_late_offsets()

    def drop_late_offsets(self) -> None:
        for visit in self.visits.values():
            visit.wanted = {offset: since for offset, since in visit.wanted.items() if self.due(visit, offset) is not None}

    def is_quiet(self, instant: datetime) -> bool:
        """Return whether the wall clock shows quiet hours."""
        if self.quiet is None:
            return False
        hour, (first, end) = instant.astimezone(ZoneInfo(self.zone)).hour, self.quiet
        return first <= hour < end if first < end else hour >= first or hour < end

    def end_of_quiet(self, instant: datetime) -> datetime:
        while self.is_quiet(instant):
            instant += TICK
        return instant

    def due(self, visit: ModelledVisit, offset: int) -> datetime | None:
        instant = visit.start - timedelta(minutes=offset)
        if instant < visit.wanted[offset] or not self.is_quiet(instant):
            return instant if instant >= visit.wanted[offset] else None
        if visit.start - self.end_of_quiet(instant) >= HOUR:
            return self.end_of_quiet(instant)
        while self.is_quiet(instant):
            instant -= TICK
        return instant if instant >= visit.wanted[offset] else None

    def tick(self) -> None:
        """Send what is due now."""
        for visit_id, visit in self.visits.items():
            if visit.is_booked and self.now < visit.start:
                self.send_nearest(visit_id, visit)

    def send_nearest(self, visit_id: UUID, visit: ModelledVisit) -> None:
        due = list[int]()
        for offset in visit.wanted:
            key, due_at = (visit_id, visit.start, offset), self.due(visit, offset)
            is_new = key not in self.ended and due_at is not None and due_at <= self.now
            if is_new or (key in self.postponed and self.postponed[key] <= self.now):
                due.append(offset)
        for offset in sorted(due):
            key = (visit_id, visit.start, offset)
            self.ended.add(key)
            self.postponed.pop(key, None)
            has_nearer = any(other[:2] == key[:2] and other[2] < offset for other in self.ended)
            if has_nearer or offset != min(due):
                continue
            if not self.is_quiet(self.now):
                self.sent.append((key, self.now))
            elif visit.start - self.end_of_quiet(self.now) >= HOUR:
                self.postponed[key] = self.end_of_quiet(self.now)
