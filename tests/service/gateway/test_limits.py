"""The limits of the gateway, and how it handles services and clients that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from shared.contracts.identity import Role, Service
from tests.service.gateway.running_gateway import (
    TIMEOUT_SECONDS,
    ClientResponse,
    FakeInstance,
    Handler,
    ReceivedRequest,
    echo,
    running_gateway,
)
from tests.tokens import bearer

MAX_BODY_BYTES = 64 * 1024


def status_and_code(response: ClientResponse) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json", response
    problem = response.json()
    assert problem["status"] == response.status
    assert problem["request_id"] == response.headers["x-request-id"]
    return response.status, problem["code"]


PATHS_TO_INTERNAL_ROUTES = [
    "/internal",
    "/internal/accounts/1",
    "/Internal/accounts",
    "/INTERNAL",
    "//internal/accounts",
    "/./internal/accounts",
    "/auth/../internal/accounts",
    "/auth/..%2finternal/accounts",
    "/auth/%2e%2e/internal/accounts",
    "/auth/%2E%2E%2Finternal",
    "/auth/.%2e/internal",
    "/auth/%252e%252e/internal",
    "/%69nternal/accounts",
    "/auth//internal",
    "/auth/..;/internal/accounts",
    "/auth;/../internal/accounts",
    "/auth/..\\internal",
    "/auth/%5c..%5cinternal",
    "/auth/login/../../internal/accounts",
    "/auth/%00/../internal",
    "/auth/%ef%bc%8e%ef%bc%8e/internal",
    "/auth/",
    "/auth/login/",
    "/livez/",
    "/metrics",
    "/metrics/",
    "http://auth-service:8001/internal/accounts",
    "http://auth-service:8001/auth/../internal",
    "/doctors/../internal/doctors",
    "/doctors/%2e%2e/livez",
    "/patients/..%2fmetrics",
]


async def test_internal_routes_cannot_be_reached_by_any_spelling() -> None:
    async with running_gateway() as gateway:
        for target in PATHS_TO_INTERNAL_ROUTES:
            response = await gateway.request("GET", target, bearer(Role.SERVICE, "admin-service"))
            assert status_and_code(response) == (404, "not_found"), target
        received = [request for instance in gateway.instances.values() for request in instance.requests]
        assert [request.target for request in received if request.header("x-forwarded-for")] == []


async def test_headers_and_query_do_not_change_the_route() -> None:
    other_paths = {"X-Original-URL": "/internal", "X-Rewrite-URL": "/internal", "Host": "auth-service:8001"}
    async with running_gateway() as gateway:
        response = await gateway.request("GET", "/doctors?x=/../internal", other_paths)
        assert response.json()["target"] == "/doctors?x=/../internal"


async def test_an_absolute_target_is_routed_by_its_path() -> None:
    async with running_gateway() as gateway:
        assert (await gateway.request("GET", "http://elsewhere.example/doctors?a=b")).json()["target"] == "/doctors?a=b"


async def test_url_and_headers_are_limited() -> None:
    async with running_gateway() as gateway:
        assert status_and_code(await gateway.request("GET", "/doctors?q=" + "x" * 8192)) == (414, "url_too_long")
        assert status_and_code(await gateway.request("GET", "/doctors", {f"x-{number}": "1" for number in range(64)})) == (
            431,
            "headers_too_large",
        )
        assert status_and_code(await gateway.request("GET", "/doctors", {"x-large": "x" * 16_400})) == (431, "headers_too_large")
        assert status_and_code(await gateway.request("GET", "/status?" + "x" * 8192)) == (414, "url_too_long")
        assert (await gateway.request("GET", "/doctors?q=" + "x" * 4000, {f"x-{number}": "1" for number in range(60)})).status == 200


async def test_ambiguous_requests_are_refused() -> None:
    async with running_gateway() as gateway:
        client = await gateway.connect()
        await client.write(b"GET /doctors HTTP/1.1\r\nhost: x\r\nauthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n")
        assert status_and_code(await client.read_response()) == (400, "malformed_request")
        for framing in (
            b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
            b"transfer-encoding: identity\r\n\r\n",
            b"content-length: +1\r\n\r\na",
        ):
            client = await gateway.connect()
            await client.write(b"POST /doctors HTTP/1.1\r\nhost: x\r\n" + framing)
            assert (await client.read_response()).status == 400
        assert gateway[Service.DOCTOR].requests == []


async def test_a_body_is_at_most_64_kib() -> None:
    async with running_gateway() as gateway:
        assert len((await gateway.request("POST", "/doctors", body=b"x" * MAX_BODY_BYTES)).json()["body"]) == MAX_BODY_BYTES
        assert status_and_code(await gateway.request("POST", "/doctors", body=b"x" * (MAX_BODY_BYTES + 1))) == (413, "body_too_large")
        assert status_and_code(await gateway.request("POST", "/doctors", {"authorization": "Bearer x"}, b"x" * 70_000))[0] == 401
        assert len(gateway[Service.DOCTOR].requests) == 1


async def test_a_file_to_import_may_have_8_mib_and_other_bodies_of_the_service_may_not() -> None:
    async with running_gateway(admin=FakeInstance()) as gateway:
        file = b"x" * (8 * 1024 * 1024)
        for path in ("/admin/doctors/import", "/admin/patients/import?dry_run=true"):
            assert len((await gateway.request("POST", path, body=file)).json()["body"]) == len(file)
            assert status_and_code(await gateway.request("POST", path, body=file + b"x")) == (413, "body_too_large")
        assert status_and_code(await gateway.request("PUT", "/admin/settings", body=b"x" * (MAX_BODY_BYTES + 1))) == (413, "body_too_large")


async def test_the_limit_also_holds_for_a_chunked_body() -> None:
    async with running_gateway() as gateway:
        client = await gateway.connect()
        await client.send_request("POST /doctors HTTP/1.1", {"host": "x", "transfer-encoding": "chunked"})
        for _ in range(5):
            await client.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        await client.write(b"0\r\n\r\n")
        assert status_and_code(await client.read_response()) == (413, "body_too_large")
        assert (await gateway.request("GET", "/doctors")).status == 200


async def test_a_client_that_expects_100_continue_is_refused_before_it_sends_its_body() -> None:
    async with running_gateway() as gateway:
        client = await gateway.connect()
        await client.send_request("POST /doctors HTTP/1.1", {"host": "x", "content-length": "99999", "expect": "100-continue"})
        assert status_and_code(await client.read_response()) == (413, "body_too_large")
        await client.wait_until_closed()


async def test_a_body_that_arrives_too_slowly_is_refused() -> None:
    async with running_gateway(body_seconds=0.1) as gateway:
        for framing in ({"content-length": "10"}, {"transfer-encoding": "chunked"}):
            client = await gateway.connect()
            await client.send_request("POST /doctors HTTP/1.1", {"host": "x"} | framing, b"1\r\nx\r\n")
            response = await client.read_response()
            assert status_and_code(response) == (408, "body_too_slow")
            await client.wait_until_closed()
        assert (await gateway.request("POST", "/doctors", body=b"{}")).status == 200


async def test_the_gateway_refuses_at_the_token_endpoint_as_rfc_6749_says() -> None:
    def status_and_error(response: ClientResponse) -> tuple[int, str]:
        assert (response.headers["content-type"], response.headers["cache-control"]) == ("application/json", "no-store")
        assert response.json().keys() == {"error"}
        return response.status, response.json()["error"]

    async with running_gateway(body_seconds=0.1) as gateway:
        long_query = await gateway.request("POST", f"/auth/token?x={'x' * 9000}")
        assert status_and_error(long_query) == (414, "invalid_request")
        too_large = await gateway.request("POST", "/auth/token", body=b"x" * (MAX_BODY_BYTES + 1))
        assert status_and_error(too_large) == (413, "invalid_request")
        assert too_large.headers["ratelimit"].startswith('"address";r=299')
        two_types = await gateway.request("POST", "/auth/token", {"content-type": "text/plain", "Content-Type": "text/plain"})
        assert status_and_error(two_types) == (400, "invalid_request")
        client = await gateway.connect()
        await client.send_request("POST /auth/token HTTP/1.1", {"host": "x", "content-length": "10"}, b"x")
        too_slow = await client.read_response()
        assert (status_and_error(too_slow), too_slow.headers["connection"]) == ((408, "invalid_request"), "close")
        await gateway[Service.AUTH].close()
        unavailable = await gateway.request("POST", "/auth/token")
        assert (status_and_error(unavailable), unavailable.headers["retry-after"]) == ((503, "temporarily_unavailable"), "2")
        for path in ("/auth/token/", "/auth//token"):
            assert status_and_code(await gateway.request("POST", path)) == (404, "not_found")


async def test_a_service_that_does_not_respond_in_time_is_503_and_the_others_still_respond() -> None:
    may_respond = asyncio.Event()

    async def wait(request: ReceivedRequest) -> None:
        await may_respond.wait()

    async with running_gateway(deadline_seconds=0.2) as gateway:
        gateway[Service.DOCTOR].handler = wait
        response, other = await asyncio.gather(gateway.request("GET", "/doctors"), gateway.request("GET", "/patients/me"))
        assert status_and_code(response) == (503, "upstream_timeout")
        assert "retry-after" in response.headers
        assert other.status == 200
        may_respond.set()


async def test_a_service_without_a_running_instance_is_503() -> None:
    async with running_gateway() as gateway:
        response = await gateway.request("GET", "/appointments")
        assert status_and_code(response) == (503, "upstream_unavailable")
        assert "retry-after" in response.headers


async def test_a_service_at_its_limit_is_503_and_the_others_still_respond() -> None:
    may_respond = asyncio.Event()

    async def wait(request: ReceivedRequest) -> None:
        await may_respond.wait()
        await request.respond({})

    async with running_gateway(in_flight=2) as gateway:
        gateway[Service.DOCTOR].handler = wait
        waiting = [asyncio.create_task(gateway.request("GET", "/doctors")) for _ in range(2)]
        await wait_until(lambda: len(gateway[Service.DOCTOR].requests) == 2)
        assert status_and_code(await gateway.request("GET", "/doctors")) == (503, "upstream_busy")
        assert (await gateway.request("GET", "/patients/me")).status == 200
        may_respond.set()
        assert [response.status for response in await asyncio.gather(*waiting)] == [200, 200]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_requests_go_to_another_instance_when_one_is_down(method: str) -> None:
    second = FakeInstance()
    async with running_gateway(second) as gateway:
        first = gateway[Service.DOCTOR]
        assert {(await gateway.request("GET", "/doctors")).status for _ in range(4)} == {200}
        assert first.requests
        assert second.requests
        await first.close()
        before = len(second.requests)
        for _ in range(20):
            response = await gateway.request(method, "/doctors", body=b"{}" if method == "POST" else b"")
            assert response.status == 200, response.body
        assert len(second.requests) == before + 20


async def test_an_idle_connection_that_was_closed_is_replaced() -> None:
    async with running_gateway() as gateway:
        instance = gateway[Service.DOCTOR]
        assert (await gateway.request("GET", "/doctors")).status == 200
        instance.writers[-1].close()
        assert (await gateway.request("GET", "/doctors")).status == 200
        assert instance.connections == 2


async def close_connection(request: ReceivedRequest) -> None:
    await request.read_body()
    request.writer.transport.abort()


async def respond_twice(request: ReceivedRequest) -> None:
    await request.respond({"ours": request.target})
    await request.respond({"ours": False})


async def send_another_protocol(request: ReceivedRequest) -> None:
    await request.write(b"220 mail ready\r\n\r\n")


async def respond_without_length(request: ReceivedRequest) -> None:
    await request.write(b"HTTP/1.1 200 OK\r\n\r\nto be continued")
    request.writer.close()


async def switch_protocols(request: ReceivedRequest) -> None:
    await request.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")


async def respond_with_200_kb_of_headers(request: ReceivedRequest) -> None:
    await request.write(b"HTTP/1.1 200 OK\r\n" + b"x: %b\r\n" % (b"x" * 1000) * 200)


async def respond_with_two_lengths(request: ReceivedRequest) -> None:
    await request.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 4\r\n\r\nabcd")


async def respond_with_length_and_chunks(request: ReceivedRequest) -> None:
    await request.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "handler",
    [
        close_connection,
        send_another_protocol,
        respond_without_length,
        switch_protocols,
        respond_with_200_kb_of_headers,
        respond_with_two_lengths,
        respond_with_length_and_chunks,
    ],
)
async def test_an_invalid_response_is_503(handler: Handler) -> None:
    async with running_gateway() as gateway:
        gateway[Service.DOCTOR].handler = handler
        assert status_and_code(await gateway.request("POST", "/doctors", body=b"{}")) == (503, "upstream_lost")
        assert len([request for request in gateway[Service.DOCTOR].requests if request.method == "POST"]) == 1
        gateway[Service.DOCTOR].handler = echo
        assert (await gateway.request("GET", "/doctors")).json()["target"] == "/doctors"


async def test_a_second_response_is_never_given_to_another_request() -> None:
    async with running_gateway() as gateway:
        gateway[Service.DOCTOR].handler = respond_twice
        for number in range(6):
            response = await gateway.request("GET", f"/doctors/{number}")
            assert response.json() == {"ours": f"/doctors/{number}"}


@pytest.mark.parametrize("head", [b"content-length: 100", b"transfer-encoding: chunked"])
async def test_a_response_that_breaks_off_is_not_complete_for_the_client(head: bytes) -> None:
    async def break_off(request: ReceivedRequest) -> None:
        await request.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n3\r\nabc\r\n")
        request.writer.close()

    async with running_gateway() as gateway:
        gateway[Service.DOCTOR].handler = break_off
        client = await gateway.connect()
        await client.send_request("GET /doctors HTTP/1.1", {"host": "x"})
        response = await client.read_response()
        assert (response.status, response.is_complete) == (200, False)
        await client.wait_until_closed()


async def test_a_client_that_disconnects_ends_the_request_to_the_service() -> None:
    async def wait(request: ReceivedRequest) -> None:
        await request.reader.readexactly(1)

    async with running_gateway() as gateway:
        instance = gateway[Service.DOCTOR]
        instance.handler = wait
        client = await gateway.connect()
        await client.send_request("GET /doctors HTTP/1.1", {"host": "x"})
        await wait_until(lambda: bool(instance.requests))
        client.disconnect()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await instance.disconnected.wait()


async def test_a_client_that_disconnects_within_its_body_ends_the_request_to_the_service() -> None:
    async with running_gateway() as gateway:
        instance = gateway[Service.DOCTOR]
        client = await gateway.connect()
        await client.send_request("POST /doctors HTTP/1.1", {"host": "x", "content-length": "10"}, b"abc")
        await wait_until(lambda: bool(instance.requests))
        client.disconnect()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await instance.disconnected.wait()
        assert instance.requests[0].body == b""


async def test_a_service_may_respond_before_it_has_read_the_whole_body() -> None:
    async def respond_at_once(request: ReceivedRequest) -> None:
        await request.respond({"code": "no"}, 403)

    async with running_gateway() as gateway:
        gateway[Service.DOCTOR].handler = respond_at_once
        client = await gateway.connect()
        await client.send_request("POST /doctors HTTP/1.1", {"host": "x", "content-length": "10"}, b"abc")
        assert (await client.read_response()).status == 403
        gateway[Service.DOCTOR].handler = echo
        assert (await gateway.request("POST", "/doctors", body=b"{}")).json()["body"] == "{}"


async def test_a_service_that_stops_and_starts_again_is_reached_again() -> None:
    async with running_gateway() as gateway:
        instance = gateway[Service.PATIENT]
        await instance.close()
        assert (await gateway.request("GET", "/patients/me")).status == 503
        async with instance.listen():
            assert (await gateway.request("GET", "/patients/me")).status == 200


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until another task has made the condition true."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
