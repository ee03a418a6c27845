"""Roles, callers and the names of the services."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

SERVICE_ID_NAMESPACE = UUID("6f1c2d1e-5a0b-4c57-9d0e-0c5a5e1d7a11")  # the caller id of a service is uuid5(this namespace, its name)


class Role(StrEnum):
    """What a caller is.

    `service` is another service with a token of its own; `system` is a service that acts by itself, as a job does; `client` is a program of
    the clinic or of an integrator that an admin has registered (an API client).
    """

    PATIENT = "patient"
    DOCTOR = "doctor"
    RECEPTION = "reception"
    ADMIN = "admin"
    SERVICE = "service"
    SYSTEM = "system"
    CLIENT = "client"


class Scope(StrEnum):
    """What an API client may do. Its access token names its scopes, and each route names the scope that admits API clients, if any."""

    APPOINTMENTS_READ = "appointments:read"
    APPOINTMENTS_WRITE = "appointments:write"
    MESSAGES_READ = "messages:read"
    WEBHOOKS_MANAGE = "webhooks:manage"

    @property
    def description(self) -> str:
        """What the scope permits, as the OpenAPI document says it."""
        return SCOPE_DESCRIPTIONS[self]


SCOPE_DESCRIPTIONS = {
    Scope.APPOINTMENTS_READ: "Read all appointments, with their history, as reception does.",
    Scope.APPOINTMENTS_WRITE: "Book and change appointments, as reception does.",
    Scope.MESSAGES_READ: "Read what became of messages and of events that could not be handled.",
    Scope.WEBHOOKS_MANAGE: "Create, change and delete webhooks, and read their deliveries.",
}


class Service(StrEnum):
    """The services by their names. Callers resolve these names to addresses, and tokens of services carry them."""

    GATEWAY = "api-gateway"
    AUTH = "auth-service"
    PATIENT = "patient-service"
    DOCTOR = "doctor-service"
    SCHEDULING = "scheduling-service"
    APPOINTMENT = "appointment-service"
    ADMIN = "admin-service"
    NOTIFICATION = "notification-service"

    @property
    def prefix(self) -> str:
        """The prefix of the service's environment variables: `AUTH`, `NOTIFY`."""
        return {"api-gateway": "GATEWAY", "notification-service": "NOTIFY"}.get(self, self.split("-")[0].upper())

    @property
    def port(self) -> int:
        """The port on which the service listens: 8000 for the gateway, then one more for each service."""
        return 8000 + list(Service).index(self)


STAFF = frozenset({Role.RECEPTION, Role.ADMIN, Role.CLIENT})


@dataclass(frozen=True, slots=True)
class Caller:
    """The person, service or API client that a verified token identifies. `client` names the service when the role is `service`.

    `signed_in_at` (UTC) is when the person last proved who they are, which began the session. It is None for services and API clients, and
    in tokens of earlier releases.
    """

    id: UUID
    role: Role
    session_id: UUID | None = None
    client: str | None = None
    scope: frozenset[str] = frozenset()
    signed_in_at: datetime | None = None

    @property
    def is_staff(self) -> bool:
        """True for reception, admins and API clients, which act for the clinic; doctors are not staff in this sense."""
        return self.role in STAFF

    @property
    def is_admin(self) -> bool:
        """True for admins."""
        return self.role is Role.ADMIN


def system_caller(service: Service) -> Caller:
    """Return the caller that the history shows when a service acts by itself."""
    return Caller(uuid5(SERVICE_ID_NAMESPACE, service), Role.SYSTEM, client=service)
