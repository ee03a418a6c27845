"""Refusals of the server protocol, before a request is complete."""

from __future__ import annotations

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
