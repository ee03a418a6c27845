"""Dead letters in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from appointment_svc.repository.documents import Document, from_micros, micros
from appointment_svc.repository.mongo import unavailable_on_failure
from shared.contracts.dead_letters import DeadLetterStatus
from shared.kit.dead_letters import DeadLetter, SortKey


@dataclass(frozen=True, slots=True)
class MongoDeadLetterStore:
    """Implements DeadLetterStore. `_id` is the letter's id as text, whose order is that of the ids."""

    database: Any

    @property
    def _letters(self) -> Any:
        return self.database["dead_letters"]

    async def insert(self, letter: DeadLetter) -> bool:
        async with unavailable_on_failure():
            try:
                await self._letters.insert_one({"_id": str(letter.id)} | _fields(letter))
            except DuplicateKeyError:
                return False
        return True

    async def find(self, letter_id: UUID) -> DeadLetter | None:
        async with unavailable_on_failure():
            document = await self._letters.find_one({"_id": str(letter_id)})
        return _from_document(document) if document else None

    async def replace(self, before: DeadLetter, after: DeadLetter) -> bool:
        unchanged = {"_id": str(before.id), "status": before.status.value, "replays": before.replays}
        async with unavailable_on_failure():
            return bool((await self._letters.update_one(unchanged, {"$set": _fields(after)})).matched_count)

    async def list_newest(self, topic: str | None, limit: int, after: SortKey | None) -> Sequence[DeadLetter]:
        conditions: Document = {} if topic is None else {"topic": topic}
        if after is not None:
            died_us, last_id = micros(after[0]), str(after[1])
            conditions["$or"] = [{"died_us": {"$lt": died_us}}, {"died_us": died_us, "_id": {"$lt": last_id}}]
        cursor = self._letters.find(conditions).sort([("died_us", DESCENDING), ("_id", DESCENDING)]).limit(limit)
        async with unavailable_on_failure():
            return [_from_document(document) for document in await cursor.to_list(limit)]

    async def delete_replayed(self, before: datetime) -> None:
        is_old = {"status": DeadLetterStatus.REPLAYED.value, "replayed_us": {"$lt": micros(before)}}
        async with unavailable_on_failure():
            await self._letters.delete_many(is_old)


def _fields(letter: DeadLetter) -> Document:
    fields = asdict(letter)
    del fields["id"], fields["died_at"], fields["replayed_at"]
    return fields | {
        "event_id": str(letter.event_id) if letter.event_id else None,
        "status": letter.status.value,
        "died_us": micros(letter.died_at),
        "replayed_us": micros(letter.replayed_at) if letter.replayed_at else None,
    }


def _from_document(document: Document) -> DeadLetter:
    fields = {name: document[name] for name in ("message_id", "topic", "subject", "error", "attempts", "replays")}
    return DeadLetter(
        id=UUID(document["_id"]),
        event_id=UUID(document["event_id"]) if document["event_id"] else None,
        body=bytes(document["body"]),
        died_at=from_micros(document["died_us"]),
        status=DeadLetterStatus(document["status"]),
        replayed_at=from_micros(document["replayed_us"]) if document["replayed_us"] is not None else None,
        **fields,
    )
