"""The gateway on a real socket, with scripted services behind it on real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from gateway_svc.main import create_app
from gateway_svc.routes.listener import Listener
from gateway_svc.settings import GatewaySettings
from shared.contracts.identity import Service
from shared.kit.bus_embedded import EmbeddedBus
from shared.kit.clock import MovableClock
from shared.kit.overrides import Overrides
from tests.running import NOON
from tests.tokens import jwks

PATIENCE = 5.0


@dataclass
class Asked:
    """A request as it stood on the wire; `body` is what came with it so far."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    async def read(self) -> bytes:
        """The body to its end."""
        if length := self.header("content-length"):
            self.body += await self.reader.readexactly(int(length))
        elif self.header("transfer-encoding") == "chunked":
            while size := int((await self.reader.readline()).strip(), 16):
                self.body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
        return self.body

    async def say(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def answer(self, body: Any, status: int = 200, *headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} Said", "content-type: application/json", f"content-length: {len(content)}", *headers]
        await self.say("\r\n".join([*lines, "", ""]).encode() + content)


Behave = Callable[[Asked], Awaitable[None]]


async def echo(asked: Asked) -> None:
    body = await asked.read()
    await asked.answer({"method": asked.method, "target": asked.target, "headers": asked.headers, "body": body.decode()})


async def auth(asked: Asked) -> None:
    """What the gateway itself asks auth-service; the rest is echoed."""
    known: dict[str, Any] = {"/.well-known/jwks.json": jwks(), "/internal/ended-sessions": {"items": []}}
    known["/auth/token"] = {"access_token": "service-token", "expires_in": 600, "token_type": "Bearer"}
    if asked.target in known and asked.header("x-forwarded-for") is None:
        await asked.read()
        await asked.answer(known[asked.target])
    else:
        await echo(asked)


@dataclass
class House:
    """One instance of a service. `behave` says what it does; `asked` is what it saw."""

    behave: Behave = echo
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    server: asyncio.Server | None = None
    connections: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").split("\r\n")[:-2]
                method, target, _ = first.split(" ")
                asked = Asked(
                    method, target, [(name, value) for name, _, value in (line.partition(": ") for line in lines)], reader, writer
                )
                self.asked.append(asked)
                await self.behave(asked)
                if writer.is_closing():
                    return
        except (OSError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[House]:
        self.server = await asyncio.start_server(self._met, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            await self.close()

    async def close(self) -> None:
        """Gone, with everything that was open."""
        if self.server is not None:
            self.server.close()
        await _ended(self.writers)


async def _ended(writers: list[asyncio.StreamWriter]) -> None:
    for writer in writers:
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


def closed_port() -> str:
    """A URL where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@dataclass
class Street:
    """The gateway at `port`, and a house for every service that is asked for."""

    app: FastAPI
    port: int
    houses: dict[Service, House]
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def __getitem__(self, service: Service) -> House:
        return self.houses[service]

    async def connect(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return Client(reader, writer)

    async def ask(self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Heard:
        """One request on a connection of its own, written as it is given."""
        client = await self.connect()
        length = {"content-length": str(len(body))} if body else {}
        await client.head(f"{method} {target} HTTP/1.1", {"host": "careslot.example"} | length | (headers or {}), body)
        return await client.hear()


@dataclass
class Heard:
    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """A client that writes what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self, first: str, headers: dict[str, str], body: bytes = b"") -> None:
        lines = [first, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        await self.write("\r\n".join(lines).encode("latin-1") + body)

    async def write(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def hear(self) -> Heard:
        """The answer; `whole` is False when it broke off."""
        async with asyncio.timeout(PATIENCE):
            first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body, whole = await self._body(headers)
        return Heard(int(first.split(" ")[1]), headers, body, whole)

    async def _body(self, headers: dict[str, str]) -> tuple[bytes, bool]:
        body = b""
        try:
            if "content-length" in headers:
                return await self.reader.readexactly(int(headers["content-length"])), True
            while "transfer-encoding" in headers:
                if not (size := int((await self.reader.readuntil(b"\r\n")).strip(), 16)):
                    break
                body += (await self.reader.readexactly(size + 2))[:-2]
        except asyncio.IncompleteReadError:
            return body, False
        return body, True

    async def ended(self) -> bool:
        """Whether the other side hangs up."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read() is not None

    def hang_up(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def street(*also: House, listener: type[Listener] = Listener, **settings: Any) -> AsyncIterator[Street]:
    """auth-, doctor- and patient-service are there; `also` are further instances of doctor-service; nobody else is at home."""
    houses = {Service.AUTH: House(auth), Service.DOCTOR: House(), Service.PATIENT: House()}
    async with AsyncExitStack() as stack:
        for house in [*houses.values(), *also]:
            await stack.enter_async_context(house.open())
        urls = {service: houses[service].url if service in houses else closed_port() for service in Service}
        urls[Service.DOCTOR] = ",".join([urls[Service.DOCTOR], *(house.url for house in also)])
        stack.enter_context(_environment({f"{service.prefix}_URLS": url for service, url in urls.items()}))
        clock = MovableClock(NOON, running=False)
        bus = await stack.enter_async_context(EmbeddedBus(":memory:", clock))
        app = create_app(GatewaySettings(env="test", client_secret="x" * 40, **settings), overrides=Overrides(bus=bus, clock=clock))
        port = await stack.enter_async_context(_served(app, listener))
        here = Street(app, port, houses)
        try:
            yield here
        finally:
            await _ended(here.writers)


@asynccontextmanager
async def _served(app: FastAPI, listener: type[Listener]) -> AsyncIterator[int]:
    """What `uvicorn --http` makes of the listener, without its once-a-tick life."""
    config = uvicorn.Config(app, http=listener, lifespan="off", log_config=None, access_log=False, proxy_headers=False)
    config.load()
    state = ServerState()
    async with app.router.lifespan_context(app):
        listening = await asyncio.get_running_loop().create_server(
            lambda: listener(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )
        yield listening.sockets[0].getsockname()[1]
        listening.close()
        for connection in list(state.connections):
            connection.shutdown()
        await asyncio.gather(*state.tasks)


class _environment:
    """Variables that are set for a while."""

    def __init__(self, given: dict[str, str]) -> None:
        self._given, self._before = given, {name: os.environ.get(name) for name in given}

    def __enter__(self) -> None:
        os.environ.update(self._given)

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
