"""Who may call: a type in a route's signature."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Forbidden, Invalid, PreconditionRequired, Unauthenticated
from shared.kit.ids import new_id

TAG = re.compile(r'"[0-9]{1,9}"|[0-9]{1,9}')
bearer = OAuth2PasswordBearer(tokenUrl="/auth/token", auto_error=False, scheme_name="bearer")


class NotYourRole(Forbidden):
    """Your role may not do this."""

    code = "forbidden"


class NotYours(Forbidden):
    """This is someone else's."""


class BadIfMatch(Invalid):
    """If-Match takes one entity tag as it was sent, such as "3"."""


async def authenticate(request: Request) -> Caller | None:
    """The caller behind the bearer token, if one was sent; a bad one is refused on public routes too."""
    if "caller" not in request.scope:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme and (scheme.lower() != "bearer" or not token.strip()):
            raise Unauthenticated
        request.scope["caller"] = await request.app.state.verifier.verify(token.strip()) if scheme else None
    caller: Caller | None = request.scope["caller"]
    return caller


class RequireRole:
    """A dependency that admits some roles, or some services by name, and gives the caller. Routes run it before they read the body."""

    def __init__(self, *roles: Role, clients: tuple[str, ...] = ()) -> None:
        self.roles, self.clients = frozenset(roles), frozenset(clients)

    async def __call__(self, request: Request, _token: Annotated[str | None, Depends(bearer)] = None) -> Caller:
        caller = await authenticate(request)
        if caller is None:
            raise Unauthenticated
        if not self._admits(caller):
            raise NotYourRole
        return caller

    def _admits(self, caller: Caller) -> bool:
        return caller.client in self.clients if caller.role is Role.SERVICE else caller.role in self.roles


class RequireOwner(RequireRole):
    """As Only, for what belongs to the person whose id stands in the path: that person in one role, and admins."""

    def __init__(self, role: Role, parameter: str) -> None:
        super().__init__(role, Role.ADMIN)
        self.parameter = parameter

    async def __call__(self, request: Request, _token: Annotated[str | None, Depends(bearer)] = None) -> Caller:
        caller = await super().__call__(request)
        if not caller.is_admin and _as_id(request.path_params[self.parameter]) != caller.id:
            raise NotYours
        return caller


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def require_services(*names: str) -> RequireRole:
    """For `/internal` routes."""
    return RequireRole(clients=tuple(map(str, names)))


async def _anyone(request: Request, _token: Annotated[str | None, Depends(bearer)] = None) -> Caller | None:
    return await authenticate(request)


def read_if_match(request: Request) -> int | None:
    """The version in If-Match, None when absent or `*`; anything but one tag of ours matches nothing and is refused."""
    tag = request.headers.get("if-match", "").strip()
    if tag in {"", "*"}:
        return None
    if not TAG.fullmatch(tag):
        raise BadIfMatch(pointer="/If-Match")
    return int(tag.strip('"'))


class IfMatchHeader:
    """If-Match must be there (428); gives the version, or None for `*`."""

    def __call__(self, request: Request) -> int | None:
        if not request.headers.get("if-match", "").strip():
            raise PreconditionRequired
        return read_if_match(request)


@dataclass(frozen=True, slots=True)
class IdempotencyId:
    """The id for what a POST makes: the same again when the same caller repeats it with the same Idempotency-Key."""

    id: UUID
    keyed: bool = False


def _once(request: Request) -> IdempotencyId:
    keyed: UUID | None = request.scope.get("once")
    return IdempotencyId(keyed or new_id(), keyed is not None)


EVERY_ROLE = (Role.PATIENT, Role.DOCTOR, Role.RECEPTION, Role.ADMIN)
Public = Annotated[Caller | None, Depends(_anyone)]
Account = Annotated[Caller, Depends(RequireRole(*EVERY_ROLE))]
Patient = Annotated[Caller, Depends(RequireRole(Role.PATIENT))]
Doctor = Annotated[Caller, Depends(RequireRole(Role.DOCTOR))]
OwnDoctor = Annotated[Caller, Depends(RequireOwner(Role.DOCTOR, "doctor_id"))]
DoctorOrStaff = Annotated[Caller, Depends(RequireRole(Role.DOCTOR, Role.RECEPTION, Role.ADMIN))]
PatientOrStaff = Annotated[Caller, Depends(RequireRole(Role.PATIENT, Role.RECEPTION, Role.ADMIN))]
Staff = Annotated[Caller, Depends(RequireRole(Role.RECEPTION, Role.ADMIN))]
Admin = Annotated[Caller, Depends(RequireRole(Role.ADMIN))]
IfMatch = Annotated[int | None, Depends(read_if_match)]
RequireIfMatch = Annotated[int | None, Depends(IfMatchHeader())]
OperationId = Annotated[IdempotencyId, Depends(_once)]
