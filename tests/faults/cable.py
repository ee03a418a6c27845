"""A cable between two programs that a test can cut and mend: a TCP relay in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from tests.platform.houses import free_port


class Cable:
    """`port` is this side's; while cut, connections are refused and standing ones are gone."""

    def __init__(self, host: str, port: int) -> None:
        self.far, self.port = (host, port), free_port()
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.mend()

    def mend(self) -> None:
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)

    def cut(self) -> None:
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    def close(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0.05)  # an aborted transport is gone one turn of the loop later

    async def _relay(self, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        self._writers.add(near_writer)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.far)
        except OSError:
            near_writer.transport.abort()
            return
        self._writers.add(far_writer)
        with suppress(asyncio.CancelledError):  # whoever cuts it sees to the writers
            await asyncio.gather(_pump(near_reader, far_writer), _pump(far_reader, near_writer))
            self._writers -= {near_writer, far_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
