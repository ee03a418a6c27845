"""Documents, leases and idempotency keys in MongoDB. Only this module imports motor; `mongo_dead_letters` uses what it opens.

It uses only plain operators on single documents, so that it runs on every server that speaks the protocol. motor is at its end of life;
its successor, PyMongo's AsyncMongoClient, has almost the same calls (docs/adr/0011).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ASCENDING, DESCENDING, MongoClient, UpdateOne, WriteConcern
from pymongo.errors import ConnectionFailure, DuplicateKeyError, PyMongoError

from appointment_svc.repository.documents import DoctorRow, Document, DocumentQuery, MergedPatientRow, Place, micros
from shared.contracts.refusals import Unavailable
from shared.kit.clock import Clock
from shared.kit.idempotency_store import CLAIM_TIMEOUT, RETENTION, IdempotencyKeyReused, KeyClaim, RequestInProgress, StoredResponse
from shared.kit.ids import new_id
from shared.kit.leases import LEASE_DURATION

TIMEOUT_MS = 5000
MAX_BULK_UPDATES = 20
"""Some servers of the protocol open a database connection for each update of a bulk write, and wait for ever when they have no more."""
INDEXES: dict[str, list[str]] = {
    "by_doctor": ["doctor_id", "starts_us", "_id"],
    "by_patient": ["patient_id", "starts_us", "_id"],
    "by_status": ["status", "starts_us", "_id"],
    "by_creation": ["created_us", "_id"],
    "by_start": ["starts_us", "_id"],
    "by_end": ["ends_us", "_id"],
    "by_change": ["changed_us", "_id"],
    "by_link": ["link_hashes"],
    "by_unsettled": ["unsettled_us"],
    "by_unsent": ["unsent"],
}


@asynccontextmanager
async def open_database(url: str, timeout_ms: int = TIMEOUT_MS) -> AsyncIterator[Any]:
    """Open the database that the URL names. Every call has a deadline, and every write is confirmed by a majority."""
    client: Any = AsyncIOMotorClient(url, timeoutMS=timeout_ms, tz_aware=True, appname="careslot")
    try:
        yield client.get_default_database("appointment").with_options(write_concern=WriteConcern("majority"))
    finally:
        client.close()


@asynccontextmanager
async def unavailable_on_failure() -> AsyncIterator[None]:
    """Raise Unavailable if the server does not answer."""
    try:
        yield
    except (ConnectionFailure, TimeoutError):
        raise Unavailable("The database does not answer.", retry_after=1) from None
    except PyMongoError as error:
        if error.timeout:
            raise Unavailable("The database does not answer.", retry_after=1) from None
        raise


def migrate(url: str) -> None:
    """Create the indexes that are missing."""
    client: MongoClient[Document] = MongoClient(url, timeoutMS=30_000)
    with client:
        appointments = client.get_default_database("appointment")["appointments"]
        for name, keys in INDEXES.items():
            appointments.create_index([(key, ASCENDING) for key in keys], name=name)
        client.get_default_database("appointment")["places"].create_index("patient_id", name="by_patient")
        client.get_default_database("appointment")["merged_patients"].create_index(
            [("followed", ASCENDING), ("id", ASCENDING)], name="to_follow"
        )
        dead_letters = client.get_default_database("appointment")["dead_letters"]
        dead_letters.create_index([("died_us", DESCENDING), ("_id", DESCENDING)], name="by_time")
        dead_letters.create_index([("topic", ASCENDING), ("died_us", DESCENDING), ("_id", DESCENDING)], name="by_topic")
        dead_letters.create_index([("status", ASCENDING), ("replayed_us", ASCENDING)], name="by_status")


@dataclass(frozen=True, slots=True)
class MongoDocuments:
    """The port `Documents` over a collection."""

    database: Any

    @property
    def _collection(self) -> Any:
        return self.database["appointments"]

    async def insert(self, document: Document) -> bool:
        """Insert a document, with its `link_hashes`; return False if its id exists."""
        async with unavailable_on_failure():
            try:
                await self._collection.insert_one(document | {"_id": document["id"]})
            except DuplicateKeyError:
                return False
        return True

    async def update(
        self, document_id: str, row_version: int, changes: Document, entry: Document | None, events: Sequence[str] = ()
    ) -> bool:
        """Set fields and append entry and events, if the document has this row version; return False otherwise."""
        appended: Document = ({"history": entry} if entry else {}) | ({"pending_events": {"$each": list(events)}} if events else {})
        operators = {"$set": changes} | ({"$push": appended} if appended else {}) | ({"$inc": {"unsent": len(events)}} if events else {})
        async with unavailable_on_failure():
            result = await self._collection.update_one({"_id": document_id, "edition": row_version}, operators)
        return bool(result.matched_count)

    async def rewrite(self, document_id: str, row_version: int, document: Document, events: Sequence[str] = ()) -> bool:
        """Set fields, the history too, append pending events, and delete the hashes of links, if the document has this row version."""
        operators: Document = {"$set": document | {"link_hashes": []}}
        if events:
            operators |= {"$push": {"pending_events": {"$each": list(events)}}, "$inc": {"unsent": len(events)}}
        async with unavailable_on_failure():
            result = await self._collection.update_one({"_id": document_id, "edition": row_version}, operators)
        return bool(result.matched_count)

    async def delete_settled(self, ids: list[str], before_us: int) -> int:
        """Delete documents that end before an instant, and that have neither an intent nor pending events; return how many."""
        is_over = {"_id": _equal_to_any(ids), "ends_us": {"$lt": before_us}, "unsettled_us": 0, "unsent": 0}
        async with unavailable_on_failure():
            return int((await self._collection.delete_many(is_over)).deleted_count)

    async def get_many(self, ids: list[str]) -> list[Document]:
        """Return the documents that exist."""
        async with unavailable_on_failure():
            return list(await self._collection.find({"_id": _equal_to_any(ids)}).to_list(len(ids)))

    async def list_matching(self, query: DocumentQuery) -> list[Document]:
        """Return the documents of a query, in its order; with `fields`, only these."""
        direction = DESCENDING if query.descending else ASCENDING
        order = [("_id", direction)] if query.order == "id" else [(query.order, direction), ("_id", direction)]
        cursor = self._collection.find(_conditions(query), query.fields and list(query.fields)).sort(order).limit(query.limit)
        async with unavailable_on_failure():
            return list(await (cursor.hint(query.index) if query.index else cursor).to_list(query.limit))

    async def find_by_link(self, link_hash: str) -> Document | None:
        """Return the document with this hash of a link."""
        async with unavailable_on_failure():
            document: Document | None = await self._collection.find_one({"link_hashes": link_hash})
        return document

    async def list_link_hashes(self, ids: list[str]) -> dict[str, list[str]]:
        """Return the hashes of links of the documents that exist, by id."""
        async with unavailable_on_failure():
            documents = await self._collection.find({"_id": _equal_to_any(ids)}, {"link_hashes": 1}).to_list(len(ids))
        return {document["_id"]: document.get("link_hashes", []) for document in documents}

    async def add_link_hashes(self, added: dict[str, list[str]]) -> None:
        """Add hashes of links to documents, in bulk writes of MAX_BULK_UPDATES."""
        updates = [UpdateOne({"_id": document_id}, {"$addToSet": {"link_hashes": {"$each": added[document_id]}}}) for document_id in added]
        async with unavailable_on_failure():
            for first in range(0, len(updates), MAX_BULK_UPDATES):
                await self._collection.bulk_write(updates[first : first + MAX_BULK_UPDATES], ordered=False)

    async def find_doctor(self, doctor_id: str) -> DoctorRow | None:
        """Return the row of a doctor."""
        async with unavailable_on_failure():
            document = await self.database["doctors"].find_one({"_id": doctor_id}, {"_id": 0})
        return DoctorRow(**document) if document else None

    async def save_doctor(self, row: DoctorRow, previous_version: int | None) -> bool:
        """Insert a row, or update it if it still has the previous version; return False otherwise."""
        doctors = self.database["doctors"]
        async with unavailable_on_failure():
            if previous_version is not None:
                unchanged = {"_id": row.id, "version": previous_version}
                return bool((await doctors.update_one(unchanged, {"$set": asdict(row)})).matched_count)
            try:
                await doctors.insert_one({"_id": row.id} | asdict(row))
            except DuplicateKeyError:
                return False
        return True

    async def list_doctors_to_follow(self, limit: int, after: str) -> list[DoctorRow]:
        """Return rows that are not followed, by id, after the id `after`."""
        condition = {"followed": False, "id": {"$gt": after}}
        async with unavailable_on_failure():
            found = self.database["doctors"].find(condition, {"_id": 0}).sort("id", ASCENDING).limit(limit)
            return [DoctorRow(**document) for document in await found.to_list(limit)]

    async def insert_merged_patient(self, row: MergedPatientRow) -> None:
        """Insert a row unless it exists."""
        async with unavailable_on_failure():
            with suppress(DuplicateKeyError):
                await self.database["merged_patients"].insert_one({"_id": row.id} | asdict(row))

    async def list_patients_to_follow(self, limit: int, after: str) -> list[MergedPatientRow]:
        """Return rows that are not followed, by id, after the id `after`."""
        condition = {"followed": False, "id": {"$gt": after}}
        async with unavailable_on_failure():
            found = self.database["merged_patients"].find(condition, {"_id": 0}).sort("id", ASCENDING).limit(limit)
            return [MergedPatientRow(**document) for document in await found.to_list(limit)]

    async def list_merge_targets(self, patient_ids: list[str]) -> list[str]:
        """Return the ids of the patients into whom these were merged."""
        async with unavailable_on_failure():
            found = self.database["merged_patients"].find({"_id": {"$in": patient_ids}}, {"into_id": 1})
            return [document["into_id"] for document in await found.to_list(None)]

    async def mark_patient_followed(self, patient_id: str) -> None:
        """Set `followed` in the row of a merged patient."""
        async with unavailable_on_failure():
            await self.database["merged_patients"].update_one({"_id": patient_id}, {"$set": {"followed": True}})

    async def find_progress(self, job: str) -> Document | None:
        """Return how far a job has come, or None."""
        async with unavailable_on_failure():
            stored: Document | None = await self.database["job_progress"].find_one({"_id": job}, {"_id": 0})
        return stored

    async def save_progress(self, job: str, progress: Document) -> None:
        """Store how far a job has come."""
        async with unavailable_on_failure():
            await self.database["job_progress"].update_one({"_id": job}, {"$set": progress}, upsert=True)

    async def list_places(self, patient_id: str) -> dict[int, Place]:
        """Return the places of a patient that were ever taken, by number."""
        async with unavailable_on_failure():
            documents = await self.database["places"].find({"patient_id": patient_id}, {"_id": 0}).to_list(None)
        return {document["number"]: Place(**document) for document in documents}

    async def take_place(self, place: Place, previous: Place | None) -> bool:
        """Write a place instead of the previous one; return False if another request has taken it since that was read."""
        key, places = {"_id": f"{place.patient_id}:{place.number}"}, self.database["places"]
        async with unavailable_on_failure():
            if previous is not None:
                return bool((await places.update_one(key | asdict(previous), {"$set": asdict(place)})).matched_count)
            try:
                await places.insert_one(key | asdict(place))
            except DuplicateKeyError:
                return False
        return True

    async def list_unsent(self, limit: int, after: str) -> list[tuple[str, list[str]]]:
        """Return ids of documents after the id `after`, in order, with their pending events."""
        condition = {"unsent": {"$gt": 0}, "_id": {"$gt": after}}
        async with unavailable_on_failure():
            documents = await self._collection.find(condition, {"pending_events": 1}).sort("_id", ASCENDING).limit(limit).to_list(limit)
        return [(document["_id"], document["pending_events"]) for document in documents]

    async def mark_sent(self, document_id: str, event: str) -> None:
        """Move a pending event of a document to its published events."""
        moved = {"$pull": {"pending_events": event}, "$push": {"published_events": event}, "$inc": {"unsent": -1}}
        async with unavailable_on_failure():
            await self._collection.update_one({"_id": document_id, "pending_events": event}, moved)

    async def delete_sent(self, before_us: int) -> int:
        """Delete published events of documents that have not changed since `before_us`."""
        unchanged = {"changed_us": {"$lt": before_us}, "published_events.0": {"$exists": True}}
        async with unavailable_on_failure():
            return int((await self._collection.update_many(unchanged, {"$set": {"published_events": []}})).modified_count)

    async def check(self) -> None:
        """Raise Unavailable if the server does not answer; used by the readiness probe."""
        async with unavailable_on_failure():
            await self.database.command("ping")


@dataclass(frozen=True, slots=True)
class MongoLeases:
    """Leases of jobs in a collection."""

    database: Any
    now: Clock

    async def acquire(self, name: str, holder: str) -> bool:
        """Acquire or extend a lease; return False if another instance holds it."""
        now = self.now()
        own_or_expired = {"_id": name, "$or": [{"holder": holder}, {"until_us": {"$lt": micros(now)}}]}
        async with unavailable_on_failure():
            try:
                await self.database["leases"].update_one(
                    own_or_expired, {"$set": {"holder": holder, "until_us": micros(now + LEASE_DURATION)}}, upsert=True
                )
            except DuplicateKeyError:
                return False
        return True

    async def release_all(self, holder: str) -> None:
        """Delete the leases of an instance."""
        async with unavailable_on_failure():
            await self.database["leases"].delete_many({"holder": holder})


@dataclass(frozen=True, slots=True)
class MongoIdempotencyStore:
    """Idempotency keys and the stored responses of their requests."""

    database: Any
    now: Clock

    async def claim(self, key_id: UUID, fingerprint: str) -> KeyClaim:
        """Claim a key for a request, or return the stored response of an earlier request.

        Raise RequestInProgress while the first is running, IdempotencyKeyReused if it was a different request.
        """
        operation_id = new_id()
        claim = {
            "_id": str(key_id),
            "fingerprint": fingerprint,
            "claimed_us": micros(self.now()),
            "status": None,
            "operation_id": str(operation_id),
        }
        async with unavailable_on_failure():
            try:
                await self.database["answers"].insert_one(claim)
                return KeyClaim(operation_id, is_first_run=True)
            except DuplicateKeyError:
                return await self._find_response_or_take_over(claim)

    async def save_response(self, key_id: UUID, response: StoredResponse) -> None:
        """Store the response of a key's request."""
        stored = {"status": response.status, "headers": response.headers, "body": response.body}
        async with unavailable_on_failure():
            await self.database["answers"].update_one({"_id": str(key_id)}, {"$set": stored})

    async def reopen(self, key_id: UUID) -> None:
        """Let the same request take over the key at once, as after CLAIM_TIMEOUT."""
        ended = {"$set": {"claimed_us": micros(self.now() - CLAIM_TIMEOUT)}}
        async with unavailable_on_failure():
            await self.database["answers"].update_one({"_id": str(key_id), "status": None}, ended)

    async def release(self, key_id: UUID) -> None:
        """Give up a key whose request has no response to store."""
        async with unavailable_on_failure():
            await self.database["answers"].delete_one({"_id": str(key_id), "status": None})

    async def delete_mentioning(self, subject_id: UUID) -> int:
        """Delete the stored responses that contain an id or were sent to its owner; return how many.

        The keys stay, as after `reopen`. Bodies are binary, which the server cannot search.
        """
        text, deleted = str(subject_id).encode(), 0
        answers = self.database["answers"]
        emptied = {"$set": {"status": None, "headers": None, "body": None, "claimed_us": micros(self.now() - CLAIM_TIMEOUT)}}
        async with unavailable_on_failure():
            async for stored in answers.find({"status": {"$ne": None}}, {"body": 1, "headers": 1}, batch_size=200):
                if text in bytes(stored["body"]) or str(subject_id) in stored["headers"].values():
                    deleted += (await answers.update_one({"_id": stored["_id"], "status": {"$ne": None}}, emptied)).modified_count
        return deleted

    async def prune(self) -> int:
        """Delete keys that are older than the retention time."""
        async with unavailable_on_failure():
            await self.database["answers"].delete_many({"claimed_us": {"$lt": micros(self.now() - RETENTION)}})
        return 0

    async def _find_response_or_take_over(self, claim: Document) -> KeyClaim:
        """Return the stored response, or the claim after taking over the key of a request that stopped without a response."""
        stored = await self.database["answers"].find_one({"_id": claim["_id"]})
        if stored is None:
            raise RequestInProgress
        if stored["fingerprint"] != claim["fingerprint"]:
            raise IdempotencyKeyReused(pointer="/Idempotency-Key")
        operation_id = UUID(stored.get("operation_id") or stored["_id"])  # earlier releases used the id of the key
        if stored["status"] is not None:
            return KeyClaim(operation_id, StoredResponse(stored["status"], stored["headers"], bytes(stored["body"])))
        abandoned = {"_id": claim["_id"], "status": None, "claimed_us": {"$lte": micros(self.now() - CLAIM_TIMEOUT)}}
        result = await self.database["answers"].update_one(abandoned, {"$set": {"claimed_us": claim["claimed_us"]}})
        if not result.matched_count:
            raise RequestInProgress
        return KeyClaim(operation_id)


def _equal_to_any(values: list[Any]) -> Any:
    """Return the condition that a field has one of some values. A single one is compared by itself, which more servers do with an index."""
    return values[0] if len(values) == 1 else {"$in": values}


def _conditions(query: DocumentQuery) -> Document:
    conditions: Document = {name: _equal_to_any(values) for name, values in query.among.items()}
    for name, (low, high) in query.ranges.items():
        limits = {operator: limit for operator, limit in (("$gte", low), ("$lt", high)) if limit is not None}
        if limits:
            conditions[name] = limits
    if query.after is None:
        return conditions
    value, last_id = query.after
    beyond = "$lt" if query.descending else "$gt"
    later = {"_id": {beyond: last_id}}
    if query.order == "id":
        return conditions | later
    return conditions | {"$or": [{query.order: {beyond: value}}, {query.order: value, **later}]}
