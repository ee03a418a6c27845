"""Functions with which a route sets ETag, Location, Link and Cache-Control on the `response` that FastAPI passes to it."""

from __future__ import annotations

from typing import Protocol, TypeVar
from urllib.parse import urlencode

from fastapi import Request, Response

NO_STORING = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Versioned(Protocol):
    """A resource with a public version, which grows with every change."""

    @property
    def version(self) -> int: ...


class HasNextCursor(Protocol):
    """One page of a list; `next` is the cursor of the following page, or None."""

    @property
    def next(self) -> str | None: ...


V = TypeVar("V", bound=Versioned)
P = TypeVar("P", bound=HasNextCursor)


def with_etag(response: Response, resource: V) -> V:
    """Set ETag to the version of `resource` and return `resource`."""
    response.headers["ETag"] = f'"{resource.version}"'
    return resource


def vary_with_time(response: Response) -> None:
    """Mark a response that changes with time while its version stays the same. Its ETag is only for If-Match; 304 is never sent for it."""
    response.headers["Vary"] = "*"


def with_location(response: Response, resource: V, path: str) -> V:
    """Set Location to `path`, where the created `resource` can be read, and ETag to its version; return `resource`."""
    response.headers["Location"] = path
    return with_etag(response, resource)


def forbid_storing(response: Response) -> None:
    """Mark a response that carries tokens (RFC 6749 section 5.1): it is not stored, not even for its Idempotency-Key, nor compressed.

    If it were compressed, its length could reveal a token to an attacker who chooses a part of the response (the BREACH attack).
    """
    response.headers.update(NO_STORING)


def mark_replayed(response: Response) -> None:
    """Mark the answer to a repeated request that equals the first one, where the first is not stored because it carries a secret."""
    response.headers["Idempotent-Replayed"] = "true"


def with_next_link(request: Request, response: Response, page: P) -> P:
    """Set Link to the next page of a list (RFC 8288), if there is one, keeping the query; return `page`."""
    if page.next is not None:
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
        query.append(("after", page.next))
        response.headers["Link"] = f'<{request.url.path}?{urlencode(query)}>; rel="next"'
    return page
