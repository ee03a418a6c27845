"""A service under uvicorn, over raw sockets: a 413 reaches a client that is still sending, or waits for leave to send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from uvicorn.server import ServerState

from tests.unit.kit.shop import open_shop

PART = b"x" * 64 * 1024
PARTS = 48  # three MiB
HEAD = b"POST /refusals/Invalid HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n"
TIMEOUT_SECONDS = 10


@asynccontextmanager
async def connection_to_shop() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Serve the shop with uvicorn's own protocol, as the services are, and connect to it."""
    async with open_shop() as shop, asyncio.timeout(TIMEOUT_SECONDS):
        config = uvicorn.Config(shop.app, http="httptools", lifespan="off", log_config=None, access_log=False)
        config.load()
        state, loop = ServerState(), asyncio.get_running_loop()
        server = await loop.create_server(lambda: config.http_protocol_class(config, state, {}), "127.0.0.1", 0)  # type: ignore[call-arg]
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
            server.close()
            for connection in list(state.connections):
                connection.shutdown()
            await asyncio.gather(*state.tasks)


async def read_status(reader: asyncio.StreamReader) -> int:
    """Return the status of the next response, after reading all of it."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    assert (b"body_too_large" in await reader.readexactly(length)) or b" 413 " not in head
    return int(head.split(b" ")[1])


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
async def test_a_413_reaches_a_client_that_sends_everything_before_it_reads(framing: str) -> None:
    is_chunked = framing == "chunked"
    length = b"transfer-encoding: chunked\r\n\r\n" if is_chunked else b"content-length: %d\r\n\r\n" % (len(PART) * PARTS)
    async with connection_to_shop() as (reader, writer):
        writer.write(HEAD + length)
        for _ in range(PARTS):
            writer.write(b"%x\r\n%b\r\n" % (len(PART), PART) if is_chunked else PART)
            await writer.drain()
        writer.write(b"0\r\n\r\n" if is_chunked else b"")
        assert await read_status(reader) == 413
        writer.write(b"GET /livez HTTP/1.1\r\nhost: shop\r\n\r\n")
        assert await read_status(reader) == 200, "the connection stays usable"


async def test_a_client_that_expects_100_continue_gets_the_413_without_it() -> None:
    async with connection_to_shop() as (reader, writer):
        writer.write(HEAD + b"expect: 100-continue\r\ncontent-length: 5000000\r\n\r\n")
        assert await read_status(reader) == 413


async def test_an_encoded_body_is_refused_before_it_is_read() -> None:
    async with connection_to_shop() as (reader, writer):
        writer.write(HEAD + b"expect: 100-continue\r\ncontent-encoding: gzip\r\ncontent-length: 50\r\n\r\n")
        assert await read_status(reader) == 415
