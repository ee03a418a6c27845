"""Behaviour of both event loops on which the gateway relies."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings


async def test_a_cancelled_connect_closes_its_socket() -> None:
    """A deadline may cancel a connect. uvloop before 0.23 then kept a socket object, which later closed an unrelated socket."""
    gc.collect()
    with warnings.catch_warnings(record=True, action="always", category=ResourceWarning) as recorded_warnings:
        for steps in range(6):
            assert (await _cancel_connect_after(steps)).fileno() == -1
        gc.collect()
    assert [str(warning.message) for warning in recorded_warnings] == []


async def _cancel_connect_after(steps: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        client_socket = socket.socket()
        client_socket.setblocking(False)
        await loop.sock_connect(client_socket, server.sockets[0].getsockname())
        connecting = asyncio.ensure_future(loop.create_connection(asyncio.Protocol, sock=client_socket))
        for _ in range(steps + 1):
            await asyncio.sleep(0)
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        if not connecting.cancelled():
            connecting.result()[0].abort()
        await asyncio.sleep(0.01)
    return client_socket
