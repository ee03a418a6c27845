"""Pages for people who followed a link in a mail. They need no script and load nothing from other servers."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from shared.kit.content_negotiation import names_media_type
from shared.kit.problems import PROBLEM_TYPE
from shared.kit.response_headers import NO_STORING
from shared.kit.routes import ServiceRoute

STYLE = """:root { color-scheme: light dark; }
body { font: 1.125rem/1.6 system-ui, sans-serif; margin: 0 auto; max-width: 34rem; padding: 1rem; }
dt { font-weight: 600; margin-top: 0.75rem; }
dd { margin: 0; }
button { border: 2px solid; border-radius: 0.5rem; font: inherit; margin: 1rem 0 0; min-height: 3rem; padding: 0.5rem 1.25rem; }
summary { margin-top: 1.5rem; min-height: 2rem; padding: 0.5rem 0; }
:focus-visible { outline: 3px solid; outline-offset: 2px; }
"""
"""The only style sheet that browsers accept on these pages, in a `style` element."""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    **NO_STORING,  # the page carries the token, so that it is not compressed either
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept, Accept-Language",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}
Responses = dict[int | str, dict[str, Any]]
HTML_CONTENT: dict[str, Any] = {"text/html": {"schema": {"type": "string"}}}
PAGE: Responses = {200: {"content": HTML_CONTENT}}


def with_pages(page: Responses, refused: Responses) -> Responses:
    """Return the `responses=` of a route whose refusals are pages, too."""
    pages: Responses = {status: {**entry, "content": entry["content"] | HTML_CONTENT} for status, entry in refused.items()}
    return {200: {key: value for entry in (page, PAGE) for key, value in entry[200].items()}} | pages


def wants_json(request: Request) -> bool:
    """Return whether `Accept` names JSON; everyone else gets a page."""
    return names_media_type(request.headers.get("accept", ""), "application/json")


class PageRoute(ServiceRoute):
    """A route that answers refusals with a page, unless the client wants JSON. Faults of a program stay problem documents.

    A subclass says what the pages look like.
    """

    def refusal_page(self, request: Request, problem: Response) -> Response:
        """Return the page for a refusal, or the problem document itself for a code that no page has caused."""
        raise NotImplementedError

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        call_service_route = super().get_route_handler()

        async def handle(request: Request) -> Response:
            response = await call_service_route(request)
            if response.media_type == PROBLEM_TYPE and not wants_json(request):
                response = self.refusal_page(request, response)
            response.headers.update(HEADERS)
            return response

        return handle
