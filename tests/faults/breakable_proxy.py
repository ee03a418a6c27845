"""A TCP proxy between two programs whose connections a test can break. It runs in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from tests.platform.houses import free_port


class BreakableProxy:
    """Forwards connections from `port` on this machine to `host:port`, until `disconnect`, which also aborts the open ones."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream, self.port = (host, port), free_port()
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.reconnect()

    def reconnect(self) -> None:
        """Accept and forward connections again."""
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)

    def disconnect(self) -> None:
        """Refuse new connections and abort those that are open."""
        asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop).result(10)

    def close(self) -> None:
        self.disconnect()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)

    async def _disconnect(self) -> None:
        if self._server is not None:
            self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0.05)  # an aborted transport is closed in the next iteration of the loop

    async def _relay(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        self._writers.add(client_writer)
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            client_writer.transport.abort()
            return
        self._writers.add(server_writer)
        with suppress(asyncio.CancelledError):  # `_disconnect` then aborts the writers
            await asyncio.gather(_pump(client_reader, server_writer), _pump(server_reader, client_writer))
            self._writers -= {client_writer, server_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
