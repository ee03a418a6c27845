"""The pages of the visits behind the links in mails."""

from __future__ import annotations

import functools
import json
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
from shared.kit.content_negotiation import accepted_languages
from shared.kit.pages import STYLE, PageRoute, wants_json

TEMPLATES = Path(__file__).parent.parent / "templates"
DEFAULT_LANGUAGE = "en"


class VisitRoute(PageRoute):
    """A route that answers refusals with a page about the visit, unless the client wants JSON."""

    def refusal_page(self, request: Request, problem: Response) -> Response:
        return _refusal_page(request, problem)


def visit_response(request: Request, visit: LinkedVisit) -> Response:
    """Return a visit as JSON if `Accept` names it, else as a page in the recipient's language."""
    if wants_json(request):
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


@functools.cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
