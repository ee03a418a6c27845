"""The places where appointment-service keeps its documents, each opened as its wiring opens it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from appointment_svc.migrations import migrate
from appointment_svc.repository import mongo
from appointment_svc.repository.documents import Documents
from appointment_svc.repository.sqlite import SqliteDocuments
from appointment_svc.repository.store import DocumentStore
from appointment_svc.repository.tables import PLUMBING
from shared.kit.answers import Answers
from shared.kit.bus import Undelivered, Unroutable
from shared.kit.clock import MovableClock
from shared.kit.keeping import SqlAnswers, SqlLeases
from shared.kit.leases import Leases
from shared.kit.sql import Database


@dataclass
class Place:
    """`nudged` counts how often the relay was woken."""

    documents: Documents
    leases: Leases
    answers: Answers
    clock: MovableClock
    nudged: int = 0

    @property
    def store(self) -> DocumentStore:
        return DocumentStore(self.documents, self._nudge)

    def _nudge(self) -> None:
        self.nudged += 1


@asynccontextmanager
async def opened(url: str, clock: MovableClock) -> AsyncIterator[Place]:
    """A migrated place."""
    migrate(url)
    if url.startswith("mongodb"):
        async with mongo.opened(url) as database:
            yield Place(mongo.MongoDocuments(database), mongo.MongoLeases(database, clock), mongo.MongoAnswers(database, clock), clock)
            await database.client.drop_database(database.name)
        return
    async with Database(url) as database:
        yield Place(SqliteDocuments(database), SqlLeases(database, PLUMBING, clock), SqlAnswers(database, PLUMBING, clock), clock)


@dataclass
class Told:
    """A bus that writes down what it is told; `unwanted` topics have no queue, `gone`: it does not answer."""

    taken: list[str] = field(default_factory=list)
    unwanted: set[str] = field(default_factory=set)
    gone: bool = False

    async def publish(self, topic: str, message_id: str, body: bytes) -> None:
        if self.gone:
            raise Undelivered
        if topic in self.unwanted:
            raise Unroutable
        self.taken.append(body.decode())
