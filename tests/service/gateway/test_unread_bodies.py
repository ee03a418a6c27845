"""A client that is still sending its body can read the refusal. Raw sockets: the client sends everything before it reads."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from gateway_svc.routes.listener import Listener
from shared.contracts.identity import Service
from tests.service.gateway.running_gateway import ReceivedRequest, RunningGateway, echo, running_gateway

MIB = 1024 * 1024
PART = b"x" * 64 * 1024
EXPECT = {"host": "x", "expect": "100-continue"}


def framed_body(framing: str, size: int) -> tuple[dict[str, str], list[bytes]]:
    """Return the headers of a body of `size` bytes, and its parts as they are sent."""
    parts = [PART] * (size // len(PART))
    if framing == "content-length":
        return {"host": "x", "content-length": str(size)}, parts
    return {"host": "x", "transfer-encoding": "chunked"}, [b"%x\r\n%b\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]


async def send_everything_then_read(gateway: RunningGateway, request_line: str, framing: str, size: int) -> tuple[int, str, Any]:
    """Return status and code of the response, and the client, whose connection stays open."""
    client = await gateway.connect()
    headers, parts = framed_body(framing, size)
    await client.send_request(request_line, headers)
    for part in parts:
        await client.write(part)
    response = await client.read_response()
    return response.status, response.json()["code"], client


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
@pytest.mark.parametrize("size", [2 * len(PART), 3 * MIB, 12 * MIB])
async def test_a_413_reaches_a_client_that_sends_everything_before_it_reads(framing: str, size: int) -> None:
    async with running_gateway() as gateway:
        status, code, client = await send_everything_then_read(gateway, "POST /doctors HTTP/1.1", framing, size)
        assert (status, code) == (413, "body_too_large")
        await client.send_request("GET /doctors HTTP/1.1", {"host": "x"})
        assert (await client.read_response()).status == 200, "the rest was discarded, and the connection stays usable"


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
@pytest.mark.parametrize(
    ("request_line", "status", "code"),
    [
        ("POST /nowhere HTTP/1.1", 404, "not_found"),
        ("POST /status HTTP/1.1", 405, "method_not_allowed"),
        ("POST /doctors?q=" + "x" * 9000 + " HTTP/1.1", 414, "url_too_long"),
    ],
)
async def test_every_refusal_reaches_a_client_that_is_still_sending(framing: str, request_line: str, status: int, code: str) -> None:
    async with running_gateway() as gateway:
        answered = await send_everything_then_read(gateway, request_line, framing, 3 * MIB)
        assert answered[:2] == (status, code)


async def test_a_refusal_of_a_service_reaches_a_client_that_is_still_sending() -> None:
    async def refuse_at_once(request: ReceivedRequest) -> None:
        await request.respond({"code": "unsupported_media_type"}, 415)
        await request.read_body()

    async with running_gateway() as gateway:
        gateway[Service.DOCTOR].handler = refuse_at_once
        client = await gateway.connect()
        await client.send_request("POST /doctors HTTP/1.1", {"host": "x", "content-length": "60000"}, b"x")
        assert (await client.read_response()).status == 415
        await client.write(b"x" * 59_999)
        gateway[Service.DOCTOR].handler = echo
        await client.send_request("GET /doctors HTTP/1.1", {"host": "x"})
        assert (await client.read_response()).status == 200


async def test_a_client_that_expects_100_continue_gets_the_413_at_once_and_the_connection_ends() -> None:
    async with running_gateway() as gateway:
        client = await gateway.connect()
        await client.send_request("POST /doctors HTTP/1.1", EXPECT | {"content-length": str(5 * MIB)})
        response = await client.read_response()
        assert (response.status, response.json()["code"], response.headers["connection"]) == (413, "body_too_large", "close")
        await client.wait_until_closed()


async def test_a_chunked_body_after_100_continue_gets_its_413() -> None:
    async with running_gateway() as gateway:
        client = await gateway.connect()
        await client.send_request("POST /doctors HTTP/1.1", EXPECT | {"transfer-encoding": "chunked"})
        assert (await client.read_response()).status == 100
        for _ in range(40):
            await client.write(b"%x\r\n%b\r\n" % (len(PART), PART))
        await client.write(b"0\r\n\r\n")
        assert (await client.read_response()).status == 413


class BriefListener(Listener):
    """A listener that discards little, and that ends idle connections soon."""

    max_discarded_bytes = MIB
    max_discard_seconds = 0.3

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.timeout_keep_alive = 1


async def test_the_rest_of_a_body_is_discarded_up_to_a_limit_of_bytes() -> None:
    async with running_gateway(listener=BriefListener) as gateway:
        client = await gateway.connect()
        await client.send_request("POST /nowhere HTTP/1.1", {"host": "x", "content-length": str(100 * MIB)})
        assert (await client.read_response()).status == 404
        with pytest.raises(ConnectionError):
            await client.write(PART * 1600)


async def test_the_rest_of_a_body_is_discarded_for_a_limited_time() -> None:
    async with running_gateway(listener=BriefListener) as gateway:
        client = await gateway.connect()
        await client.send_request("POST /nowhere HTTP/1.1", {"host": "x", "content-length": "100000"})
        assert (await client.read_response()).status == 404
        with suppress(ConnectionError):  # on a busy machine the time is over before this part is sent
            await client.write(b"x")
        await client.wait_until_closed()


async def test_a_connection_that_is_idle_after_a_discarded_body_is_closed() -> None:
    async with running_gateway(listener=BriefListener) as gateway:
        client = await gateway.connect()
        await client.send_request("POST /nowhere HTTP/1.1", {"host": "x", "content-length": "3"}, b"x")
        assert (await client.read_response()).status == 404
        with suppress(ConnectionError):
            await client.write(b"xx")
        await client.wait_until_closed()
