"""Documents, leases and kept answers in MongoDB: the one module that knows motor.

Plain operators on single documents only, so that it runs on every server that speaks the protocol. motor is at its end of life; its
successor, PyMongo's AsyncMongoClient, has almost the same calls (docs/adr/0011).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ASCENDING, DESCENDING, MongoClient, WriteConcern
from pymongo.errors import ConnectionFailure, DuplicateKeyError, PyMongoError

from appointment_svc.repository.documents import Document, Query, micros
from shared.contracts.refusals import Unavailable
from shared.kit.clock import Clock
from shared.kit.idempotency import LEASE, RETENTION, IdempotencyKeyReused, RequestInProgress, StoredResponse
from shared.kit.leases import TERM

TIMEOUT_MS = 5000
INDEXES: dict[str, list[str]] = {
    "by_doctor": ["doctor_id", "starts_us", "_id"],
    "by_patient": ["patient_id", "starts_us", "_id"],
    "by_status": ["status", "starts_us", "_id"],
    "by_creation": ["created_us", "_id"],
    "by_start": ["starts_us", "_id"],
    "by_unsettled": ["unsettled_us"],
    "by_unsent": ["unsent"],
}


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Any]:
    """The database that the URL names, with a deadline for every call and writes that a majority has."""
    client: Any = AsyncIOMotorClient(url, timeoutMS=TIMEOUT_MS, tz_aware=True, appname="careslot")
    try:
        yield client.get_default_database("appointment").with_options(write_concern=WriteConcern("majority"))
    finally:
        client.close()


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """A server that does not answer is Unavailable, not a fault of ours."""
    try:
        yield
    except (ConnectionFailure, TimeoutError):
        raise Unavailable("The database does not answer.", retry_after=1) from None
    except PyMongoError as error:
        if error.timeout:
            raise Unavailable("The database does not answer.", retry_after=1) from None
        raise


def migrate(url: str) -> None:
    """Makes the indexes; harmless to repeat."""
    client: MongoClient[Document] = MongoClient(url, timeoutMS=30_000)
    with client:
        appointments = client.get_default_database("appointment")["appointments"]
        for name, keys in INDEXES.items():
            appointments.create_index([(key, ASCENDING) for key in keys], name=name)


@dataclass(frozen=True, slots=True)
class MongoDocuments:
    database: Any

    @property
    def _all(self) -> Any:
        return self.database["appointments"]

    async def insert(self, document: Document) -> bool:
        async with answering():
            try:
                await self._all.insert_one(document | {"_id": document["id"]})
            except DuplicateKeyError:
                return False
        return True

    async def update(self, document_id: str, edition: int, changes: Document, line: Document | None, event: str | None) -> bool:
        pushed = ({"history": line} if line else {}) | ({"pending_events": event} if event else {})
        operators = {"$set": changes} | ({"$push": pushed} if pushed else {}) | ({"$inc": {"unsent": 1}} if event else {})
        async with answering():
            done = await self._all.update_one({"_id": document_id, "edition": edition}, operators)
        return bool(done.matched_count)

    async def get(self, ids: list[str]) -> list[Document]:
        async with answering():
            return list(await self._all.find({"_id": {"$in": ids}}).to_list(len(ids)))

    async def find(self, query: Query) -> list[Document]:
        direction = DESCENDING if query.descending else ASCENDING
        order = [("_id", direction)] if query.order == "id" else [(query.order, direction), ("_id", direction)]
        async with answering():
            return list(await self._all.find(_bounds(query)).sort(order).limit(query.limit).to_list(query.limit))

    async def count(self, query: Query) -> int:
        async with answering():
            return int(await self._all.count_documents(_bounds(query)))

    async def unsent(self, limit: int, after: str) -> list[tuple[str, list[str]]]:
        there = {"unsent": {"$gt": 0}, "_id": {"$gt": after}}
        async with answering():
            waiting = await self._all.find(there, {"pending_events": 1}).sort("_id", ASCENDING).limit(limit).to_list(limit)
        return [(document["_id"], document["pending_events"]) for document in waiting]

    async def sent(self, document_id: str, event: str) -> None:
        moved = {"$pull": {"pending_events": event}, "$push": {"published_events": event}, "$inc": {"unsent": -1}}
        async with answering():
            await self._all.update_one({"_id": document_id, "pending_events": event}, moved)

    async def forget_sent(self, before_us: int) -> int:
        old = {"changed_us": {"$lt": before_us}, "published_events.0": {"$exists": True}}
        async with answering():
            return int((await self._all.update_many(old, {"$set": {"published_events": []}})).modified_count)

    async def check(self) -> None:
        """For readiness."""
        async with answering():
            await self.database.command("ping")


@dataclass(frozen=True, slots=True)
class MongoLeases:
    database: Any
    now: Clock

    async def acquire(self, name: str, holder: str) -> bool:
        now = self.now()
        mine = {"_id": name, "$or": [{"holder": holder}, {"until_us": {"$lt": micros(now)}}]}
        async with answering():
            try:
                await self.database["leases"].update_one(mine, {"$set": {"holder": holder, "until_us": micros(now + TERM)}}, upsert=True)
            except DuplicateKeyError:
                return False
        return True

    async def release_all(self, holder: str) -> None:
        async with answering():
            await self.database["leases"].delete_many({"holder": holder})


@dataclass(frozen=True, slots=True)
class MongoAnswers:
    """Keys and answers of keyed POSTs."""

    database: Any
    now: Clock

    async def claim(self, key_id: UUID, fingerprint: str) -> StoredResponse | None:
        claim = {"_id": str(key_id), "fingerprint": fingerprint, "claimed_us": micros(self.now()), "status": None}
        async with answering():
            try:
                await self.database["answers"].insert_one(claim)
                return None
            except DuplicateKeyError:
                return await self._known(claim)

    async def save_response(self, key_id: UUID, answer: StoredResponse) -> None:
        kept = {"status": answer.status, "headers": answer.headers, "body": answer.body}
        async with answering():
            await self.database["answers"].update_one({"_id": str(key_id)}, {"$set": kept})

    async def release(self, key_id: UUID) -> None:
        async with answering():
            await self.database["answers"].delete_one({"_id": str(key_id), "status": None})

    async def prune(self) -> int:
        async with answering():
            await self.database["answers"].delete_many({"claimed_us": {"$lt": micros(self.now() - RETENTION)}})
        return 0

    async def _known(self, claim: Document) -> StoredResponse | None:
        """The first answer; or the claim of a request that died, taken over by one of those who come."""
        known = await self.database["answers"].find_one({"_id": claim["_id"]})
        if known is None:
            raise RequestInProgress
        if known["fingerprint"] != claim["fingerprint"]:
            raise IdempotencyKeyReused(pointer="/Idempotency-Key")
        if known["status"] is not None:
            return StoredResponse(known["status"], known["headers"], bytes(known["body"]))
        dead = {"_id": claim["_id"], "status": None, "claimed_us": {"$lte": micros(self.now() - LEASE)}}
        taken = await self.database["answers"].update_one(dead, {"$set": {"claimed_us": claim["claimed_us"]}})
        if not taken.matched_count:
            raise RequestInProgress
        return None


def _bounds(query: Query) -> Document:
    bounds: Document = {name: {"$in": values} for name, values in query.among.items()}
    for name, (low, high) in query.ranges.items():
        limits = {operator: limit for operator, limit in (("$gte", low), ("$lt", high)) if limit is not None}
        if limits:
            bounds[name] = limits
    if query.after is None:
        return bounds
    value, last = query.after
    beyond = "$lt" if query.descending else "$gt"
    later = {"_id": {beyond: last}}
    if query.order == "id":
        return bounds | later
    return bounds | {"$or": [{query.order: {beyond: value}}, {query.order: value, **later}]}
