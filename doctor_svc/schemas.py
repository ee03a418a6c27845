"""The request and response models of doctor-service."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator

from doctor_svc.domain.services import ServiceType
from shared.contracts.http import Answer, Body, Line, Minutes, Money

Duration = Annotated[int, Field(strict=True, ge=5, le=12 * 60, multiple_of=5, examples=[30])]
Days = Annotated[int, Field(strict=True, ge=1, le=730)]
LongMinutes = Annotated[int, Field(strict=True, ge=0, le=90 * 24 * 60, multiple_of=5)]


class OfferService(Body):
    """A new service type. Durations in minutes, multiples of five; notice and cut-offs are elapsed time."""

    name: Line
    specialty: Line | None = None
    mode: Literal["in_person", "video", "phone"] = "in_person"
    duration_minutes: Duration
    buffer_before_minutes: Minutes = 0
    buffer_after_minutes: Minutes = 0
    slot_step_minutes: Duration | None = Field(default=None, description="Distance of two starts; default: the duration.")
    min_notice_minutes: LongMinutes = 0
    horizon_days: Days = 90
    cancel_cutoff_minutes: LongMinutes = 0
    reschedule_cutoff_minutes: LongMinutes = 0
    capacity: Literal[1] = 1
    daily_cap: None = None
    weekly_cap: None = None
    requires_approval: bool = Field(default=False, strict=True)
    price: Money | None = None
    active: bool = Field(default=True, strict=True)

    def service(self, service_id: UUID) -> ServiceType:
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return ServiceType(**fields | {"id": service_id, "slot_step_minutes": self.slot_step_minutes or self.duration_minutes})


class AmendService(Body):
    """What is left out stays; null takes away a price or a specialty."""

    name: Line | None = None
    specialty: Line | None = None
    mode: Literal["in_person", "video", "phone"] | None = None
    duration_minutes: Duration | None = None
    buffer_before_minutes: Minutes | None = None
    buffer_after_minutes: Minutes | None = None
    slot_step_minutes: Duration | None = None
    min_notice_minutes: LongMinutes | None = None
    horizon_days: Days | None = None
    cancel_cutoff_minutes: LongMinutes | None = None
    reschedule_cutoff_minutes: LongMinutes | None = None
    capacity: Literal[1] | None = None
    daily_cap: None = None
    weekly_cap: None = None
    requires_approval: bool | None = Field(default=None, strict=True)
    price: Money | None = None
    active: bool | None = Field(default=None, strict=True)

    @property
    def changes(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set}

    @model_validator(mode="after")
    def _only_some_may_be_null(self) -> AmendService:
        nulls = {name for name in self.model_fields_set if getattr(self, name) is None}
        if nulls - {"specialty", "price", "daily_cap", "weekly_cap"}:
            raise ValueError("null takes away a price or a specialty, nothing else")
        return self


class Specialties(Answer):
    items: list[str]
