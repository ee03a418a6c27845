"""The pages of the visits behind the links in mails."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, get_timezone_name
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from appointment_svc.domain.visit_links import LinkedVisit
from appointment_svc.routes.visit_texts import TEXTS, VisitTexts
from appointment_svc.schemas import VisitOut
from shared.kit.pages import PageRoute, browser_languages, choose_texts, render_page, wants_json

TEMPLATES = Path(__file__).parent.parent / "templates"


class VisitRoute(PageRoute):
    """A route that answers refusals with a page about the visit, unless the client wants JSON."""

    def refusal_page(self, request: Request, code: str, status: int) -> Response | None:
        texts = choose_texts(TEXTS, browser_languages(request))
        refusal = texts.refusals.get(code)
        if refusal is None:
            return None
        link = f"../{request.path_params['token']}" if status == 409 else None  # then the token is that of a visit
        return _page(texts, "refusal.html", status, title=refusal.title, text=refusal.text, link=link)


def visit_response(request: Request, visit: LinkedVisit) -> Response:
    """Return a visit as JSON if `Accept` names it, else as a page in the recipient's language."""
    if wants_json(request):
        return JSONResponse(VisitOut.model_validate(visit).model_dump(mode="json"))
    texts = choose_texts(TEXTS, [visit.locale or "", *browser_languages(request)])
    title = texts.title_of(visit.status, is_confirmed=visit.confirmed_at is not None)
    actions = "" if request.method == "POST" else f"{request.path_params['token']}/"
    return _page(texts, "visit.html", 200, title=title, rows=_rows(visit, texts), visit=visit, actions=actions)


def _page(texts: VisitTexts, template: str, status: int, **values: Any) -> Response:
    return render_page(TEMPLATES / template, texts.language, status, texts=texts, **values)


def _rows(visit: LinkedVisit, texts: VisitTexts) -> list[tuple[str, str]]:
    """Return date, time with its zone, doctor, place, and what people read about the clinic, with their labels."""
    local_time = visit.starts_at.astimezone(ZoneInfo(visit.time_zone))
    zone = get_timezone_name(local_time, locale=texts.date_locale)
    doctor = " ".join(filter(None, (visit.doctor.title, visit.doctor.full_name))) if visit.doctor else None
    rows = [
        (texts.date, format_date(local_time.date(), "full", locale=texts.date_locale)),
        (texts.time, f"{format_time(local_time.timetz(), 'short', locale=texts.date_locale)} ({zone}, {visit.time_zone})"),
        (texts.doctor, doctor),
        (texts.mode, texts.modes[visit.mode]),
        (texts.place, visit.place),
        (texts.clinic, ", ".join(filter(None, (visit.clinic_name, visit.clinic_address)))),
        (texts.phone, visit.clinic_phone),
        (texts.policy, visit.cancellation_policy),
    ]
    return [(label, value) for label, value in rows if value]
