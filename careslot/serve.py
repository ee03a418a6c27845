"""`careslot serve`: the whole product behind one socket."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from careslot.demo import Demo
from careslot.dev import with_aids
from careslot.folder import Folder
from careslot.house import House, open_house
from gateway_svc.routes.listener import Listener
from shared.kit.clock import Clock, MovableClock, system_clock
from shared.kit.logs import JsonFormatter, log

GRACE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Serving:
    """What was asked for on the command line."""

    host: str
    port: int
    data: Path
    demo: bool
    dev: bool
    starts_at: datetime | None


class _Server(uvicorn.Server):
    """Ends when asked to and lets the house close after it; uvicorn's own would raise the signal again, in the middle of that."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"careslot ready http://{self.config.host}:{self.config.port}", flush=True)


def serve(asked: Serving) -> None:
    """Runs until Ctrl-C; then drains and ends cleanly."""
    folder = Folder(asked.data)
    with folder.locked():
        _log_to(folder.path / "careslot.log")
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(_serve(asked, folder))


async def _serve(asked: Serving, folder: Folder) -> None:
    clock = MovableClock(asked.starts_at) if asked.dev else system_clock
    demo = Demo(folder) if asked.demo else None
    address = f"http://localhost:{asked.port}" if asked.host == "127.0.0.1" else f"http://{asked.host}:{asked.port}"
    async with open_house(folder, clock, public_url=address, **(demo.admin if demo else {})) as house:
        if demo:
            await demo.load(house)
        print(f"careslot serves {address}  (docs: {address}/docs, data: {folder.path})", flush=True)
        await _Server(_config(_door(asked, house, clock), asked)).serve()


def _door(asked: Serving, house: House, clock: Clock) -> ASGIApp:
    return with_aids(house, clock) if asked.dev and isinstance(clock, MovableClock) else house.door


def _config(app: ASGIApp, asked: Serving) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=asked.host,
        port=asked.port,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=Listener,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _log_to(path: Path) -> None:
    handler = logging.FileHandler(path)
    handler.setFormatter(JsonFormatter())
    log.handlers, log.propagate = [handler], False
    log.setLevel("INFO")
