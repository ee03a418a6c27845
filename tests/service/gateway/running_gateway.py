"""A gateway on a real socket, with fake services behind it on real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
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

TIMEOUT_SECONDS = 60.0  # the machine of the tests may be busy


@dataclass
class ReceivedRequest:
    """A request as a fake service received it; `body` is the part of the body that has been read."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    async def read_body(self) -> bytes:
        """Read the body to its end and return it."""
        if length := self.header("content-length"):
            self.body += await self.reader.readexactly(int(length))
        elif self.header("transfer-encoding") == "chunked":
            while size := int((await self.reader.readline()).strip(), 16):
                self.body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
        return self.body

    async def write(self, raw: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(raw)
        await self.writer.drain()

    async def respond(self, body: Any, status: int = 200, *headers: str) -> None:
        """Send a response; a body that is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} Reason", "content-type: application/json", f"content-length: {len(content)}", *headers]
        await self.write("\r\n".join([*lines, "", ""]).encode() + content)


Handler = Callable[[ReceivedRequest], Awaitable[None]]


async def echo(request: ReceivedRequest) -> None:
    """Respond with the request as JSON."""
    body = await request.read_body()
    await request.respond({"method": request.method, "target": request.target, "headers": request.headers, "body": body.decode()})


async def respond_as_auth_service(request: ReceivedRequest) -> None:
    """Answer the gateway's own requests as auth-service does, and echo forwarded requests."""
    responses: dict[str, Any] = {"/.well-known/jwks.json": jwks(), "/internal/ended-sessions": {"items": []}}
    responses["/auth/token"] = {"access_token": "service-token", "expires_in": 600, "token_type": "Bearer"}
    path = request.target.partition("?")[0]
    if path in responses and request.header("x-forwarded-for") is None:
        await request.read_body()
        await request.respond(responses[path])
    else:
        await echo(request)


@dataclass
class FakeInstance:
    """One instance of a service. `handler` answers its requests; `requests` are those that it has received.

    `disconnected` is set when the gateway closes a connection before a request is complete.
    """

    handler: Handler = echo
    requests: list[ReceivedRequest] = field(default_factory=list)
    port: int = 0
    server: asyncio.Server | None = None
    connections: int = 0
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").split("\r\n")[:-2]
                method, target, _ = first.split(" ")
                headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
                request = ReceivedRequest(method, target, headers, reader, writer)
                self.requests.append(request)
                await self.handler(request)
                if writer.is_closing():
                    return
        except (OSError, asyncio.IncompleteReadError):
            self.disconnected.set()
        finally:
            writer.close()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[FakeInstance]:
        self.server = await asyncio.start_server(self._serve_connection, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop listening and abort all open connections."""
        if self.server is not None:
            self.server.close()
        await _abort(self.writers)


async def _abort(writers: list[asyncio.StreamWriter]) -> None:
    for writer in writers:
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


def unused_url() -> str:
    """Return a URL at which no server listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{bound.getsockname()[1]}"


@dataclass
class ClientResponse:
    """A response as a client received it; `is_complete` is False if it broke off."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_complete: bool = True

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RawClient:
    """A client connection that sends any bytes, valid or not."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send_request(self, request_line: str, headers: dict[str, str], body: bytes = b"") -> None:
        lines = [request_line, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        await self.write("\r\n".join(lines).encode("latin-1") + body)

    async def write(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def read_response(self) -> ClientResponse:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body, is_complete = await self._read_body(headers)
        return ClientResponse(int(first.split(" ")[1]), headers, body, is_complete)

    async def _read_body(self, headers: dict[str, str]) -> tuple[bytes, bool]:
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

    async def wait_until_closed(self) -> None:
        """Wait until the gateway closes the connection, which resets it if something that was sent is unread. Raises TimeoutError."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            with suppress(ConnectionError):
                await self.reader.read()

    def disconnect(self) -> None:
        self.writer.transport.abort()


@dataclass
class RunningGateway:
    """The gateway at `port`; `gateway[service]` is the fake instance of a service."""

    app: FastAPI
    port: int
    instances: dict[Service, FakeInstance]
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def __getitem__(self, service: Service) -> FakeInstance:
        return self.instances[service]

    async def connect(self) -> RawClient:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return RawClient(reader, writer)

    async def request(self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> ClientResponse:
        """Send one request on a connection of its own; the target is sent as it is given."""
        client = await self.connect()
        length = {"content-length": str(len(body))} if body else {}
        await client.send_request(f"{method} {target} HTTP/1.1", {"host": "careslot.example"} | length | (headers or {}), body)
        return await client.read_response()


@asynccontextmanager
async def running_gateway(
    *more_doctor_instances: FakeInstance, listener: type[Listener] = Listener, admin: FakeInstance | None = None, **settings: Any
) -> AsyncIterator[RunningGateway]:
    """Run a gateway with fake instances of auth-, doctor- and patient-service, and `admin`; the other services are down."""
    instances = {Service.AUTH: FakeInstance(respond_as_auth_service), Service.DOCTOR: FakeInstance(), Service.PATIENT: FakeInstance()}
    if admin is not None:
        instances[Service.ADMIN] = admin
    async with AsyncExitStack() as stack:
        for instance in [*instances.values(), *more_doctor_instances]:
            await stack.enter_async_context(instance.listen())
        urls = {service: instances[service].url if service in instances else unused_url() for service in Service}
        urls[Service.DOCTOR] = ",".join([urls[Service.DOCTOR], *(instance.url for instance in more_doctor_instances)])
        stack.enter_context(_environment({f"{service.prefix}_URLS": url for service, url in urls.items()}))
        clock = MovableClock(NOON, running=False)
        bus = await stack.enter_async_context(EmbeddedBus(":memory:", clock))
        app = create_app(GatewaySettings(env="test", client_secret="x" * 40, **settings), overrides=Overrides(bus=bus, clock=clock))
        port = await stack.enter_async_context(_serve(app, listener))
        gateway = RunningGateway(app, port, instances)
        try:
            yield gateway
        finally:
            await _abort(gateway.writers)


@asynccontextmanager
async def _serve(app: FastAPI, listener: type[Listener]) -> AsyncIterator[int]:
    """Serve the app as uvicorn does, without its signal handlers and its main loop; gives the port."""
    config = uvicorn.Config(app, http=listener, lifespan="off", log_config=None, access_log=False, proxy_headers=False)
    config.load()
    state = ServerState()
    async with app.router.lifespan_context(app):
        server = await asyncio.get_running_loop().create_server(
            lambda: listener(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )
        try:
            yield server.sockets[0].getsockname()[1]
        finally:  # uvloop does not end while a server is open, so that a test that fails would hang
            server.close()
            for connection in list(state.connections):
                connection.shutdown()
            await asyncio.gather(*state.tasks)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables, and restore them on leaving."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
