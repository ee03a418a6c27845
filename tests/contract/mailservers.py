"""Mail servers for tests: some refuse mails, some stop answering."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
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


UNKNOWN_RECIPIENT = "nobody@example.com"
"""An address that a FaultyServer always refuses."""


@dataclass(frozen=True)
class Fault:
    """What a server does at one step of the `number`-th mail: send `reply`, or, without one, hang or close the connection.

    The steps are `connect`, `ehlo`, `mail`, `rcpt`, `data` (the command), `content` and `rset`. With `in_every_connection`, mails are
    counted in each connection anew, and the later ones of a connection meet the fault too.
    """

    step: str
    action: str
    number: int = 1
    in_every_connection: bool = False

    @property
    def reply(self) -> str | None:
        return None if self.action in ("hang", "drop") else self.action

    @property
    def is_success(self) -> bool:
        """Whether the reply is not the usual one, but accepts the step all the same."""
        return self.action.startswith("3" if self.step == "data" else "2")


class FaultyServer:
    """Accepts mails over any number of connections, with one fault. `contents` are the mails that it has read, `accepted` their number.

    `connections` counts the connections; `end_connections` ends those that are open, as a server does with idle ones.
    """

    def __init__(self, fault: Fault | None = None) -> None:
        self.fault, self.contents, self.accepted, self.connections, self.port = fault, list[bytes](), 0, 0, 0
        self.commands = list[str]()
        self._mails = 0
        self._mails_of = Counter[object]()
        self._writers = set[asyncio.StreamWriter]()
        self._tasks = set[asyncio.Task[None]]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self._writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if await self._answer("connect", "220 hello", reader, writer):
                await self._serve_commands(reader, writer)
        self._writers.discard(writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _serve_commands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await reader.readline()).decode():
            command = line[:4].strip().lower()
            self.commands.append(line.strip())
            if command == "quit":
                writer.write(b"221 bye\r\n")
                return
            self._mails += command == "mail"
            self._mails_of[asyncio.current_task()] += command == "mail"
            unknown = command == "rcpt" and UNKNOWN_RECIPIENT in line
            usual = "550 5.1.1 unknown" if unknown else "354 go on" if command == "data" else "250 OK"
            if not await self._answer(command, usual, reader, writer):
                return
            if command == "data" and not self._is_faulty("data"):
                self.contents.append(await reader.readuntil(b"\r\n.\r\n"))
                if not await self._answer("content", "250 accepted", reader, writer):
                    return
                self.accepted += not self._is_faulty("content")

    def _is_faulty(self, step: str) -> bool:
        """Return whether a step of the current mail is not accepted."""
        return self.fault is not None and self._has_fault(step) and not self.fault.is_success

    def _has_fault(self, step: str) -> bool:
        if self.fault is None or self.fault.step != step:
            return False
        if self.fault.in_every_connection:
            return self._mails_of[asyncio.current_task()] >= self.fault.number
        return self.fault.number == (self.connections if step in ("connect", "ehlo") else self._mails)

    async def _answer(self, step: str, usual: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Reply to a step; return whether the connection goes on."""
        reply = self.fault.reply if self.fault and self._has_fault(step) else usual
        if reply is None:
            assert self.fault is not None
            if self.fault.action == "hang":
                await reader.read()
            return False
        writer.write(f"{reply}\r\n".encode())
        return not reply.startswith("421")

    def end_connections(self) -> None:
        """Close every connection, without a word."""
        for writer in self._writers:
            writer.close()

    async def wait_closed(self) -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def faulty_server(fault: Fault | None = None) -> AsyncIterator[FaultyServer]:
    """Run a FaultyServer."""
    server = FaultyServer(fault)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        server.port = listener.sockets[0].getsockname()[1]
        try:
            yield server
        finally:
            server.end_connections()
    await server.wait_closed()
