"""Development routes in front of the gateway: the mailbox, the clock, and running all background work. Only with `serve --dev`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from careslot.embedded_platform import EmbeddedPlatform
from notify_svc.clients.files import FileMailbox
from shared.contracts.identity import Service
from shared.contracts.values import Instant, RequestModel, format_instant
from shared.kit import exception_handlers, routes
from shared.kit.clock import MovableClock
from shared.kit.content_middleware import ContentMiddleware


class PutClock(RequestModel):
    """The body of `PUT /dev/clock`."""

    now: Instant


def add_development_routes(platform: EmbeddedPlatform, clock: MovableClock) -> ASGIApp:
    """Return an app that answers `/dev/...` itself and passes everything else to the gateway."""
    development_app, gateway_app = _development_app(platform, clock), platform.gateway_app

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_development = scope["type"] == "http" and scope["path"].startswith("/dev/")
        await (development_app if is_development else gateway_app)(scope, receive, send)

    return app


def _development_app(platform: EmbeddedPlatform, clock: MovableClock) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(ContentMiddleware)
    app.state.verifier = platform.apps[Service.AUTH].state.verifier
    router, mailbox = routes.service_router(prefix="/dev"), FileMailbox(platform.folder.mail)

    @router.get("/mailbox")
    async def get_mailbox() -> list[dict[str, Any]]:
        return mailbox.messages()

    @router.delete("/mailbox", status_code=204)
    async def delete_mailbox() -> None:
        mailbox.clear()

    @router.get("/clock")
    async def get_clock() -> dict[str, str]:
        return {"now": format_instant(clock())}

    @router.put("/clock")
    async def put_clock(body: PutClock) -> dict[str, str]:
        clock.set(body.now)
        await platform.run_until_idle()
        return {"now": format_instant(clock())}

    @router.post("/settle", status_code=204)
    async def run_until_idle() -> None:
        await platform.run_until_idle()

    app.router.routes.extend(router.routes)  # as the services do, so that a 405 can list the methods
    exception_handlers.install_exception_handlers(app)
    return app
