"""Mail servers as one meets them: some refuse, some fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.platform.houses import free_port


class Stubborn:
    """Answers as it is told, and takes no password."""

    def __init__(self, mail: str = "250 fine", rcpt: str = "250 fine", data: str = "250 fine") -> None:
        self._mail, self._rcpt, self._data = mail, rcpt, data

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Any, address: str, options: Any) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self._mail

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        envelope.rcpt_tos.append(address)
        return self._rcpt

    async def handle_DATA(self, _server: Any, _session: Any, _envelope: Any) -> str:
        return self._data


@contextmanager
def stubborn(**answers: str) -> Iterator[int]:
    """The port of a server that answers as it is told."""
    port = free_port()
    nobody = {"authenticator": lambda *_: AuthResult(success=False, handled=False), "auth_require_tls": False}
    controller = Controller(Stubborn(**answers), hostname="127.0.0.1", port=port, **nobody)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


class Rude:
    """`goes`: `mute at once`, or after DATA `mute after data`, `away after data`, `away before the goodbye` (it has taken the mail)."""

    def __init__(self, goes: str) -> None:
        self._goes, self._talks = goes, set[asyncio.Task[None]]()
        self.port = self.contents = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        writer.write(b"220 hello\r\n")
        while line := await reader.readline():
            if self._goes == "mute at once":
                await reader.read()
            elif line[:4].upper() == b"DATA":
                await self._take(reader, writer)
                break
            else:
                writer.write(b"250 fine\r\n")
        writer.close()
        await writer.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"354 go on\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        self.contents += 1
        if self._goes == "mute after data":
            await reader.read()
        if self._goes == "away before the goodbye":
            writer.write(b"250 kept\r\n")
            await writer.drain()

    async def left(self) -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*self._talks, return_exceptions=True)


@asynccontextmanager
async def a_server_that(goes: str) -> AsyncIterator[Rude]:
    rude = Rude(goes)
    server = await asyncio.start_server(rude.talk, "127.0.0.1", 0)
    async with server:
        rude.port = server.sockets[0].getsockname()[1]
        yield rude
    await rude.left()
