"""A plain model of the mails about visits: it looks at every fifth minute of the wall clock, and knows neither rows nor instances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

TICK, HOUR, MOST_TRIES = timedelta(minutes=5), timedelta(hours=1), 35
SHORTEST_PAUSE, CACHE_TIME = timedelta(seconds=5), timedelta(seconds=30)
KINDS_UNTIL_THE_START = {"requested", "booked", "rescheduled", "amended", "reminder"}
TOPICS_WITH_MAIL = {"requested", "booked", "rescheduled", "cancelled", "declined", "expired"}


class MailFacts(NamedTuple):
    """What is compared of a mail: when it was sent to whom, in which language and zone, and what it says. `offset` is 0 without one."""

    sent_at: datetime
    email: str
    language: str | None
    zone: str
    kind: str
    visit_id: UUID
    start: datetime
    offset: int


@dataclass(frozen=True)
class ModelledChange:
    """A change of an appointment. `topic` is the word in the middle of `appointment.booked.v1`."""

    visit_id: UUID
    patient: UUID
    topic: str
    version: int
    status: str
    start: datetime
    doctor: UUID
    occurred_at: datetime
    previous_start: datetime | None = None
    previous_doctor: UUID | None = None
    changed: frozenset[str] = frozenset()

    @property
    def is_amendment(self) -> bool:
        return self.topic == "amended"


@dataclass
class ModelPerson:
    """A person who gets mails. `quiet` are the first quiet hour and the first that is not; without `offsets` those of the clinic count."""

    email: str
    zone: str = "Europe/Berlin"
    language: str = "en"
    offsets: list[int] | None = None
    quiet: tuple[int, int] | None = None
    offsets_changed_at: datetime | None = None

    @property
    def wanted_offsets(self) -> list[int]:
        return [1440, 60] if self.offsets is None else self.offsets

    def is_quiet(self, instant: datetime) -> bool:
        """Return whether the person's wall clock shows quiet hours."""
        if self.quiet is None:
            return False
        hour, (first, end) = instant.astimezone(ZoneInfo(self.zone)).hour, self.quiet
        return first <= hour < end if first < end else hour >= first or hour < end

    def end_of_quiet(self, instant: datetime) -> datetime:
        while self.is_quiet(instant):
            instant += TICK
        return instant

    def due(self, start: datetime, offset: int, since: datetime) -> datetime | None:
        """Return when a reminder is due that is wanted since an instant; None if that is too late."""
        instant = start - timedelta(minutes=offset)
        if instant < since or not self.is_quiet(instant):
            return instant if instant >= since else None
        if start - self.end_of_quiet(instant) >= HOUR:
            return self.end_of_quiet(instant)
        while self.is_quiet(instant):
            instant -= TICK
        return instant if instant >= since else None


@dataclass
class ModelledVisit:
    """What the newest change told of a visit, who reads about it, and since when each of them wants which offset."""

    version: int
    start: datetime
    is_booked: bool
    readers: list[UUID]
    wanted: dict[tuple[UUID, int], datetime]


@dataclass
class ModelledMail:
    """A mail that waits to be sent. It is tried at `due`, and again after each failure. `is_postponed`: until quiet hours end."""

    person: UUID
    visit_id: UUID
    kind: str
    start: datetime
    version: int
    due: datetime
    offset: int = 0
    failures: int = 0
    is_postponed: bool = False

    def replaces(self, older: ModelledMail) -> bool:
        """Return whether `older` need not be sent after this mail."""
        is_about_same = (self.person, self.visit_id) == (older.person, older.visit_id) and self.version > older.version
        return is_about_same and older.kind != "reminder" and (self.kind not in ("amended", "reminder") or self.kind == older.kind)


