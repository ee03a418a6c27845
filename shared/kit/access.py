"""Who may call a route: a type in the route's signature."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.security import OAuth2PasswordBearer
from fastapi.security.base import SecurityBase

from shared.contracts.identity import Caller, Role, Scope
from shared.contracts.refusals import Forbidden, Unauthenticated
from shared.kit.requests import RequestDependency, ServiceRequest

BEARER = OAuth2PasswordBearer(tokenUrl="/auth/token", auto_error=False, scheme_name="bearer")


class RoleNotAllowed(Forbidden):
    """Raised when the caller's role may not use a route."""

    code = "forbidden"
    detail = "Your role may not do this."


class NotYours(Forbidden):
    """Raised when the resource in the path belongs to another person."""

    code = "not_yours"
    detail = "This belongs to somebody else."


class InsufficientScope(Forbidden):
    """Raised when an API client does not have the scope that a route requires of API clients."""

    code = "insufficient_scope"
    detail = "The access token of this API client does not have the scope that this request needs."
    remedy = "Get an access token with the scope that the operation names, or register a client that has it with `POST /auth/clients`."


async def authenticate(request: ServiceRequest) -> None:
    """Verify the bearer token, if one was sent, and set `request.caller`.

    Raises Unauthenticated for a malformed header or an invalid token, on public routes too.
    """
    authorization = request.headers.get("authorization")
    if authorization is None:
        return
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    request.caller = await request.app.state.verifier.verify(token)


class OptionalCaller(RequestDependency, SecurityBase):
    """A dependency that returns the caller, or None where the request carries no token or that of an API client.

    `changes_response` says in the OpenAPI document that a token is worth sending. An API client sees the same of a public resource as
    a caller without a token, whatever its scopes are.
    """

    model, scheme_name = BEARER.model, BEARER.scheme_name

    def __init__(self, *, changes_response: bool = False) -> None:
        self.changes_response = changes_response

    def resolve(self, request: ServiceRequest) -> Caller | None:
        caller = request.caller
        return None if caller is not None and caller.role is Role.CLIENT else caller


class RequireRole(RequestDependency, SecurityBase):
    """A dependency that returns the caller if they have one of `roles`, are one of `services`, or are an API client with `scope`.

    Routes check it before they read the body. Without `scope` no API client is admitted. Raises Unauthenticated without a token,
    InsufficientScope for an API client without the scope, RoleNotAllowed for other callers.
    """

    model, scheme_name = BEARER.model, BEARER.scheme_name

    def __init__(self, *roles: Role, services: tuple[str, ...] = (), scope: Scope | None = None) -> None:
        self.roles, self.services, self.scope = frozenset(roles), frozenset(services), scope

    def resolve(self, request: ServiceRequest) -> Caller:
        caller = request.caller
        if caller is None:
            raise Unauthenticated
        if not self._admits(caller):
            raise InsufficientScope if caller.role is Role.CLIENT and self.scope is not None else RoleNotAllowed
        return caller

    async def handle_refusal(self, request: ServiceRequest) -> None:
        """Do what must happen before a caller whom the route does not admit is refused. Here nothing."""

    def _admits(self, caller: Caller) -> bool:
        if caller.role is Role.SERVICE:
            return caller.client in self.services
        if caller.role is Role.CLIENT:
            return self.scope is not None and self.scope in caller.scope
        return caller.role in self.roles


class RequireOwner(RequireRole):
    """A dependency like RequireRole, for a resource whose owner's id is the path parameter `parameter`.

    It admits the owner, who must have `role`, and admins. Raises NotYours for another person.
    """

    def __init__(self, role: Role, parameter: str) -> None:
        super().__init__(role, Role.ADMIN)
        self.parameter = parameter

    def resolve(self, request: ServiceRequest) -> Caller:
        caller = super().resolve(request)
        if not caller.is_admin and parse_uuid(request.path_params[self.parameter]) != caller.id:
            raise NotYours
        return caller


def parse_uuid(text: str) -> UUID | None:
    """Return the id that a parameter of a path is, or None."""
    try:
        return UUID(text)
    except ValueError:
        return None


def require_services(*names: str) -> RequireRole:
    """Return the dependency of an `/internal` route that only these services may call."""
    return RequireRole(services=tuple(map(str, names)))


EVERY_ROLE = (Role.PATIENT, Role.DOCTOR, Role.RECEPTION, Role.ADMIN)
Public = Annotated[Caller | None, Depends(OptionalCaller())]
PublicOrAccount = Annotated[Caller | None, Depends(OptionalCaller(changes_response=True))]
Account = Annotated[Caller, Depends(RequireRole(*EVERY_ROLE))]
Patient = Annotated[Caller, Depends(RequireRole(Role.PATIENT))]
Doctor = Annotated[Caller, Depends(RequireRole(Role.DOCTOR))]
OwnDoctor = Annotated[Caller, Depends(RequireOwner(Role.DOCTOR, "doctor_id"))]
DoctorOrStaff = Annotated[Caller, Depends(RequireRole(Role.DOCTOR, Role.RECEPTION, Role.ADMIN))]
PatientOrStaff = Annotated[Caller, Depends(RequireRole(Role.PATIENT, Role.RECEPTION, Role.ADMIN))]
Staff = Annotated[Caller, Depends(RequireRole(Role.RECEPTION, Role.ADMIN))]
Admin = Annotated[Caller, Depends(RequireRole(Role.ADMIN))]
WebhookManager = Annotated[Caller, Depends(RequireRole(Role.ADMIN, scope=Scope.WEBHOOKS_MANAGE))]
MessageReader = Annotated[Caller, Depends(RequireRole(Role.RECEPTION, Role.ADMIN, scope=Scope.MESSAGES_READ))]
DeadLetterReader = Annotated[Caller, Depends(RequireRole(Role.ADMIN, scope=Scope.MESSAGES_READ))]
