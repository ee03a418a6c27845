"""What the server is told when wrong settings end the start of a service: the faults, without a traceback."""

from __future__ import annotations

import sys

from starlette.types import Message, Send

from shared.kit.settings import InvalidSettings


def without_traceback_of_settings(send: Send) -> Send:
    """Return a `send` for the lifespan of an app. The reason of a start that InvalidSettings ended is the text of that exception."""

    async def send_reason(message: Message) -> None:
        error = sys.exc_info()[1]  # Starlette sends the message while it handles the exception, and gives its traceback as the reason
        if message["type"] == "lifespan.startup.failed" and isinstance(error, InvalidSettings):
            message = {**message, "message": str(error)}
        await send(message)

    return send_reason
