"""Which routes admit API clients: a route names the scope that an API client needs, and every other route refuses API clients."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI

from shared.contracts.identity import Caller, Role, Scope
from shared.contracts.refusals import Forbidden
from shared.kit.access import InsufficientScope, OptionalCaller, RequireRole, RoleNotAllowed
from shared.kit.openapi_operations import SECURITY_SCHEMES
from shared.kit.requests import ServiceRequest
from shared.kit.tokens import caller_from_claims

ADMIN_ONLY, MANAGES_WEBHOOKS = RequireRole(Role.ADMIN), RequireRole(Role.ADMIN, scope=Scope.WEBHOOKS_MANAGE)


def request_of(role: Role, *scopes: Scope) -> ServiceRequest:
    request = ServiceRequest({"type": "http", "method": "GET", "path": "/", "headers": [], "app": FastAPI()})
    request.caller = Caller(uuid4(), role, uuid4(), scope=frozenset(scopes))
    return request


def test_a_client_is_admitted_by_the_scope_that_the_route_names() -> None:
    request = request_of(Role.CLIENT, Scope.WEBHOOKS_MANAGE, Scope.MESSAGES_READ)
    assert MANAGES_WEBHOOKS.resolve(request) is request.caller


@pytest.mark.parametrize(
    ("dependency", "scopes", "refusal"),
    [
        (MANAGES_WEBHOOKS, (), InsufficientScope),
        (MANAGES_WEBHOOKS, (Scope.MESSAGES_READ,), InsufficientScope),
        (ADMIN_ONLY, tuple(Scope), RoleNotAllowed),
        (RequireRole(services=("auth-service",)), tuple(Scope), RoleNotAllowed),
    ],
)
def test_a_client_without_the_scope_is_refused(dependency: RequireRole, scopes: tuple[Scope, ...], refusal: type[Forbidden]) -> None:
    with pytest.raises(refusal):
        dependency.resolve(request_of(Role.CLIENT, *scopes))


@pytest.mark.parametrize("role", [Role.PATIENT, Role.DOCTOR, Role.RECEPTION, Role.SERVICE])
def test_a_scope_admits_no_other_kind_of_caller(role: Role) -> None:
    with pytest.raises(RoleNotAllowed):
        MANAGES_WEBHOOKS.resolve(request_of(role, *Scope))


def test_a_public_route_shows_a_client_what_it_shows_everybody() -> None:
    assert OptionalCaller().resolve(request_of(Role.CLIENT, *Scope)) is None
    request = request_of(Role.RECEPTION)
    assert OptionalCaller().resolve(request) is request.caller


def test_the_token_of_a_client_names_its_scopes() -> None:
    claims = {"sub": str(uuid4()), "sid": str(uuid4()), "role": "client", "scope": "messages:read webhooks:manage"}
    caller = caller_from_claims(claims)
    assert (caller.role, caller.scope) == (Role.CLIENT, frozenset({"messages:read", "webhooks:manage"}))
    assert caller.is_staff
    assert not caller.is_admin


def test_the_document_describes_every_scope() -> None:
    scopes: dict[str, Any] = SECURITY_SCHEMES["api_client"]["flows"]["clientCredentials"]["scopes"]
    assert scopes.keys() == set(Scope)
    assert all(scopes.values())
