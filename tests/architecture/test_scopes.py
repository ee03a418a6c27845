"""Which operations each scope opens to API clients. Every other operation that needs a token refuses them, on internal routes too."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from careslot.embedded_platform import embedded_settings
from careslot.folder import Folder
from careslot.services import PACKAGES, create_app
from shared.contracts.identity import Caller, Role, Scope
from shared.contracts.refusals import Forbidden
from shared.kit.access import RequireRole
from shared.kit.overrides import Overrides
from shared.kit.requests import ServiceRequest
from shared.kit.routes import all_dependencies
from tests.architecture.snapshots import FOLDER

DOCUMENT: dict[str, Any] = json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))
CLIENT_ID = UUID(int=1)
OPENED = {
    Scope.APPOINTMENTS_READ: {"list_appointments", "get_appointment", "get_appointment_history", "get_appointment_calendar"},
    Scope.APPOINTMENTS_WRITE: {
        "book_appointment", "amend_appointment", "reschedule_appointment", "cancel_appointment", "approve_appointment",
        "decline_appointment", "check_in_appointment", "start_appointment", "complete_appointment", "miss_appointment",
        "restore_appointment", "reassign_appointment",
    },
    Scope.MESSAGES_READ: {"list_messages", "get_message", "list_dead_letters"},
    Scope.WEBHOOKS_MANAGE: {
        operation["operationId"] for path, item in DOCUMENT["paths"].items() if path.startswith("/webhooks") for operation in item.values()
    },
}  # fmt: skip


@cache
def protected_routes() -> list[APIRoute]:
    """Return the routes of all services that need a token."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ):
        apps = [create_app(service, embedded_settings(service, Folder(Path(folder))), Overrides()) for service in PACKAGES]
    routes = [route for app in apps for route in app.routes if isinstance(route, APIRoute)]
    return [route for route in routes if required_roles(route)]


def required_roles(route: APIRoute) -> list[RequireRole]:
    return [dependency.call for dependency in all_dependencies(route.dependant) if isinstance(dependency.call, RequireRole)]


def admits(route: APIRoute, *scopes: Scope) -> bool:
    """Return whether the route admits an API client with these scopes. Its id is every parameter of the path, as an owner's would be."""
    parameters = dict.fromkeys(route.param_convertors, str(CLIENT_ID))
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "app": FastAPI(), "path_params": parameters}
    request = ServiceRequest(scope)
    request.caller = Caller(CLIENT_ID, Role.CLIENT, CLIENT_ID, scope=frozenset(scopes))
    try:
        for require_role in required_roles(route):
            require_role.resolve(request)
    except Forbidden:
        return False
    return True


def names(routes: Iterator[APIRoute]) -> set[str]:
    return {str(route.operation_id or f"{route.path} {route.methods}") for route in routes}


def test_a_client_without_scope_is_refused_by_every_operation_that_needs_a_token() -> None:
    assert len(protected_routes()) > 60
    assert names(route for route in protected_routes() if admits(route)) == set()


@pytest.mark.parametrize("scope", Scope)
def test_a_scope_opens_these_operations_and_no_other(scope: Scope) -> None:
    assert names(route for route in protected_routes() if admits(route, scope)) == OPENED[scope]


def test_all_scopes_together_open_no_more() -> None:
    assert names(route for route in protected_routes() if admits(route, *Scope)) == set().union(*OPENED.values())


def test_the_document_names_the_scope_of_every_operation_that_has_one() -> None:
    documented: dict[str, set[str]] = {scope.value: set() for scope in Scope}
    for item in DOCUMENT["paths"].values():
        for operation in item.values():
            for requirement in operation["security"]:
                for scope in requirement.get("api_client", []):
                    documented[scope].add(operation["operationId"])
    assert documented == {scope.value: opened for scope, opened in OPENED.items()}


def test_internal_routes_are_among_those_that_refuse_clients() -> None:
    paths = {route.path for route in protected_routes()}
    assert {"/internal/dead-letters", "/internal/accounts"} <= paths
