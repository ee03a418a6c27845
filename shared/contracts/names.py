"""The names of doctors and services as they are now, which doctor-service sends to admin-service for the reports."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from shared.contracts.values import ReadModel, RequestModel

MAX_NAMES = 200
"""The largest number of ids of doctors, and of services, in one request."""


class NameRequest(RequestModel):
    """The body of `POST /internal/names` at doctor-service."""

    doctor_ids: list[UUID] = Field(default_factory=list, max_length=MAX_NAMES)
    service_ids: list[UUID] = Field(default_factory=list, max_length=MAX_NAMES)


class NamedDoctor(ReadModel):
    """The name of a doctor, active or not."""

    id: UUID
    full_name: str


class NamedService(ReadModel):
    """The name and the specialty of a service type, active or not."""

    id: UUID
    name: str
    specialty: str | None


class FoundNames(ReadModel):
    """The doctors and service types that exist among those that were asked for."""

    doctors: list[NamedDoctor]
    services: list[NamedService]
