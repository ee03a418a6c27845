"""Carries the events that wait inside of documents to the bus."""

from __future__ import annotations

import json
from dataclasses import dataclass

from appointment_svc.repository.documents import Documents, micros
from shared.kit.bus import Bus, PublishFailed, Unroutable
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.outbox import RETENTION

BATCH = 100


@dataclass(frozen=True, slots=True)
class DocumentRelay:
    documents: Documents
    bus: Bus
    now: Clock

    async def publish(self) -> int:
        """Publishes some of what waits, of one document in order. What no queue wants yet stays, and holds up nothing; a silent bus
        ends the round."""
        done, after = 0, ""
        try:
            while not done and (waiting := await self.documents.unsent(BATCH, after)):
                for one, events in waiting:
                    done += sum([await self._left(one, event) for event in events])
                    after = one
        except PublishFailed as why:
            log_event("events wait", why=str(why))
        return done

    async def prune(self) -> int:
        """Forgets what left and lies still for a week."""
        await self.documents.forget_sent(micros(self.now() - RETENTION))
        return 0

    async def _left(self, document_id: str, event: str) -> int:
        envelope = json.loads(event)
        try:
            await self.bus.publish(envelope["type"], envelope["id"], event.encode())
        except Unroutable as why:
            log_event("event waits", topic=envelope["type"], event=envelope["id"], why=str(why))
            return 0
        await self.documents.sent(document_id, event)
        return 1
