"""How the gateway listens: uvicorn's HTTP/1.1, with bounds on a request's head that uvicorn does not have.

`uvicorn --http gateway_svc.routes.listener:Listener`. A head that does not end would be gathered in memory, and a head that
does not come would hold its connection, before any application is asked. What is no HTTP at all is a problem document too.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from shared.kit.problems import problem_document

# What the door itself refuses with a better word (`limits`), and some room.
LARGEST_HEAD = 32 * 1024


class Listener(HttpToolsProtocol):
    """One connection of a client."""

    head_seconds = 10.0
    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _head_size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_size += len(data)
        if self._head_size > LARGEST_HEAD:
            self._refuse(431, "headers_too_large", "Headers too large", "At most 64 headers, and at most 16 KiB of them.")
        elif self._timer is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._in_head, self._head_size = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_head = False
        self._stop_waiting()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "malformed_request", "Malformed request", "This is not how HTTP is spoken.")

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self._refuse(408, "head_too_slow", "Head too slow", "The request's head did not come in time.")

    def _refuse(self, status: int, code: str, title: str, detail: str) -> None:
        self._stop_waiting()
        if self._may_speak():
            self.transport.write(_written(status, problem_document(status, code, title, detail, "")))
        self.transport.close()

    def _may_speak(self) -> bool:
        """Whether what is written now cannot be taken for the answer to another request on this connection."""
        if self.cycle is None or self.cycle.response_complete:
            return True
        return not (self._in_head or self.pipeline or self.cycle.response_started)


def _written(status: int, said: dict[str, Any]) -> bytes:
    body = json.dumps(said).encode()
    head = b"content-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return STATUS_LINE[status] + head + body
