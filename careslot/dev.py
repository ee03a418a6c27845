"""Development aids in front of the gateway: the mailbox, the clock, and waiting until all is quiet. Only with `serve --dev`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from careslot.house import House
from notify_svc.clients.files import FileMailbox
from shared.contracts.identity import Service
from shared.contracts.values import Instant, RequestModel, format_instant
from shared.kit import exception_handlers, routes
from shared.kit.clock import MovableClock


class PutClock(RequestModel):
    now: Instant


def with_aids(house: House, clock: MovableClock) -> ASGIApp:
    """The gateway, with `/dev/...` beside it."""
    aids, door = _aids(house, clock), house.door

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inside = scope["type"] == "http" and scope["path"].startswith("/dev/")
        await (aids if inside else door)(scope, receive, send)

    return app


def _aids(house: House, clock: MovableClock) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.verifier = house.apps[Service.AUTH].state.verifier
    router, mailbox = routes.service_router(prefix="/dev"), FileMailbox(house.folder.mail)

    @router.get("/mailbox")
    async def read_mailbox() -> list[dict[str, Any]]:
        return mailbox.messages()

    @router.delete("/mailbox", status_code=204)
    async def empty_mailbox() -> None:
        mailbox.clear()

    @router.get("/clock")
    async def read_clock() -> dict[str, str]:
        return {"now": format_instant(clock())}

    @router.put("/clock")
    async def put_clock(body: PutClock) -> dict[str, str]:
        clock.set(body.now)
        await house.settle()
        return {"now": format_instant(clock())}

    @router.post("/settle", status_code=204)
    async def settle() -> None:
        await house.settle()

    app.include_router(router)
    exception_handlers.install_exception_handlers(app)
    return app
