"""Reads the body of a request within a limit."""

from __future__ import annotations

from fastapi import Request

from shared.kit.content_negotiation import is_encoded
from shared.kit.problems import BodyTooLarge, UnsupportedContentEncoding


async def read_bounded_body(request: Request, max_bytes: int) -> bytes:
    """Return the body of a request.

    Raises UnsupportedContentEncoding for a body with a Content-Encoding, and BodyTooLarge. Both are raised before the body is read if the
    headers already show it. uvicorn reads and drops the rest of the body after the response, so a client that is still sending can read it.
    """
    length, has_body = 0, False
    for name, value in request.scope["headers"]:
        if name == b"content-length":
            has_body, length = True, int(value)
        elif name == b"transfer-encoding":
            has_body = True
        elif name == b"content-encoding" and is_encoded(value.decode("latin-1")):
            raise UnsupportedContentEncoding
    if length > max_bytes:
        raise BodyTooLarge
    body = bytearray()
    if has_body:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise BodyTooLarge
    return bytes(body)
