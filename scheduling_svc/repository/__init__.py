"""The store of scheduling-service in SQL.

Every module reads and writes one kind of row; the classes below combine them. The functions of the modules read pages, each in a snapshot
of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.agenda import AgendaEntry
from scheduling_svc.domain.archive import ArchiveCursor
from scheduling_svc.domain.claims import Claim
from scheduling_svc.domain.feeds import CalendarFeed
from scheduling_svc.domain.leaves import Closure, Leave
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.repository import agenda, archive, blocks, claims, retention, rules
from scheduling_svc.repository.agenda import AgendaReader, FeedWriter
from scheduling_svc.repository.archive import ArchiveWriter
from scheduling_svc.repository.blocks import BlockReader, BlockWriter
from scheduling_svc.repository.busy_times import BusyTimesReader
from scheduling_svc.repository.claims import ClaimReader, ClaimWriter
from scheduling_svc.repository.holds import HoldReader
from scheduling_svc.repository.locks import LockWriter
from scheduling_svc.repository.merged_patients import MergedPatientWriter
from scheduling_svc.repository.rules import RuleReader, RuleWriter
from scheduling_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.grains import Span, grain_of
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database


@dataclass
class SqlCalendarReader(ClaimReader, HoldReader, BlockReader, AgendaReader, RuleReader, BusyTimesReader):
    """Reads the calendar on one connection."""

    connection: AsyncConnection


class SqlCalendarTransaction(
    SqlTransaction, LockWriter, ClaimWriter, MergedPatientWriter, ArchiveWriter, BlockWriter, RuleWriter, FeedWriter, BusyTimesReader
):
    """One transaction of the calendar."""


@dataclass(frozen=True, slots=True)
class SqlCalendarStore:
    """The store of the calendar and of the agendas; `wake_relay` is called after a commit that added an event."""

    database: Database
    now: Clock
    wake_relay: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqlCalendarReader]:
        """Open a snapshot."""
        async with self.database.read() as connection:
            yield SqlCalendarReader(connection)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlCalendarTransaction]:
        """Begin a transaction; it commits on leaving."""
        async with self.database.write() as connection:
            tx = SqlCalendarTransaction(connection, INFRASTRUCTURE, Service.SCHEDULING, self.now)
            yield tx
        if tx.has_events:
            self.wake_relay()

    async def list_live_claims(self, limit: int, after: tuple[str, ...] | None, ends_after: datetime | None = None) -> list[Claim]:
        """Return claims that hold time, and end after an instant if one is given, in the order of their ends and ids."""
        async with self.database.read() as connection:
            return await claims.list_live(connection, limit, after, grain_of(ends_after) if ends_after else None)

    async def list_archivable(self, ended_before: int, limit: int, after: ArchiveCursor | None) -> list[ArchiveCursor]:
        """Return claims that ended before a grain and are not archived, in the order of their ends and ids."""
        async with self.database.read() as connection:
            return await archive.list_due(connection, ended_before, limit, after)

    async def delete_ended_claims(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` claims without grains that ended before an instant, with their seats; return how many."""
        async with self.database.write() as connection:
            return await retention.delete_ended_claims(connection, before, limit)

    async def delete_ended_blocks(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` leaves, and as many settled closures, that ended before an instant; return how many."""
        async with self.database.write() as connection:
            return await retention.delete_ended_blocks(connection, before, limit)

    async def list_leaves(self, doctor_id: UUID, limit: int, after: tuple[str, ...] | None) -> list[Leave]:
        """Return the leaves of a doctor, the latest first."""
        async with self.database.read() as connection:
            return await blocks.list_leaves(connection, doctor_id, limit, after)

    async def list_closures(self, limit: int, after: tuple[str, ...] | None) -> list[Closure]:
        """Return the closures that were not lifted, the latest first."""
        async with self.database.read() as connection:
            return await blocks.list_closures(connection, limit, after)

    async def list_entries(self, account_id: UUID, within: Span, limit: int, after: tuple[str, ...] | None) -> list[AgendaEntry]:
        """Return the entries of an account that touch a span, by start and id."""
        async with self.read() as calendar:
            return await calendar.list_entries(account_id, within, limit, after)

    async def find_feed(self, token_hash: str) -> CalendarFeed | None:
        """Return the link with this hash."""
        async with self.database.read() as connection:
            return await agenda.find_feed(connection, token_hash)

    async def list_all_doctors(self, limit: int, after: UUID | None) -> list[DoctorTerms]:
        """Return all doctors whose rules are stored, in the order of their ids."""
        async with self.database.read() as connection:
            return await rules.list_all_doctors(connection, limit, after)

    async def list_active_services(self, limit: int, after: UUID | None) -> list[ServiceTerms]:
        """Return up to `limit` active services whose rules are stored, in the order of their ids."""
        async with self.database.read() as connection:
            return await rules.list_active_services(connection, limit, after)

    async def list_absences(self, doctor_ids: Collection[UUID], within: Span) -> Mapping[UUID, Sequence[tuple[int, int]]]:
        """Return the leaves and closures that touch a span, as (start, stop) by doctor; doctors without any are missing."""
        async with self.database.read() as connection:
            return await blocks.list_absences(connection, doctor_ids, within)

    async def list_doctor_ids(self, limit: int, after: UUID | None) -> list[UUID]:
        """Return the ids of all doctors whose rules are stored, in order."""
        async with self.database.read() as connection:
            return await rules.list_doctor_ids(connection, limit, after)

    async def has_all_rules(self) -> bool:
        """Return True if all rules were fetched once."""
        async with self.database.read() as connection:
            return await rules.has_all_rules(connection)
