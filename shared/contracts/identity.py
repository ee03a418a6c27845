"""Who is asking: roles, callers and the names of the services."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid5

SERVICE_ID_NAMESPACE = UUID("6f1c2d1e-5a0b-4c57-9d0e-0c5a5e1d7a11")


class Role(StrEnum):
    PATIENT = "patient"
    DOCTOR = "doctor"
    RECEPTION = "reception"
    ADMIN = "admin"
    SERVICE = "service"
    SYSTEM = "system"


class Service(StrEnum):
    """The services by the name that callers resolve."""

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
        """The prefix of its settings: `AUTH`, `NOTIFY`."""
        return {"api-gateway": "GATEWAY", "notification-service": "NOTIFY"}.get(self, self.split("-")[0].upper())

    @property
    def port(self) -> int:
        return 8000 + list(Service).index(self)


STAFF = frozenset({Role.RECEPTION, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Caller:
    """A person or a service behind a verified token. `client` names the service when the role is `service`."""

    id: UUID
    role: Role
    session_id: UUID | None = None
    client: str | None = None
    scope: frozenset[str] = frozenset()

    @property
    def is_staff(self) -> bool:
        return self.role in STAFF

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN


def system_caller(service: Service) -> Caller:
    """The caller that stands in the history when a service acts on its own."""
    return Caller(uuid5(SERVICE_ID_NAMESPACE, service), Role.SYSTEM, client=service)
