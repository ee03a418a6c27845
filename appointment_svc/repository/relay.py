"""Publishes the events that are stored in documents."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from appointment_svc.repository.documents import Documents, micros
from shared.kit.bus import Bus, PublishFailed, Unroutable
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.outbox import RETENTION
from shared.kit.unreadable import log_unreadable

BATCH = 100


@dataclass(frozen=True, slots=True)
class DocumentRelay:
    """The outbox of documents: publishes pending events with the bus's confirmation, and deletes them a week later."""

    documents: Documents
    bus: Bus
    now: Clock

    async def publish(self) -> int:
        """Publish pending events and return how many; fewer than BATCH mean that the run has tried all of them.

        The events of one document are published in order. An event that no queue takes yet, or that fails, stays pending and does not hold
        up the others. If the bus does not answer, the run ends.
        """
        published, after, is_last = 0, "", False
        try:
            while published < BATCH and not is_last:
                unsent = await self.documents.list_unsent(BATCH, after)
                for document_id, events in unsent:
                    published += sum([await self._publish_event(document_id, event) for event in events])
                    after = document_id
                is_last = len(unsent) < BATCH
        except PublishFailed as error:
            log_event("events_still_pending", reason=str(error))
        return published

    async def prune(self) -> int:
        """Delete published events of documents that have not changed for a week."""
        await self.documents.delete_sent(micros(self.now() - RETENTION))
        return 0

    async def _publish_event(self, document_id: str, event: str) -> int:
        try:
            envelope = json.loads(event)
            topic, event_id = envelope["type"], envelope["id"]
        except Exception as error:
            log_unreadable("event", document_id, error)
            return 0
        try:
            await self.bus.publish(topic, event_id, event.encode())
        except Unroutable as error:
            log_event("event_still_pending", topic=topic, event=event_id, reason=str(error))
            return 0
        except PublishFailed:
            raise
        except Exception as error:
            log_event("event_failed", logging.ERROR, error=error, topic=topic, event=event_id)
            return 0
        await self.documents.mark_sent(document_id, event)
        return 1
