"""Pages for people who followed a link in a mail. They need no script and load nothing from other servers."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.kit.content_negotiation import accepted_languages, names_media_type
from shared.kit.problems import PROBLEM_TYPE
from shared.kit.response_headers import NO_STORING
from shared.kit.routes import ServiceRoute

Texts = TypeVar("Texts")
DEFAULT_LANGUAGE = "en"
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
    """Return whether `Accept` names JSON; all other clients get a page."""
    return names_media_type(request.headers.get("accept", ""), "application/json")


def browser_languages(request: Request) -> list[str]:
    """Return the language tags of Accept-Language, the preferred one first."""
    return accepted_languages(request.headers.get("accept-language", ""))


def choose_texts(texts_by_language: Mapping[str, Texts], locales: Iterable[str]) -> Texts:
    """Return the texts in the language of the first of some BCP 47 locales that there is, else in English."""
    languages = (locale.partition("-")[0].lower() for locale in (*locales, DEFAULT_LANGUAGE))
    return next(texts_by_language[language] for language in languages if language in texts_by_language)


@functools.cache
def _environment(folder: Path) -> Environment:
    return Environment(loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)


def render_page(template: Path, language: str, status: int, **values: Any) -> Response:
    """Return the page of a Jinja2 template, which gets STYLE as `style`."""
    content = _environment(template.parent).get_template(template.name).render(style=STYLE, **values)
    return HTMLResponse(content, status, headers={"Content-Language": language})


class PageRoute(ServiceRoute):
    """A route that answers refusals with a page, unless the client wants JSON.

    A subclass makes the pages. Refusals for which it has none, because no form of a page leads to them, stay problem documents.
    """

    def refusal_page(self, request: Request, code: str, status: int) -> Response | None:
        """Return the page for the refusal with a code, or None if there is none."""
        raise NotImplementedError

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        call_service_route = super().get_route_handler()

        async def handle(request: Request) -> Response:
            response = await call_service_route(request)
            if response.media_type == PROBLEM_TYPE and not wants_json(request):
                response = self._with_page(request, response)
            response.headers.update(HEADERS)
            return response

        return handle

    def _with_page(self, request: Request, problem: Response) -> Response:
        """Return the page for a problem document, with its Retry-After, or the document itself."""
        page = self.refusal_page(request, json.loads(bytes(problem.body))["code"], problem.status_code)
        if page is None:
            return problem
        if "retry-after" in problem.headers:
            page.headers["Retry-After"] = problem.headers["retry-after"]
        return page
