"""What we expect of both event loops."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings


async def test_a_connection_that_is_given_up_leaves_no_socket_that_would_close_another_ones() -> None:
    """As when a call's deadline comes while it is being made: uvloop before 0.23 left the socket with a number that is used again."""
    gc.collect()
    with warnings.catch_warnings(record=True, action="always", category=ResourceWarning) as told:
        for steps in range(6):
            assert (await _given_up(steps)).fileno() == -1
        gc.collect()
    assert [str(warning.message) for warning in told] == []


async def _given_up(steps: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        ours = socket.socket()
        ours.setblocking(False)
        await loop.sock_connect(ours, server.sockets[0].getsockname())
        made = asyncio.ensure_future(loop.create_connection(asyncio.Protocol, sock=ours))
        for _ in range(steps + 1):
            await asyncio.sleep(0)
        made.cancel()
        await asyncio.gather(made, return_exceptions=True)
        if not made.cancelled():
            made.result()[0].abort()
        await asyncio.sleep(0.01)
    return ours
