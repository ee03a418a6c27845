"""Queueing an event for the webhooks, in the transaction that handles the event."""

from __future__ import annotations

from datetime import datetime

from notify_svc.domain.webhook_bodies import event_body, webhook_event_type
from notify_svc.domain.webhook_deliveries import WAIT_FOR_EARLIER, WebhookDelivery
from notify_svc.domain.webhook_sequences import EventSequence
from notify_svc.domain.webhooks import Webhook
from notify_svc.ports.webhooks import WebhookTransaction
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import AppointmentEvent


async def insert_webhook_deliveries(tx: WebhookTransaction, event: AppointmentEvent, now: datetime) -> bool:
    """Insert a delivery for each webhook that receives the event; return False if there are no webhooks.

    It is due at once, or WAIT_FOR_EARLIER later while an earlier event of the appointment is missing. Deliveries that waited for this event
    become due.
    """
    webhooks = await tx.list_receiving_webhooks()
    if not webhooks:
        return False
    before = await _lock_sequence(tx, event)
    sequence = before.record(event.event_number, now)
    await tx.update_event_sequence(sequence)
    is_complete = sequence.is_complete_before(event.event_number)
    for webhook in webhooks:
        if webhook.receives(webhook_event_type(event)):
            await tx.insert_delivery(_delivery_of(event, webhook, is_complete=is_complete, now=now))
    if sequence.complete_until > before.complete_until:
        await tx.release_waiting_deliveries(sequence, now)
    return True


async def _lock_sequence(tx: WebhookTransaction, event: AppointmentEvent) -> EventSequence:
    sequence = await tx.lock_event_sequence(event.appointment_id)
    if sequence is None:
        known_version = await tx.find_known_version(event.appointment_id)
        await tx.insert_event_sequence(EventSequence.starting_with(event, known_version))
        sequence = await tx.lock_event_sequence(event.appointment_id)  # another transaction may have inserted it first
    assert sequence is not None
    if sequence.is_complete_before(event.event_number):
        return sequence
    return sequence.without_unrecorded(event, await tx.find_known_version(event.appointment_id))


def _delivery_of(event: AppointmentEvent, webhook: Webhook, *, is_complete: bool, now: datetime) -> WebhookDelivery:
    """Return the queued delivery. Its id depends on event and webhook, so that it cannot exist twice."""
    return WebhookDelivery(
        id=derive_id(event.id, webhook.id, "webhook"),
        webhook_id=webhook.id,
        event_id=event.id,
        event_type=webhook_event_type(event),
        stream_id=event.appointment_id,
        sequence=event.event_number,
        body=event_body(event),
        created_at=now,
        queued_at=now,
        due_at=now if is_complete else now + WAIT_FOR_EARLIER,
        waits_for_earlier=not is_complete,
    )
