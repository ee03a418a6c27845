"""Mail servers for tests: some refuse mails, some stop answering."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.platform.houses import free_port


class ReplyHandler:
    """Answers MAIL, RCPT and DATA with the given replies."""

    def __init__(self, mail: str = "250 OK", rcpt: str = "250 OK", data: str = "250 OK") -> None:
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
def replying_server(offers_smtputf8: bool = True, /, **replies: str) -> Iterator[int]:
    """Yield the port of a server that answers with the given replies and rejects every password."""
    port = free_port()
    reject_logins = {"authenticator": lambda *_: AuthResult(success=False, handled=False), "auth_require_tls": False}
    controller = Controller(ReplyHandler(**replies), hostname="127.0.0.1", port=port, enable_SMTPUTF8=offers_smtputf8, **reject_logins)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


class UnreliableServer:
    """A server that stops answering. `received_contents` counts the mails whose content it received.

    `behaviour` is `hang at once`, `hang after data`, `disconnect after data`, or `disconnect before quit` (it has accepted the mail).
    """

    def __init__(self, behaviour: str) -> None:
        self._behaviour, self._connections = behaviour, set[asyncio.Task[None]]()
        self.port = self.received_contents = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writer.write(b"220 hello\r\n")
        while line := await reader.readline():
            if self._behaviour == "hang at once":
                await reader.read()
            elif line[:4].upper() == b"DATA":
                await self._receive_content(reader, writer)
                break
            else:
                writer.write(b"250 OK\r\n")
        writer.close()
        await writer.wait_closed()

    async def _receive_content(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"354 continue\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        self.received_contents += 1
        if self._behaviour == "hang after data":
            await reader.read()
        if self._behaviour == "disconnect before quit":
            writer.write(b"250 accepted\r\n")
            await writer.drain()

    async def wait_closed(self) -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*self._connections, return_exceptions=True)


@asynccontextmanager
async def unreliable_server(behaviour: str) -> AsyncIterator[UnreliableServer]:
    """Run an UnreliableServer."""
    server = UnreliableServer(behaviour)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server
    await server.wait_closed()
