"""A path that one route spells out is not a path of the routes with a parameter there."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from shared.kit.exception_handlers import allowed_methods
from shared.kit.route_precedence import prefer_literal_segments

ROUTES = [
    ("DELETE", "/doctors/{doctor_id}/leaves/{leave_id}"),
    ("POST", "/doctors/{doctor_id}/leaves/preview"),
    ("GET", "/patients/{patient_id}"),
    ("PATCH", "/patients/me"),
    ("GET", "/patients/me"),
    ("GET", "/{anything}/{else}"),
    ("GET", "/files/{name}.ics"),
]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/doctors/1/leaves/preview", {"POST"}),
        ("/doctors/1/leaves/previews", {"DELETE"}),
        ("/doctors/preview/leaves/1", {"DELETE"}),
        ("/patients/me", {"GET", "HEAD", "PATCH"}),
        ("/patients/mee", {"GET", "HEAD"}),
        ("/patients", set()),
        ("/files/a.ics", {"GET", "HEAD"}),
        ("/files/a.txt", {"GET", "HEAD"}),
    ],
)
def test_a_path_has_the_methods_of_the_routes_that_spell_it_out(path: str, allowed: set[str]) -> None:
    async def endpoint() -> None: ...

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.router.routes = [APIRoute(route_path, endpoint, methods=[method]) for method, route_path in ROUTES]
    prefer_literal_segments(app.router.routes)
    scope = {"type": "http", "app": app, "method": "TRACE", "path": path, "root_path": ""}
    assert allowed_methods(scope) == allowed
