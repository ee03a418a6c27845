"""What happens before there is a request."""

from __future__ import annotations

import pytest

from gateway_svc.routes.listener import Listener
from tests.service.gateway.street import street


class Hasty(Listener):
    head_seconds = 0.2


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
async def test_what_is_no_request_is_refused_with_a_problem(raw: bytes, status: int, code: str) -> None:
    async with street() as here:
        client = await here.connect()
        await client.write(raw)
        heard = await client.hear()
        assert (heard.status, heard.json()["code"], heard.headers["content-type"]) == (status, code, "application/problem+json")
        assert await client.ended()
        assert (await here.ask("GET", "/doctors")).status == 200


@pytest.mark.parametrize("raw", [b"", b"GET /doctors HTTP/1.1\r\nhost: x\r\n", b"GET /doctors HTTP/1.1\r\nhost: x\r\n\r\nGET /doc"])
async def test_a_head_that_does_not_come_is_not_waited_for(raw: bytes) -> None:
    async with street(listener=Hasty) as here:
        client = await here.connect()
        await client.write(raw)
        statuses = [(await client.hear()).status]
        if statuses == [200]:
            statuses.append((await client.hear()).status)
        assert statuses[-1] == 408
        assert await client.ended()


async def test_a_slow_answer_is_no_slow_head() -> None:
    async with street(listener=Hasty, body_seconds=0.5) as here:
        client = await here.connect()
        await client.head("POST /doctors HTTP/1.1", {"host": "x", "content-length": "2"})
        heard = await client.hear()
        assert heard.json()["code"] == "body_too_slow"
