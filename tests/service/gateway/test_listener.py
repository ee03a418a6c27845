"""Refusals of the server protocol, before a request is complete."""

from __future__ import annotations

import logging

import pytest

from gateway_svc.routes.listener import Listener
from tests.service.gateway.running_gateway import running_gateway


class ImpatientListener(Listener):
    head_timeout_seconds = 0.2


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"this is not HTTP\r\n\r\n", 400, "malformed_request"),
        (b"GET /doctors HTTP/1.1\r\nbad header\r\n\r\n", 400, "malformed_request"),
        (b"GET http:// HTTP/1.1\r\nhost: x\r\n\r\n", 400, "malformed_request"),
        (b"GET /doctors HTTP/1.1\r\nx: " + b"x" * 40_000, 431, "headers_too_large"),
        (b"GET /" + b"x" * 40_000, 431, "headers_too_large"),
        (b"GET /doctors HTTP/1.1\r\n" + b"x: y\r\n" * 8_000, 431, "headers_too_large"),
    ],
)
async def test_an_invalid_or_oversized_head_is_refused_with_a_problem_document(raw: bytes, status: int, code: str) -> None:
    async with running_gateway() as gateway:
        client = await gateway.connect()
        await client.write(raw)
        response = await client.read_response()
        assert (response.status, response.json()["code"], response.headers["content-type"]) == (status, code, "application/problem+json")
        await client.wait_until_closed()
        assert (await gateway.request("GET", "/doctors")).status == 200


@pytest.mark.parametrize("raw", [b"", b"GET /doctors HTTP/1.1\r\nhost: x\r\n", b"GET /doctors HTTP/1.1\r\nhost: x\r\n\r\nGET /doc"])
async def test_a_head_that_arrives_too_slowly_is_refused(raw: bytes) -> None:
    async with running_gateway(listener=ImpatientListener) as gateway:
        client = await gateway.connect()
        await client.write(raw)
        response = await client.read_response()
        if response.status == 200:
            response = await client.read_response()
        assert (response.status, response.json()["code"]) == (408, "head_too_slow")
        await client.wait_until_closed()


async def test_the_time_limit_of_the_head_does_not_apply_to_the_body() -> None:
    async with running_gateway(listener=ImpatientListener, body_seconds=0.5) as gateway:
        client = await gateway.connect()
        await client.send_request("POST /doctors HTTP/1.1", {"host": "x", "content-length": "2"})
        response = await client.read_response()
        assert response.json()["code"] == "body_too_slow"


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.3"])
@pytest.mark.parametrize("first_bytes", [10, 60, 160, 10_000])
async def test_an_offered_upgrade_is_ignored_and_the_body_arrives(
    protocol: str, first_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    offer = "host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    head = f"POST /auth/login?a=%20b HTTP/1.1\r\n{offer}Upgrade: {protocol}\r\nContent-Length: 13\r\n\r\n"
    raw = head.encode() + b'{"a": "body"}'
    async with running_gateway() as gateway:
        client = await gateway.connect()
        caplog.clear()
        for _request in range(2):  # the connection stays usable
            await client.write(raw[:first_bytes])
            await client.write(raw[first_bytes:])
            response = await client.read_response()
            echoed = response.json()
            assert (response.status, echoed["target"], echoed["body"]) == (200, "/auth/login?a=%20b", '{"a": "body"}')
            assert not {"upgrade", "http2-settings"} & dict(echoed["headers"]).keys()
        assert len([record for record in caplog.records if record.name.startswith(("uvicorn", "careslot"))]) <= 2, "one line per request"
        await client.write(raw + raw + b"GET /doctors HTTP/1.1\r\nhost: x\r\n\r\n")
        assert [(await client.read_response()).json()["method"] for _ in range(3)] == ["POST", "POST", "GET"], "pipelined requests too"


async def test_a_body_in_chunks_arrives_although_an_upgrade_was_offered() -> None:
    async with running_gateway() as gateway:
        headers = {"host": "x", "connection": "upgrade", "upgrade": "h2c", "transfer-encoding": "chunked"}
        client = await gateway.connect()
        await client.send_request("POST /auth/login HTTP/1.1", headers, b"2\r\n{}\r\n0\r\n\r\n")
        assert (await client.read_response()).json()["body"] == "{}"


async def test_connect_is_refused_with_or_without_an_upgrade() -> None:
    async with running_gateway() as gateway:
        for offer in ({}, {"connection": "upgrade", "upgrade": "h2c"}):
            client = await gateway.connect()
            await client.send_request("CONNECT careslot.example:80 HTTP/1.1", {"host": "careslot.example"} | offer)
            assert (await client.read_response()).status in (400, 404, 405)
