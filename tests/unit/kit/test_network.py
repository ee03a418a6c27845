"""ServiceClient over real sockets: an unreachable address, a server that does not answer, and recovery after many timeouts."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from shared.contracts.identity import Service
from shared.contracts.refusals import Unavailable
from shared.kit.client import ServiceClient
from shared.kit.deadlines import deadline
from shared.kit.service_runtime import network_transport

RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class FakeServer:
    """Sends the same response to every request, or none while `is_silent`."""

    def __init__(self) -> None:
        self.is_silent, self.requests = False, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                if self.is_silent:
                    await reader.read()
                    break
                writer.write(RESPONSE)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def run_server(server: FakeServer) -> AsyncIterator[str]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()


@asynccontextmanager
async def client_of(*urls: str) -> AsyncIterator[ServiceClient]:
    async with httpx.AsyncClient(transport=network_transport(), trust_env=False, timeout=None) as http:
        yield ServiceClient(Service.DOCTOR, urls, http, None)


def unused_url() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unreachable_address_does_not_fail_calls_while_another_one_answers(method: str) -> None:
    async with run_server(FakeServer()) as url, client_of(unused_url(), url) as client:
        assert [await client.call(method, "/x") for _ in range(20)] == [{}] * 20


async def test_an_unreachable_address_is_reported_at_once() -> None:
    started = time.monotonic()
    async with client_of(unused_url()) as client:
        with pytest.raises(Unavailable):
            await client.call("GET", "/x")
    assert time.monotonic() - started < 5


async def test_calls_succeed_again_after_many_timeouts() -> None:
    server = FakeServer()
    server.is_silent = True

    async def call_with_short_deadline(client: ServiceClient) -> None:
        deadline.set(time.monotonic() + 0.1)
        with pytest.raises(Unavailable):
            await client.call("POST", "/x")

    async with run_server(server) as url, httpx.AsyncClient(transport=network_transport(), trust_env=False, timeout=None) as http:
        await asyncio.gather(
            *(asyncio.create_task(call_with_short_deadline(ServiceClient(Service.DOCTOR, [url], http, None))) for _ in range(150))
        )
        server.is_silent = False
        client = ServiceClient(Service.DOCTOR, [url], http, None)
        assert [await client.call("GET", "/x") for _ in range(10)] == [{}] * 10
