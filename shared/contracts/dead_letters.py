"""Dead letters: events that a service could not handle, as services list them to notification-service."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from shared.contracts.values import Instant, ReadModel


class DeadLetterStatus(StrEnum):
    """`waiting`: the event was given up; `replayed`: it was delivered once more, and has not been given up again since."""

    WAITING = "waiting"
    REPLAYED = "replayed"


class DeadLetterSummary(ReadModel):
    """An event that a service gave up, without its content. The fields of an event that cannot be read are null."""

    id: UUID = Field(description="Depends on the service and the event: an event that is given up again keeps it.")
    event_id: UUID | None = Field(description="The id of the event, which a replay keeps.")
    topic: str | None = Field(description="The type of the event.", examples=["appointment.booked.v1"])
    subject: str | None = Field(description="The id of what the event is about.", examples=["0198c0de-0000-7000-8000-000000000001"])
    error: str = Field(
        description="The type of the error that the last attempt ended with, and where in the code it was raised.",
        examples=["KeyError at notify_svc.usecases.enqueue:enqueue_appointment:54"],
    )
    attempts: int = Field(ge=0, description="How often the service has tried to handle the event, over all replays.")
    died_at: Instant = Field(description="When the service gave the event up, the last time.")
    status: DeadLetterStatus
    replayed_at: Instant | None = Field(description="When it was replayed, the last time.")
