"""Calls over real sockets: a dead address, a silent one, and the calm after a storm of deadlines."""

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

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class Server:
    """Answers every request alike, or not at all while it is silent."""

    def __init__(self) -> None:
        self.silent, self.asked = False, 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                if self.silent:
                    await reader.read()
                    break
                writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[str]:
    listening = await asyncio.start_server(server.carry, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


@asynccontextmanager
async def neighbour(*urls: str) -> AsyncIterator[ServiceClient]:
    async with httpx.AsyncClient(transport=network_transport(), trust_env=False, timeout=None) as http:
        yield ServiceClient(Service.DOCTOR, urls, http, None)


def a_dead_url() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{found.getsockname()[1]}"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_of_two_addresses_a_dead_one_does_not_show(method: str) -> None:
    async with serving(Server()) as url, neighbour(a_dead_url(), url) as here:
        assert [await here.call(method, "/x") for _ in range(20)] == [{}] * 20


async def test_a_dead_address_is_told_at_once() -> None:
    started = time.monotonic()
    async with neighbour(a_dead_url()) as here:
        with pytest.raises(Unavailable):
            await here.call("GET", "/x")
    assert time.monotonic() - started < 5


async def test_after_a_storm_of_deadlines_calls_succeed_again() -> None:
    server = Server()
    server.silent = True

    async def hurried(here: ServiceClient) -> None:
        deadline.set(time.monotonic() + 0.1)
        with pytest.raises(Unavailable):
            await here.call("POST", "/x")

    async with serving(server) as url, httpx.AsyncClient(transport=network_transport(), trust_env=False, timeout=None) as http:
        await asyncio.gather(*(asyncio.create_task(hurried(ServiceClient(Service.DOCTOR, [url], http, None))) for _ in range(150)))
        server.silent = False
        here = ServiceClient(Service.DOCTOR, [url], http, None)
        assert [await here.call("GET", "/x") for _ in range(10)] == [{}] * 10
