"""Which headers pass the door: up to the services and down to the client. What is not listed stays outside.

`X-Request-ID`, `traceparent`, `X-Timeout-Ms` and `X-Forwarded-For` are the gateway's to say: a client's own never pass.
"""

from __future__ import annotations

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

UP = frozenset(
    (
        b"accept",
        b"accept-language",
        b"authorization",
        b"content-type",
        b"idempotency-key",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"prefer",
        b"user-agent",
    )
)
DOWN = frozenset(
    (
        b"allow",
        b"cache-control",
        b"content-disposition",
        b"content-language",
        b"content-length",
        b"content-type",
        b"etag",
        b"expires",
        b"idempotent-replayed",
        b"last-modified",
        b"link",
        b"location",
        b"pragma",
        b"preference-applied",
        b"ratelimit",
        b"ratelimit-policy",
        b"retry-after",
        b"vary",
        b"www-authenticate",
    )
)
# Two of these in one request would let two readers read two requests.
SINGLE = frozenset((b"authorization", b"content-length", b"content-type", b"idempotency-key", b"transfer-encoding"))


def upward(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    return [header for header in headers if header[0] in UP]


def downward(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    return [header for header in headers if header[0] in DOWN]


def size_of(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Bytes on the wire, with `: ` and the line end."""
    size = 0
    for name, value in headers:
        size += len(name) + len(value) + 4
    return size


def repeated(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The first header that may stand once and stands twice."""
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in SINGLE:
            if name in seen:
                return name
            seen.add(name)
    return None
