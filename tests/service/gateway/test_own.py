"""The gateway's own routes, in one process with all the services it joins."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jsonschema_rs
import pytest

from careslot.services import create_app as create_service
from careslot.services import settings_of
from gateway_svc.domain.document import joined
from gateway_svc.main import create_app
from gateway_svc.settings import GatewaySettings
from shared.contracts.identity import Role, Service
from shared.kit.bus_embedded import EmbeddedBus
from shared.kit.clock import MovableClock
from shared.kit.overrides import Overrides
from shared.kit.transport import InProcessTransport
from tests.running import NOON, neighbours
from tests.service.gateway.street import street
from tests.tokens import bearer

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "x", "version": "1"},
    "paths": {
        "/doctors": {"get": {"operationId": "list", "responses": {"200": {"description": ""}}}},
        "/patients": {"get": {"operationId": "list", "responses": {"200": {"description": ""}}}},
        "/internal/doctors": {"get": {"operationId": "secret", "responses": {"200": {"description": ""}}}},
    },
}


class Neighbours:
    """Every service, played; those in `away` are not there."""

    def __init__(self) -> None:
        self.away: set[Service] = set()
        self.asked: list[httpx.Request] = []

    def transport(self, service: Service) -> httpx.MockTransport:
        return httpx.MockTransport(lambda request: self._answer(service, request))

    def _answer(self, service: Service, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if service in self.away:
            raise httpx.ConnectError("nobody there")
        return neighbours(self._public)(request)

    def _public(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/openapi.json":
            return httpx.Response(200, json=DOCUMENT)
        return httpx.Response(200, json={"path": request.url.path, "query": request.url.query.decode(), "body": request.content.decode()})


@asynccontextmanager
async def embedded(played: Neighbours, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    clock = MovableClock(NOON, running=False)
    async with EmbeddedBus(":memory:", clock) as bus:
        app = create_app(GatewaySettings(env="test", client_secret="x" * 40, **settings), overrides=Overrides(bus, played.transport, clock))
        http = httpx.AsyncClient(transport=InProcessTransport(lambda: app), base_url="http://test")
        async with app.router.lifespan_context(app), http:
            yield http


async def test_in_one_process_a_request_travels_the_same_way() -> None:
    played = Neighbours()
    async with embedded(played) as http:
        heard = await http.post("/doctors?a=b%20c", content=b"{}", headers=bearer(Role.ADMIN) | {"X-User-Role": "admin"})
        assert heard.json() == {"path": "/doctors", "query": "a=b%20c", "body": "{}"}
        arrived = played.asked[-1].headers
        assert "x-user-role" not in arrived
        assert arrived["x-request-id"] == heard.headers["x-request-id"]
        assert (await http.get("/internal/accounts")).status_code == 404
        assert (await http.get("/doctors", headers={"Authorization": "Bearer x"})).status_code == 401


async def test_the_joined_document_is_openapi_and_holds_only_what_is_public() -> None:
    async with embedded(Neighbours()) as http:
        document = (await http.get("/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        assert sorted(document["paths"]) == ["/doctors", "/patients", "/status"]
        names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
        assert len(names) == len(set(names))
        assert "internal" not in json.dumps(document)


async def test_a_document_without_a_service_is_not_kept_and_a_whole_one_is() -> None:
    played = Neighbours()
    async with embedded(played) as http:
        played.away = {Service.DOCTOR}
        assert sorted((await http.get("/openapi.json")).json()["paths"]) == ["/patients", "/status"]
        played.away = set()
        assert "/doctors" in (await http.get("/openapi.json")).json()["paths"]
        played.away = set(Service)
        assert "/doctors" in (await http.get("/openapi.json")).json()["paths"]


async def test_status_names_the_one_that_is_down() -> None:
    played = Neighbours()
    async with embedded(played) as http:
        everyone = {str(service): "up" for service in Service}
        assert (await http.get("/status")).json() == {"status": "up", "services": everyone}
        played.away = {Service.PATIENT}
        heard = await http.get("/status")
        assert heard.status_code == 200
        assert heard.json() == {"status": "degraded", "services": everyone | {"patient-service": "down"}}


async def test_status_does_not_wait_for_one_that_hangs() -> None:
    hang = asyncio.Event()

    async def hangs(asked: object) -> None:
        await hang.wait()

    async with street() as here:
        here[Service.PATIENT].behave = hangs
        services = (await here.ask("GET", "/status")).json()["services"]
        assert {name for name, state in services.items() if state == "up"} == {"api-gateway", "auth-service", "doctor-service"}
        hang.set()


async def test_the_docs_load_nothing_from_elsewhere() -> None:
    async with embedded(Neighbours()) as http:
        page = await http.get("/docs")
        loaded = re.findall(r'(?:src|href)="([^"]*)"', page.text)
        assert {"/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/start.js"} < set(loaded)
        assert all(url.startswith(("/", "data:")) and not url.startswith("//") for url in loaded)
        assert "://" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for url in loaded:
            if url.startswith("/docs/"):
                file = await http.get(url)
                assert file.status_code == 200
                assert file.content
                assert file.headers["content-type"].startswith(("text/javascript", "text/css"))
        assert "://" not in (await http.get("/docs/start.js")).text
        assert not re.search(r"url\(\s*[\"']?(?:https?:)?//|@import", (await http.get("/docs/swagger-ui.css")).text)
        for name in ("README.md", "LICENSE", "..", "%2e%2e/main.py"):
            assert (await http.get(f"/docs/{name}")).status_code == 404


async def test_metrics_are_shown_only_when_told_to() -> None:
    async with embedded(Neighbours()) as http:
        assert (await http.get("/metrics")).json()["code"] == "not_found"
    async with embedded(Neighbours(), expose_metrics=True) as http:
        await http.get("/doctors")
        assert 'http_requests_total{method="GET",route="/doctors",status="200"}' in (await http.get("/metrics")).text


async def test_health_is_its_own() -> None:
    played = Neighbours()
    played.away = set(Service)
    async with embedded(played) as http:
        assert (await http.get("/livez")).json() == {"status": "ok"}
        assert (await http.get("/readyz")).status_code == 200
        refused = await http.get("/nowhere")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        assert refused.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("service", sorted(set(Service) - {Service.GATEWAY, Service.NOTIFICATION}))
async def test_what_a_service_really_documents_is_valid_when_joined(service: Service) -> None:
    url: dict[str, Any] = {"database_url": "sqlite+aiosqlite:///:memory:"}
    settings = settings_of(service)(env="test", client_secret="x" * 40, **url)
    whole = joined({service: create_service(service, settings, Overrides()).openapi()})
    assert whole["paths"]
    for reference in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(whole)):
        assert reference in whole["components"]["schemas"]
    for schema in whole["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
