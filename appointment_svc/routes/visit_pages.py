"""The pages behind the links in mails. They need no script and load nothing from anywhere, so that no other server learns of a visit."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, get_timezone_name
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from appointment_svc.domain.visit_links import LinkedVisit
from appointment_svc.routes.visit_texts import TEXTS, VisitTexts
from appointment_svc.schemas import VisitOut
from shared.kit.content_negotiation import accepted_languages, names_media_type
from shared.kit.problems import PROBLEM_TYPE
from shared.kit.response_headers import NO_STORING
from shared.kit.routes import ServiceRoute

TEMPLATES = Path(__file__).parent.parent / "templates"
STYLE = (TEMPLATES / "visit.css").read_text(encoding="utf-8")
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
DEFAULT_LANGUAGE = "en"
Responses = dict[int | str, dict[str, Any]]
HTML_CONTENT: dict[str, Any] = {"text/html": {"schema": {"type": "string"}}}
PAGE: Responses = {200: {"content": HTML_CONTENT}}


def with_pages(page: Responses, refused: Responses) -> Responses:
    """Return the `responses=` of a route whose refusals are pages, too."""
    pages: Responses = {status: {**entry, "content": entry["content"] | HTML_CONTENT} for status, entry in refused.items()}
    return {200: {key: value for entry in (page, PAGE) for key, value in entry[200].items()}} | pages


class VisitRoute(ServiceRoute):
    """A route that answers refusals with a page, unless the client wants JSON. Faults of a program stay problem documents."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        call_service_route = super().get_route_handler()

        async def handle(request: Request) -> Response:
            response = await call_service_route(request)
            if response.media_type == PROBLEM_TYPE and not _wants_json(request):
                response = _refusal_page(request, response)
            response.headers.update(HEADERS)
            return response

        return handle


def visit_response(request: Request, visit: LinkedVisit) -> Response:
    """Return a visit as JSON if `Accept` names it, else as a page in the recipient's language."""
    if _wants_json(request):
        return JSONResponse(VisitOut.model_validate(visit).model_dump(mode="json"))
    texts = _texts_for(request, visit.locale)
    is_action = request.method == "POST"
    values = {
        "title": texts.title_of(visit.status, is_confirmed=visit.confirmed_at is not None),
        "rows": _rows(visit, texts),
        "visit": visit,
        "actions": "" if is_action else f"{request.path_params['token']}/",
    }
    return _page(texts, "visit.html", 200, values)


def _refusal_page(request: Request, problem: Response) -> Response:
    """Return the page for a refusal; the problem document itself for a code that no page has caused."""
    texts, code = _texts_for(request, None), json.loads(bytes(problem.body))["code"]
    refusal = texts.refusals.get(code)
    if refusal is None:
        return problem
    is_action = request.method == "POST"
    values = {"title": refusal.title, "text": refusal.text, "link": f"../{request.path_params['token']}" if is_action else None}
    response = _page(texts, "refusal.html", problem.status_code, values)
    if "retry-after" in problem.headers:
        response.headers["Retry-After"] = problem.headers["retry-after"]
    return response


def _page(texts: VisitTexts, template: str, status: int, values: dict[str, Any]) -> Response:
    content = _templates().get_template(template).render(texts=texts, style=STYLE, **values)
    return HTMLResponse(content, status, headers={"Content-Language": texts.language})


def _rows(visit: LinkedVisit, texts: VisitTexts) -> list[tuple[str, str]]:
    """Return date, time with its zone, doctor, place and clinic with their labels."""
    local_time = visit.starts_at.astimezone(ZoneInfo(visit.time_zone))
    zone = get_timezone_name(local_time, locale=texts.date_locale)
    doctor = " ".join(filter(None, (visit.doctor.title, visit.doctor.full_name))) if visit.doctor else None
    rows = [
        (texts.date, format_date(local_time.date(), "full", locale=texts.date_locale)),
        (texts.time, f"{format_time(local_time.timetz(), 'short', locale=texts.date_locale)} ({zone}, {visit.time_zone})"),
        (texts.doctor, doctor),
        (texts.mode, texts.modes[visit.mode]),
        (texts.place, visit.place),
        (texts.clinic, visit.clinic_name),
    ]
    return [(label, value) for label, value in rows if value]


def _texts_for(request: Request, locale: str | None) -> VisitTexts:
    """Return the texts in the recipient's language, else in the first one of Accept-Language that there is, else in English."""
    wanted = [locale or "", *accepted_languages(request.headers.get("accept-language", "")), DEFAULT_LANGUAGE]
    languages = (tag.partition("-")[0].lower() for tag in wanted)
    return next(TEXTS[language] for language in languages if language in TEXTS)


def _wants_json(request: Request) -> bool:
    return names_media_type(request.headers.get("accept", ""), "application/json")


@functools.cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
