"""The gateway's own routes, in one process with fake services."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from starlette.types import Receive, Scope, Send

from careslot.embedded_platform import embedded_settings
from careslot.folder import Folder
from careslot.services import create_app as create_service_app
from gateway_svc.domain.openapi_merge import merged_document
from gateway_svc.main import create_app
from gateway_svc.settings import GatewaySettings
from shared.contracts.identity import Role, Service
from shared.kit.bus_embedded import EmbeddedBus
from shared.kit.clock import MovableClock
from shared.kit.overrides import Overrides
from shared.kit.transport import InProcessTransport
from tests.running import NOON, upstream_handler
from tests.service.gateway.running_gateway import running_gateway
from tests.tokens import bearer

OWN_PATHS = ("/problems", "/problems/{code}", "/status")
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "x", "version": "1"},
    "paths": {
        "/doctors": {"get": {"operationId": "list", "responses": {"200": {"description": ""}}}},
        "/patients": {"get": {"operationId": "list", "responses": {"200": {"description": ""}}}},
        "/internal/doctors": {"get": {"operationId": "secret", "responses": {"200": {"description": ""}}}},
    },
}


class FakePlatformServices:
    """Fakes of all services; those in `down` cannot be reached."""

    def __init__(self) -> None:
        self.down: set[Service] = set()
        self.requests: list[httpx.Request] = []

    def transport(self, service: Service) -> httpx.MockTransport:
        return httpx.MockTransport(lambda request: self._respond(service, request))

    def _respond(self, service: Service, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if service in self.down:
            raise httpx.ConnectError("connection refused")
        return upstream_handler(self._respond_to_public_request)(request)

    def _respond_to_public_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/openapi.json":
            return httpx.Response(200, json=DOCUMENT)
        return httpx.Response(200, json={"path": request.url.path, "query": request.url.query.decode(), "body": request.content.decode()})


@asynccontextmanager
async def gateway_in_one_process(services: FakePlatformServices, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    clock = MovableClock(NOON, running=False)
    async with EmbeddedBus(":memory:", clock) as bus:
        app = create_app(
            GatewaySettings(env="test", client_secret="x" * 40, **settings), overrides=Overrides(bus, services.transport, clock)
        )
        http = httpx.AsyncClient(transport=InProcessTransport(lambda: app), base_url="http://test")
        async with app.router.lifespan_context(app), http:
            yield http


async def test_requests_are_forwarded_within_one_process_too() -> None:
    services = FakePlatformServices()
    async with gateway_in_one_process(services) as http:
        response = await http.post("/doctors?a=b%20c", content=b"{}", headers=bearer(Role.ADMIN) | {"X-User-Role": "admin"})
        assert response.json() == {"path": "/doctors", "query": "a=b%20c", "body": "{}"}
        headers = services.requests[-1].headers
        assert "x-user-role" not in headers
        assert headers["x-request-id"] == response.headers["x-request-id"]
        assert (await http.get("/internal/accounts")).status_code == 404
        assert (await http.get("/doctors", headers={"Authorization": "Bearer x"})).status_code == 401


class StreamingServices(FakePlatformServices):
    """Services that send one part of a response, and the next when `may_continue` is set. `has_ended` says that one has stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.may_continue, self.has_ended = asyncio.Event(), asyncio.Event()

    def transport(self, service: Service) -> httpx.AsyncBaseTransport:  # type: ignore[override]
        return InProcessTransport(lambda: self._stream) if service is Service.DOCTOR else super().transport(service)

    async def _stream(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
            await self.may_continue.wait()
            await send({"type": "http.response.body", "body": b"second"})
        finally:
            self.has_ended.set()


async def test_a_response_is_streamed_within_one_process_and_its_service_stops_when_the_client_leaves() -> None:
    services = StreamingServices()
    async with gateway_in_one_process(services) as http:
        async with http.stream("GET", "/doctors") as response:
            parts = response.aiter_raw()
            assert await anext(parts) == b"first"
            services.may_continue.set()
            assert [part async for part in parts] == [b"second"]
        services.may_continue.clear()
        services.has_ended.clear()
        async with http.stream("GET", "/doctors") as response:
            assert await anext(response.aiter_raw()) == b"first"
        await services.has_ended.wait()


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/", "/docs/start.js", "/openapi.json", "/asyncapi.json", "/problems", "/status"])
async def test_an_invalid_token_is_refused_on_the_gateways_own_paths_too(path: str) -> None:
    async with gateway_in_one_process(FakePlatformServices()) as http:
        for method in ("GET", "HEAD"):
            refused = await http.request(method, path, headers={"Authorization": "Bearer x"})
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer"), method
            assert refused.headers["content-type"] == "application/problem+json"
            assert (await http.request(method, path, headers=bearer(Role.PATIENT))).status_code in (200, 307)


async def test_an_invalid_token_hides_neither_the_health_of_the_gateway_nor_a_missing_path_or_method() -> None:
    invalid = {"Authorization": "Bearer x"}
    async with gateway_in_one_process(FakePlatformServices()) as http:
        for path in ("/livez", "/readyz"):
            assert (await http.get(path, headers=invalid)).status_code == 200
        for path in ("/nowhere", "/metrics", "/docs//"):
            assert (await http.get(path, headers=invalid)).status_code == 404
        wrong_method = await http.post("/status", headers=invalid)
        assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi.json"])
async def test_several_lines_of_if_none_match_are_one_list(path: str) -> None:
    async with gateway_in_one_process(FakePlatformServices()) as http:
        tag = (await http.get(path)).headers["etag"]
        for tags, status in ((['"x"', tag], 304), ([tag, '"x"'], 304), (['"x"', '"y", "z"', f"W/{tag}"], 304), (['"x"', '"y"'], 200)):
            assert (await http.get(path, headers=[("If-None-Match", line) for line in tags])).status_code == status, tags


async def test_several_lines_of_if_none_match_reach_the_service() -> None:
    services = FakePlatformServices()
    async with gateway_in_one_process(services) as http:
        await http.get("/doctors", headers=[("If-None-Match", '"x"'), ("If-None-Match", '"y"')])
        assert services.requests[-1].headers.get_list("if-none-match") == ['"x"', '"y"']
    async with running_gateway() as gateway:
        client = await gateway.connect()
        await client.write(b'GET /doctors HTTP/1.1\r\nhost: x\r\nif-none-match: "x"\r\nif-none-match: "y"\r\n\r\n')
        received = (await client.read_response()).json()["headers"]
        assert [value for name, value in received if name == "if-none-match"] == ['"x"', '"y"']


async def test_the_merged_document_is_openapi_and_contains_only_public_paths() -> None:
    async with gateway_in_one_process(FakePlatformServices()) as http:
        document = (await http.get("/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        assert sorted(document["paths"]) == sorted(["/doctors", "/patients", *OWN_PATHS])
        names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
        assert len(names) == len(set(names))
        assert "/internal/" not in json.dumps(document)


async def test_only_a_complete_document_is_cached() -> None:
    services = FakePlatformServices()
    async with gateway_in_one_process(services) as http:
        services.down = {Service.DOCTOR}
        assert sorted((await http.get("/openapi.json")).json()["paths"]) == sorted(["/patients", *OWN_PATHS])
        services.down = set()
        assert "/doctors" in (await http.get("/openapi.json")).json()["paths"]
        services.down = set(Service)
        assert "/doctors" in (await http.get("/openapi.json")).json()["paths"]


async def test_status_names_the_service_that_is_down() -> None:
    services, all_up = FakePlatformServices(), {str(service): "up" for service in Service}
    async with gateway_in_one_process(services) as http:
        assert (await http.get("/status")).json() == {"status": "up", "services": all_up}
    services.down = {Service.PATIENT}
    async with gateway_in_one_process(services) as http:
        response = await http.get("/status")
        assert response.status_code == 200
        assert response.json() == {"status": "degraded", "services": all_up | {"patient-service": "down"}}


async def test_status_does_not_wait_for_a_service_that_does_not_respond() -> None:
    may_respond = asyncio.Event()

    async def wait(request: object) -> None:
        await may_respond.wait()

    async with running_gateway() as gateway:
        gateway[Service.PATIENT].handler = wait
        services = (await gateway.request("GET", "/status")).json()["services"]
        assert {name for name, state in services.items() if state == "up"} == {"api-gateway", "auth-service", "doctor-service"}
        may_respond.set()


async def test_the_docs_page_loads_files_from_its_own_origin_only() -> None:
    async with gateway_in_one_process(FakePlatformServices()) as http:
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
        for name in ("README.md", "LICENSE", "problems.json", "guides/time.md", "%2e%2e/main.py"):
            assert (await http.get(f"/docs/{name}")).status_code == 404


async def test_metrics_are_reachable_only_if_the_setting_says_so() -> None:
    async with gateway_in_one_process(FakePlatformServices()) as http:
        assert (await http.get("/metrics")).json()["code"] == "not_found"
    async with gateway_in_one_process(FakePlatformServices(), expose_metrics=True) as http:
        await http.get("/doctors")
        assert 'http_requests_total{method="GET",route="/doctors",status="200"}' in (await http.get("/metrics")).text


async def test_health_routes_do_not_depend_on_the_services() -> None:
    services = FakePlatformServices()
    services.down = set(Service)
    async with gateway_in_one_process(services) as http:
        assert (await http.get("/livez")).json() == {"status": "ok"}
        assert (await http.get("/readyz")).status_code == 200
        missing = await http.get("/nowhere")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        assert missing.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in missing.headers


@pytest.mark.parametrize("service", sorted(set(Service) - {Service.GATEWAY}))
async def test_the_real_document_of_a_service_is_valid_after_merging(service: Service, tmp_path: Path) -> None:
    settings = embedded_settings(service, Folder(tmp_path))
    merged = merged_document({service: create_service_app(service, settings, Overrides()).openapi()}, "http://localhost:8000")
    assert merged["paths"]
    for reference in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(merged)):
        assert reference in merged["components"]["schemas"]
    for schema in merged["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
