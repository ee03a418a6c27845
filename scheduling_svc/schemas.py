"""The request and response models of scheduling-service."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from shared.contracts.http import Answer, Instant


class SlotOut(Answer):
    """A start that can be booked. `local_start` is the wall clock in `time_zone`."""

    doctor_id: UUID
    service_id: UUID
    starts_at: Instant
    ends_at: Instant
    local_start: Annotated[str, Field(examples=["2026-03-09T09:00"])]
    time_zone: Annotated[str, Field(examples=["Europe/Berlin"])]
    remaining: Annotated[int, Field(description="How many can still be booked at this start.", examples=[1])]


class SlotListOut(Answer):
    """In the order of start and doctor; not `complete` when `limit` cut it: ask again from the last start on."""

    items: list[SlotOut]
    complete: bool
    generated_at: Instant
