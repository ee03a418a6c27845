"""Carries the events that wait inside of documents to the bus."""

from __future__ import annotations

import json
from dataclasses import dataclass

from appointment_svc.repository.documents import Documents, micros
from shared.kit.bus import Bus, Undelivered
from shared.kit.clock import Clock
from shared.kit.logs import said
from shared.kit.outbox import KEPT_FOR

BATCH = 100


@dataclass(frozen=True, slots=True)
class DocumentRelay:
    documents: Documents
    bus: Bus
    now: Clock

    async def publish(self) -> int:
        """Publishes what waits; of one document in order, and none after one that did not leave."""
        return sum([await self._of(one, events) for one, events in await self.documents.unsent(BATCH)])

    async def prune(self) -> int:
        """Forgets what left and lies still for a week."""
        await self.documents.forget_sent(micros(self.now() - KEPT_FOR))
        return 0

    async def _of(self, document_id: str, events: list[str]) -> int:
        for count, event in enumerate(events):
            envelope = json.loads(event)
            try:
                await self.bus.publish(envelope["type"], envelope["id"], event.encode())
            except Undelivered as why:
                said("event waits", topic=envelope["type"], event=envelope["id"], why=str(why))
                return count
            await self.documents.sent(document_id, event)
        return len(events)