@dataclass
class MessageModel:
    """All people and visits. `readers` are the people who get the mails for a patient. `sent` is compared with what arrived."""

    now: datetime
    people: dict[UUID, ModelPerson]
    readers: dict[UUID, list[UUID]]
    server_is_up: bool = True
    visits: dict[UUID, ModelledVisit] = field(default_factory=dict)
    waiting: list[ModelledMail] = field(default_factory=list)
    reminded: set[tuple[UUID, datetime, UUID, int]] = field(default_factory=set)
    delivered: list[ModelledMail] = field(default_factory=list)
    sent: list[MailFacts] = field(default_factory=list)

    def apply(self, change: ModelledChange) -> None:
        """Apply a change, unless a newer one was applied before."""
        visit = self.visits.get(change.visit_id)
        known_version = visit.version if visit is not None else 0
        if change.version < known_version or (change.version == known_version and not change.is_amendment):
            return
        if not change.is_amendment:
            self.visits[change.visit_id] = self.follow(visit, change)
        self.waiting += self.mails_about(change)

    def follow(self, visit: ModelledVisit | None, change: ModelledChange) -> ModelledVisit:
        """Return the visit after the change. Its reminders stay if it was and is booked for the same start, and was not booked anew."""
        is_booked, readers = change.status == "booked", self.readers[change.patient]
        wanted = {
            (person, offset): max(change.occurred_at, self.people[person].offsets_changed_at or change.occurred_at)
            for person in readers
            for offset in self.people[person].wanted_offsets
        }
        if visit is not None and visit.is_booked and is_booked and change.topic != "booked":
            is_same_start = change.start == visit.start and change.previous_start in (None, change.start)
            wanted = visit.wanted if is_same_start else wanted
        return self.drop_late_offsets(ModelledVisit(change.version, change.start, is_booked, readers, wanted))

    def drop_late_offsets(self, visit: ModelledVisit) -> ModelledVisit:
        """Forget the reminders that would come too late."""
        due = {(person, offset): self.people[person].due(visit.start, offset, since) for (person, offset), since in visit.wanted.items()}
        visit.wanted = {key: since for key, since in visit.wanted.items() if due[key] is not None}
        return visit

    def mails_about(self, change: ModelledChange) -> Iterator[ModelledMail]:
        """Yield the mails about a change."""
        kind = change.topic if change.topic in TOPICS_WITH_MAIL else None
        if change.is_amendment or "check_in" in change.changed:
            kind = "amended" if change.changed & {"place", "doctor_name"} else None
        if kind is None:
            return
        for person in self.readers[change.patient]:
            yield self.mail_to(change, person, kind)
        if kind == "amended":
            return
        if change.previous_doctor in (None, change.doctor):
            yield self.mail_to(change, change.doctor, kind)
        else:
            yield self.mail_to(change, change.doctor, "requested" if change.status == "requested" else "booked")
            yield replace(self.mail_to(change, change.previous_doctor, "given_away"), start=change.previous_start or change.start)

    def mail_to(self, change: ModelledChange, person: UUID, kind: str) -> ModelledMail:
        return ModelledMail(person, change.visit_id, kind, change.start, change.version, self.now)

    def apply_preferences(self, person: UUID) -> None:
        """Follow changed preferences or a changed zone of a person."""
        for visit in self.visits.values():
            if person in visit.readers and visit.is_booked and visit.start > self.now:
                others = {key: since for key, since in visit.wanted.items() if key[0] != person}
                own = {(person, offset): visit.wanted.get((person, offset), self.now) for offset in self.people[person].wanted_offsets}
                visit.wanted = others | own
                self.drop_late_offsets(visit)
        for mail in self.waiting:
            if mail.person == person and mail.is_postponed:
                mail.due = min(mail.due, self.now + CACHE_TIME)

    def tick(self) -> None:
        """Write the reminders that are due now, and try to send what waits: older changes first."""
        for visit_id, visit in self.visits.items():
            for person in visit.readers if visit.is_booked and self.now < visit.start else ():
                self.remind(person, visit_id, visit)
        for mail in sorted(self.waiting, key=lambda mail: mail.version):
            if mail.due <= self.now:
                self.try_to_send(mail)

    def remind(self, person: UUID, visit_id: UUID, visit: ModelledVisit) -> None:
        """Write the nearest of the reminders that are due and were not written before, unless a nearer one was."""
        offsets = {offset for reader, offset in visit.wanted if reader == person and not self.was_reminded(person, visit_id, visit, offset)}
        instants = {offset: self.people[person].due(visit.start, offset, visit.wanted[person, offset]) for offset in offsets}
        due = {offset for offset, instant in instants.items() if instant is not None and instant <= self.now}
        self.reminded |= {(visit_id, visit.start, person, offset) for offset in due}
        if due and not self.has_nearer(person, visit_id, visit, min(due)):
            self.waiting.append(ModelledMail(person, visit_id, "reminder", visit.start, visit.version, self.now, min(due)))

    def was_reminded(self, person: UUID, visit_id: UUID, visit: ModelledVisit, offset: int) -> bool:
        return (visit_id, visit.start, person, offset) in self.reminded

    def has_nearer(self, person: UUID, visit_id: UUID, visit: ModelledVisit, offset: int) -> bool:
        return any(key[:3] == (visit_id, visit.start, person) and key[3] < offset for key in self.reminded)

    def try_to_send(self, mail: ModelledMail) -> None:
        """Send a mail, or throw it away, or leave it for later."""
        self.waiting.remove(mail)
        is_late = mail.kind in KINDS_UNTIL_THE_START and self.now >= mail.start
        if is_late or any(delivered.replaces(mail) for delivered in self.delivered):
            return
        person, visit = self.people[mail.person], self.visits.get(mail.visit_id)
        if mail.kind == "reminder":
            is_true = visit is not None and visit.is_booked and visit.start == mail.start and mail.offset in person.wanted_offsets
            if visit is None or not is_true or self.has_nearer(mail.person, mail.visit_id, visit, mail.offset):
                return
            if person.is_quiet(self.now):
                end = person.end_of_quiet(self.now)
                self.waiting += [replace(mail, due=end, is_postponed=True)] if mail.start - end >= HOUR else []
                return
        if self.server_is_up:
            facts = (mail.kind, mail.visit_id, mail.start, mail.offset)
            self.delivered.append(mail)
            self.sent.append(MailFacts(self.now, person.email, person.language, person.zone, *facts))
        elif mail.kind == "reminder" or mail.failures + 1 < MOST_TRIES:
            pause = min(timedelta(seconds=2 ** min(mail.failures, 20)), HOUR)
            if mail.kind in KINDS_UNTIL_THE_START:
                pause = min(pause, max((mail.start - self.now) / 4, SHORTEST_PAUSE))
            self.waiting.append(replace(mail, due=self.now + pause, failures=mail.failures + 1, is_postponed=False))
