"""`careslot serve`: all eight services in one process, behind one port."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from careslot.backup.erasure_list import ErasureList, default_list_path
from careslot.demo import Demo
from careslot.dev import add_development_routes
from careslot.embedded_platform import EmbeddedPlatform, default_to_development, open_embedded_platform
from careslot.folder import Folder
from careslot.services import settings_of
from gateway_svc.routes.listener import Listener
from shared.contracts.identity import Service
from shared.kit.clock import Clock, MovableClock, system_clock
from shared.kit.logs import JsonLineHandler, log
from shared.kit.settings import InvalidSettings

SHUTDOWN_SECONDS = 20
LOCAL_HOSTS = ("127.0.0.1", "::1", "0.0.0.0", "::")  # the last two are every address of this machine
DEVELOPMENT_RATE_SCALE = 20.0


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of the command line. `clock_start` is the instant at which a movable clock starts; None is the real time.

    `erasures` is the list of erased patients; None is the one beside the data folder.
    """

    host: str
    port: int
    data: Path
    demo: bool
    dev: bool
    clock_start: datetime | None
    erasures: Path | None = None


class _Server(uvicorn.Server):
    """A server that returns from `serve()` on SIGINT or SIGTERM, so that the platform can be closed afterwards.

    uvicorn's own server would then raise the signal again, which would interrupt the closing.
    """

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


def serve(options: ServeOptions) -> None:
    """Run the platform until SIGINT or SIGTERM; then finish the open requests and close it.

    Raises InvalidSettings for development options in production, before anything is written.
    """
    _refuse_development_options(options)
    folder = Folder(options.data)
    with folder.lock(), log_to(folder.path / "careslot.log"), asyncio.Runner(loop_factory=_new_event_loop) as runner:
        runner.run(_serve(options, folder))


def _refuse_development_options(options: ServeOptions) -> None:
    """Raise InvalidSettings if an option is for development only and the environment is production.

    `--dev` opens all mails and the clock to everyone, and `--demo` creates accounts whose password is printed.
    """
    used = {"--dev": options.dev, "--demo": options.demo, "--clock": options.clock_start is not None}
    names = ", ".join(name for name, is_used in used.items() if is_used)
    if names and default_to_development(settings_of(Service.GATEWAY)).is_production:
        raise InvalidSettings(f"CARESLOT_ENV: careslot serve refuses {names} in production")


async def _serve(options: ServeOptions, folder: Folder) -> None:
    clock = MovableClock(options.clock_start) if options.dev else system_clock
    demo = Demo(folder) if options.demo else None
    public_url = os.environ.get("CARESLOT_PUBLIC_URL") or _local_address(options)
    settings = {"public_url": public_url, **_rate_settings(options), **(demo.settings if demo else {})}
    async with open_embedded_platform(folder, clock, **settings) as platform:
        await ErasureList(options.erasures or default_list_path(folder.path)).subscribe(platform.bus)
        if demo:
            await demo.load(platform)
        details = f"docs: {public_url}/docs, data: {folder.path}, time zone: {platform.time_zone}"
        print(f"careslot serves {public_url}  ({details})", flush=True)
        await _Server(_server_config(_public_app(platform, clock), options)).serve()


def _local_address(options: ServeOptions) -> str:
    """Return the address at which a browser on this machine reaches the server. It is the public URL unless the environment sets one."""
    if options.host in LOCAL_HOSTS:
        return f"http://localhost:{options.port}"
    return f"http://[{options.host}]:{options.port}" if ":" in options.host else f"http://{options.host}:{options.port}"


def _rate_settings(options: ServeOptions) -> dict[str, Any]:
    """Return the setting with which `--dev` raises the rate limits, unless the environment sets it."""
    return {"rate_scale": DEVELOPMENT_RATE_SCALE} if options.dev and "GATEWAY_RATE_SCALE" not in os.environ else {}


def _public_app(platform: EmbeddedPlatform, clock: Clock) -> ASGIApp:
    """Return the gateway. With `--dev`, which is when the clock is movable, return it together with the development routes."""
    return add_development_routes(platform, clock) if isinstance(clock, MovableClock) else platform.gateway_app


def _server_config(app: ASGIApp, options: ServeOptions) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=Listener,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Append the log lines of all services to a file."""
    with path.open("a", buffering=1, encoding="utf-8") as file:
        log.handlers, log.propagate = [JsonLineHandler(file)], False
        try:
            yield
        finally:
            log.handlers = []
