"""How requests and responses are forwarded, over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from shared.contracts.identity import Role, Service
from tests.service.gateway.running_gateway import TIMEOUT_SECONDS, ReceivedRequest, echo, running_gateway
from tests.tokens import bearer


async def test_a_request_and_its_response_are_forwarded_unchanged() -> None:
    async with running_gateway() as gateway:
        target = "/doctors/4/schedules?from=2026-03-01T00%3A00%3A00%2B01%3A00&q=a%20b&q=|"
        headers = {"If-Match": '"3"', "Idempotency-Key": "k", "Content-Type": "application/json", "User-Agent": "app/1"}
        response = await gateway.request("PUT", target, headers, b'{"a": 1}')
        echoed = response.json()
        assert (response.status, echoed["method"], echoed["target"], echoed["body"]) == (200, "PUT", target, '{"a": 1}')
        arrived = dict(echoed["headers"])
        assert (
            arrived.items()
            >= {"if-match": '"3"', "idempotency-key": "k", "content-type": "application/json", "user-agent": "app/1"}.items()
        )
        assert arrived["x-request-id"] == response.headers["x-request-id"]
        assert arrived["x-forwarded-for"] == "127.0.0.1"
        assert 0 < int(arrived["x-timeout-ms"]) <= 15_000


async def test_forged_headers_are_not_forwarded() -> None:
    forged = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "X-User-Id": "1",
        "X-User-Role": "admin",
        "X-Timeout-Ms": "1",
        "X-Request-ID": "bad id\t",
        "traceparent": "nonsense",
        "X-HTTP-Method-Override": "DELETE",
        "X-Original-URL": "/internal",
        "Cookie": "a=b",
        "TE": "trailers",
    }
    async with running_gateway() as gateway:
        response = await gateway.request("GET", "/doctors", forged)
        assert response.status == 200
        arrived = dict(response.json()["headers"])
        assert set(arrived) == {"host", "x-timeout-ms", "x-request-id", "x-forwarded-for"}
        assert not set(arrived.values()) & {*forged.values(), "careslot.example"}


async def test_a_valid_request_id_and_trace_are_forwarded() -> None:
    trace, request_id = f"00-{'1' * 32}-{'2' * 16}-01", "9f1c2b7e5a4d4c0f"
    async with running_gateway() as gateway:
        response = await gateway.request("GET", "/doctors", {"X-Request-ID": request_id, "traceparent": trace})
        arrived = dict(response.json()["headers"])
        assert (arrived["x-request-id"], arrived["traceparent"], response.headers["x-request-id"]) == (request_id, trace, request_id)


async def test_headers_about_the_service_itself_are_not_sent_to_the_client() -> None:
    async def respond_with_many_headers(request: ReceivedRequest) -> None:
        internal = ["server: secret/1", "x-powered-by: php", "set-cookie: a=b", "x-request-id: other", "connection: keep-alive"]
        await request.respond({}, 201, "location: /doctors/1", 'etag: "1"', "retry-after: 3", *internal)

    async with running_gateway() as gateway:
        gateway[Service.DOCTOR].handler = respond_with_many_headers
        response = await gateway.request("GET", "/doctors")
        assert (response.status, response.headers["location"], response.headers["etag"], response.headers["retry-after"]) == (
            201,
            "/doctors/1",
            '"1"',
            "3",
        )
        assert not {"server", "x-powered-by", "set-cookie"} & set(response.headers)
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_refusal_of_a_service_reaches_the_client_unchanged() -> None:
    async def refuse(request: ReceivedRequest) -> None:
        await request.respond({"code": "slot_taken", "alternatives": [1]}, 409)

    async with running_gateway() as gateway:
        gateway[Service.DOCTOR].handler = refuse
        response = await gateway.request("GET", "/doctors")
        assert (response.status, response.json()) == (409, {"code": "slot_taken", "alternatives": [1]})


async def test_a_response_is_streamed_as_it_arrives() -> None:
    may_continue = asyncio.Event()

    async def respond_in_two_parts(request: ReceivedRequest) -> None:
        await request.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await may_continue.wait()
        await request.write(b"6\r\nsecond\r\n0\r\n\r\n")

    async with running_gateway() as gateway:
        gateway[Service.DOCTOR].handler = respond_in_two_parts
        client = await gateway.connect()
        await client.send_request("GET /doctors HTTP/1.1", {"host": "x"})
        assert b"first" in await client.reader.readuntil(b"first")
        may_continue.set()
        assert b"second" in await client.reader.readuntil(b"0\r\n\r\n")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_request_body_is_streamed_as_it_arrives(chunked: bool) -> None:
    first_part_arrived = asyncio.Event()

    async def read_in_two_parts(request: ReceivedRequest) -> None:
        assert request.header("transfer-encoding" if chunked else "content-length")
        request.body = await request.reader.readuntil(b"one")
        first_part_arrived.set()
        request.body += await request.reader.readuntil(b"two")
        if chunked:
            await request.reader.readuntil(b"0\r\n\r\n")
        await request.respond({"got": request.body.decode()})

    async with running_gateway() as gateway:
        gateway[Service.DOCTOR].handler = read_in_two_parts
        client = await gateway.connect()
        framing = {"transfer-encoding": "chunked"} if chunked else {"content-length": "6"}
        await client.send_request("POST /doctors HTTP/1.1", {"host": "x"} | framing, b"3\r\none\r\n" if chunked else b"one")
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await first_part_arrived.wait()
        await client.write(b"3\r\ntwo\r\n0\r\n\r\n" if chunked else b"two")
        response = await client.read_response()
        assert response.status == 200
        assert response.json()["got"].replace("\r\n3\r\n", "").removeprefix("3\r\n") == "onetwo"


async def test_a_large_response_arrives_complete_and_the_connection_is_reused() -> None:
    content = bytes(range(256)) * 8192

    async def respond_with_2_mib(request: ReceivedRequest) -> None:
        await request.respond(content)

    async with running_gateway() as gateway:
        gateway[Service.DOCTOR].handler = respond_with_2_mib
        for _ in range(3):
            assert (await gateway.request("GET", "/doctors")).body == content
        assert gateway[Service.DOCTOR].connections == 1


@pytest.mark.parametrize(
    ("method", "status", "extra"), [("HEAD", 200, "content-length: 5\r\n"), ("GET", 204, ""), ("GET", 304, 'etag: "1"\r\n')]
)
async def test_a_response_without_a_body_ends_after_its_headers(method: str, status: int, extra: str) -> None:
    async def respond_without_body(request: ReceivedRequest) -> None:
        await request.write(f"HTTP/1.1 {status} X\r\n{extra}\r\n".encode())

    async with running_gateway() as gateway:
        gateway[Service.DOCTOR].handler = respond_without_body
        client = await gateway.connect()
        await client.send_request(f"{method} /doctors HTTP/1.1", {"host": "x"})
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert f" {status} ".encode() in head
        gateway[Service.DOCTOR].handler = echo
        await client.send_request("GET /doctors HTTP/1.1", {"host": "x"})
        assert (await client.read_response()).status == 200


async def test_an_interim_response_is_skipped() -> None:
    async def respond_after_early_hints(request: ReceivedRequest) -> None:
        await request.write(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
        await request.respond({"real": True})

    async with running_gateway() as gateway:
        gateway[Service.DOCTOR].handler = respond_after_early_hints
        response = await gateway.request("GET", "/doctors")
        assert (response.status, response.json(), "link" in response.headers) == (200, {"real": True}, False)


async def test_two_requests_on_one_connection_do_not_mix() -> None:
    async with running_gateway() as gateway:
        client = await gateway.connect()
        for number in range(5):
            body = b"x" * number
            await client.send_request(f"POST /doctors/{number} HTTP/1.1", {"host": "x", "content-length": str(number)}, body)
            echoed = (await client.read_response()).json()
            assert (echoed["target"], echoed["body"]) == (f"/doctors/{number}", body.decode())


async def test_a_valid_token_is_forwarded_and_an_invalid_one_is_refused_by_the_gateway() -> None:
    async with running_gateway() as gateway:
        valid = bearer(Role.PATIENT)
        response = await gateway.request("GET", "/doctors", valid)
        assert dict(response.json()["headers"])["authorization"] == valid["Authorization"]
        for invalid in ("Bearer x.y.z", "Bearer", "Basic YTpi", "bearer  ", valid["Authorization"][:-4] + "AAAA", ""):
            refused = await gateway.request("GET", "/doctors", {"Authorization": invalid})
            assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer"), invalid
            assert refused.headers["content-type"] == "application/problem+json"
        assert len(gateway[Service.DOCTOR].requests) == 1


async def test_the_token_endpoint_receives_basic_credentials_unchanged() -> None:
    async with running_gateway() as gateway:
        response = await gateway.request("POST", "/auth/token", {"Authorization": "Basic Og=="}, b"grant_type=password")
        assert dict(response.json()["headers"])["authorization"] == "Basic Og=="


async def test_signing_keys_that_cannot_be_fetched_are_503_not_401() -> None:
    async def close_connection(request: ReceivedRequest) -> None:
        request.writer.close()

    async with running_gateway() as gateway:
        gateway[Service.AUTH].handler = close_connection
        response = await gateway.request("GET", "/doctors", bearer(Role.PATIENT))
        assert response.status == 503
        assert "retry-after" in response.headers


async def test_only_configured_origins_get_cors_headers() -> None:
    async with running_gateway(cors_origins="https://app.example, https://other.example/") as gateway:
        allowed, unknown = {"Origin": "https://app.example"}, {"Origin": "https://evil.example"}
        response = await gateway.request("GET", "/doctors", allowed)
        assert (response.headers["access-control-allow-origin"], response.headers["vary"]) == ("https://app.example", "Origin")
        assert "ETag" in response.headers["access-control-expose-headers"]
        assert "access-control-allow-origin" not in (await gateway.request("GET", "/doctors", unknown)).headers
        preflight_header = {"Access-Control-Request-Method": "PATCH"}
        preflight = await gateway.request("OPTIONS", "/doctors", allowed | preflight_header)
        assert preflight.status == 204
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        assert "access-control-allow-methods" not in (await gateway.request("OPTIONS", "/doctors", unknown | preflight_header)).headers


async def test_if_any_origin_may_call_the_response_does_not_repeat_the_origin() -> None:
    async with running_gateway(cors_origins="*") as gateway:
        response = await gateway.request("GET", "/doctors", {"Origin": "https://" + "x" * 5000})
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-origin" not in (await gateway.request("GET", "/doctors")).headers
