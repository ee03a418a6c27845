"""An ASGI app whose event loop a test can block, or whose readiness a test can change."""

from __future__ import annotations

import asyncio
import time
from typing import Any

readiness = {"status": 200, "seconds": 0}


async def app(scope: Any, _receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    status = 200
    match scope["path"]:
        case "/readyz":
            await asyncio.sleep(readiness["seconds"])
            status = readiness["status"]
        case "/become-unready":
            readiness["status"] = 503
        case "/become-slow":
            readiness["seconds"] = 60
        case "/block-the-event-loop":
            block_the_event_loop()
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def block_the_event_loop() -> None:
    time.sleep(600)
