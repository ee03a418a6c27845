"""What the use cases of scheduling-service need from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from scheduling_svc.domain.agenda import Entry
from scheduling_svc.domain.claims import Claim
from scheduling_svc.domain.diary import Diary, View
from scheduling_svc.domain.feeds import Feed
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.leaves import Block, Closure, Leave
from scheduling_svc.domain.terms import Doctor, Service
from shared.contracts.events import Event
from shared.contracts.grains import Span
from shared.contracts.http import DoctorRules, ServiceTypeRules
from shared.kit.retry import TransactionAborted


class Overtaken(TransactionAborted):
    """Someone else took a grain, a seat or the same claim after the calendar was looked at: it must be looked at again."""


class Look(Protocol):
    """A look into the calendar."""

    async def claim(self, appointment_id: UUID) -> Claim | None: ...

    async def hold(self, hold_id: UUID) -> Hold | None: ...

    async def diaries(self, service: Service, doctor_ids: Collection[UUID], within: Span, view: View) -> Mapping[UUID, Diary]:
        """What touches a span of the doctors' time, and of the patient's of the view; a person without any may be missing.

        The number of queries depends neither on the span nor on the number of doctors.
        """

    async def affected(self, doctor_ids: Collection[UUID], span: Span, now: datetime, limit: int) -> list[Claim]:
        """The doctors' appointments whose visit touches a span and has not begun, in the order of time."""

    async def leave(self, leave_id: UUID) -> Leave | None: ...

    async def closure(self, closure_id: UUID) -> Closure | None: ...

    async def service(self, service_id: UUID) -> Service | None: ...

    async def doctors(self, ids: Collection[UUID]) -> list[Doctor]:
        """Those that are known."""

    async def doctors_of(self, service_id: UUID) -> list[Doctor]: ...


class Transaction(Look, Protocol):
    """Commits on leaving, rolls back on any exception; it sees what others committed up to each question."""

    async def alone(self, *keys: UUID) -> None:
        """Waits until no other transaction is alone with one of the keys; from here on what they count stays true."""

    async def put(self, claim: Claim, standing: Claim | None, *, seats: int = 1) -> None:
        """Writes a claim in place of the standing one, with its grains, or its seat among so many; Overtaken when that stands no more, or
        a grain or the last seat is not free."""

    async def keep(self, hold: Hold, *, seats: int = 1) -> None:
        """Writes a new hold with its grains or its seat; Overtaken as with `put`."""

    async def extend(self, hold: Hold) -> None: ...

    async def drop(self, hold: Hold) -> None:
        """Frees what a hold took; its row stays until the owner's next, so that it can be told from one that never was."""

    async def holds_of(self, owner_id: UUID) -> list[Hold]:
        """Those that were not dropped, standing or over."""

    async def block(self, block: Block) -> None:
        """Takes the lowest free lane of every grain."""

    async def unblock(self, block: Block) -> None:
        """Frees a block's grains; what lies in the lanes above moves down. Harmless to repeat."""

    async def holds_in(self, doctor_id: UUID, span: Span) -> list[Hold]: ...

    async def add_leave(self, leave: Leave) -> None: ...

    async def drop_leave(self, leave: Leave) -> None: ...

    async def save_closure(self, closure: Closure) -> None: ...

    async def closures(self) -> list[Closure]:
        """Those that are not over or not settled."""

    async def add_event(self, event: Event) -> None: ...

    async def mark_handled(self, event_id: UUID) -> bool: ...

    async def learn_doctor(self, rules: DoctorRules) -> bool:
        """Keeps the newest version; whether this was it."""

    async def learn_service(self, rules: ServiceTypeRules) -> bool:
        """Keeps the newest version; whether this was it."""

    async def note_all_learned(self) -> None: ...


class Store(Protocol):
    def look(self) -> AbstractAsyncContextManager[Look]: ...

    def begin(self) -> AbstractAsyncContextManager[Transaction]: ...

    async def reservations(self, limit: int, after: tuple[str, ...] | None) -> list[Claim]:
        """Live ones in the order of their ids."""

    async def leaves(self, doctor_id: UUID, limit: int, after: tuple[str, ...] | None) -> list[Leave]:
        """The latest first."""

    async def all_closures(self, limit: int, after: tuple[str, ...] | None) -> list[Closure]:
        """Those that were not lifted, the latest first."""

    async def doctors_after(self, limit: int, after: UUID | None) -> list[Doctor]:
        """All that are known, in the order of their ids."""

    async def all_learned(self) -> bool:
        """Whether every rule was fetched once."""


class Linking(Protocol):
    """A transaction about the links to people's calendars."""

    async def link(self, feed: Feed) -> None:
        """In place of the account's last one."""

    async def unlink(self, account_id: UUID) -> None:
        """Harmless to repeat."""

    async def mark_handled(self, event_id: UUID) -> bool: ...


class Calendars(Protocol):
    """People's own calendars."""

    def begin(self) -> AbstractAsyncContextManager[Linking]: ...

    async def entries(self, account_id: UUID, within: Span, limit: int, after: tuple[str, ...] | None) -> list[Entry]:
        """What touches a span of one's time, by start and id; BadCursor. The number of queries is constant."""

    async def reader(self, token_hash: str) -> UUID | None:
        """Whose calendar a link opens."""


class Rules(Protocol):
    """The owner of the rules of doctors and services."""

    async def doctor(self, doctor_id: UUID) -> DoctorRules | None: ...

    async def service(self, service_id: UUID) -> ServiceTypeRules | None: ...

    def doctors(self) -> AsyncIterator[Sequence[DoctorRules]]:
        """All, page by page."""

    def services(self) -> AsyncIterator[Sequence[ServiceTypeRules]]:
        """All, page by page."""
