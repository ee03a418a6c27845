"""The pages behind the links that end reminders and digests."""

from __future__ import annotations

from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from notify_svc.domain.unsubscribe_links import Subscription
from notify_svc.routes.unsubscribe_texts import TEXTS, PageText, UnsubscribeTexts
from notify_svc.schemas.preferences import SubscriptionOut
from shared.kit.pages import PageRoute, browser_languages, choose_texts, render_page, wants_json

TEMPLATE = Path(__file__).parent.parent / "templates" / "unsubscribe.html"


class UnsubscribeRoute(PageRoute):
    """A route that answers refusals with a page, unless the client wants JSON."""

    def refusal_page(self, request: Request, code: str, status: int) -> Response | None:
        texts = choose_texts(TEXTS, browser_languages(request))
        return _page(texts, texts.refusals[code], status) if code in texts.refusals else None


def question_response(request: Request, subscription: Subscription, clinic_locale: str) -> Response:
    """Return what a link ends as JSON if `Accept` names it, else as a page with a button that ends it."""
    texts = choose_texts(TEXTS, [*browser_languages(request), clinic_locale])
    return _json(subscription) if wants_json(request) else _page(texts, texts.questions[subscription.kind])


def ended_response(request: Request, subscription: Subscription, clinic_locale: str) -> Response:
    """Return what has ended as JSON if `Accept` names it, else as a page."""
    texts = choose_texts(TEXTS, [*browser_languages(request), clinic_locale])
    return _json(subscription) if wants_json(request) else _page(texts, texts.ended[subscription.kind])


def _json(subscription: Subscription) -> Response:
    return JSONResponse(SubscriptionOut.model_validate(subscription).model_dump(mode="json"))


def _page(texts: UnsubscribeTexts, page: PageText, status: int = 200) -> Response:
    return render_page(TEMPLATE, texts.language, status, texts=texts, page=page)
