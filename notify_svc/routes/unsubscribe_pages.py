"""The pages behind the links that end reminders and digests."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from notify_svc.domain.unsubscribe_links import Subscription, SubscriptionKind
from notify_svc.schemas.preferences import SubscriptionOut
from shared.kit.content_negotiation import accepted_languages
from shared.kit.pages import STYLE, PageRoute, wants_json

TEMPLATES = Path(__file__).parent.parent / "templates"
DEFAULT_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class PageText:
    """Heading and sentence of a page, and the button if there is one."""

    title: str
    text: str
    button: str | None = None


@dataclass(frozen=True, slots=True)
class UnsubscribeTexts:
    """The words of one language. `refusals` are by the code of the problem document."""

    language: str
    questions: Mapping[SubscriptionKind, PageText]
    ended: Mapping[SubscriptionKind, PageText]
    refusals: Mapping[str, PageText]


ENGLISH = UnsubscribeTexts(
    language="en",
    questions={
        SubscriptionKind.REMINDERS: PageText(
            "End reminders?", "You will get no more reminders before your visits. Confirmations and changes still come.", "End reminders"
        ),
        SubscriptionKind.DIGEST: PageText(
            "End the daily digest?", "You will get no more mails with the times of the next day.", "End the digest"
        ),
    },
    ended={
        SubscriptionKind.REMINDERS: PageText(
            "You get no more reminders", "You can choose reminders again in your preferences when you are signed in."
        ),
        SubscriptionKind.DIGEST: PageText(
            "You get no more digests", "You can choose the digest again in your preferences when you are signed in."
        ),
    },
    refusals={
        "no_such_unsubscribe_link": PageText("This link is not known", "Please use the link exactly as it is in the mail, all of it."),
        "unavailable": PageText("Please try again", "The clinic's system does not answer at the moment. Please try again in a minute."),
    },
)
GERMAN = UnsubscribeTexts(
    language="de",
    questions={
        SubscriptionKind.REMINDERS: PageText(
            "Erinnerungen beenden?",
            "Sie erhalten vor Ihren Terminen keine Erinnerungen mehr. Bestätigungen und Änderungen kommen weiterhin.",
            "Erinnerungen beenden",
        ),
        SubscriptionKind.DIGEST: PageText(
            "Tagesübersicht beenden?", "Sie erhalten keine E-Mails mit den Zeiten des nächsten Tages mehr.", "Übersicht beenden"
        ),
    },
    ended={
        SubscriptionKind.REMINDERS: PageText(
            "Sie erhalten keine Erinnerungen mehr",
            "Wenn Sie angemeldet sind, können Sie Erinnerungen in Ihren Einstellungen wieder wählen.",
        ),
        SubscriptionKind.DIGEST: PageText(
            "Sie erhalten keine Tagesübersicht mehr",
            "In Ihren Einstellungen können Sie die Übersicht wieder wählen, wenn Sie angemeldet sind.",
        ),
    },
    refusals={
        "no_such_unsubscribe_link": PageText(
            "Dieser Link ist nicht bekannt", "Bitte verwenden Sie den Link vollständig, genau wie in der E-Mail."
        ),
        "unavailable": PageText(
            "Bitte versuchen Sie es noch einmal",
            "Das System der Praxis antwortet gerade nicht. Bitte versuchen Sie es in einer Minute noch einmal.",
        ),
    },
)
FRENCH = UnsubscribeTexts(
    language="fr",
    questions={
        SubscriptionKind.REMINDERS: PageText(
            "Arrêter les rappels ?",
            "Vous ne recevrez plus de rappels avant vos rendez-vous. Vous recevrez toujours les confirmations et les changements.",
            "Arrêter les rappels",
        ),
        SubscriptionKind.DIGEST: PageText(
            "Arrêter le récapitulatif ?", "Vous ne recevrez plus d'e-mails avec les horaires du lendemain.", "Arrêter le récapitulatif"
        ),
    },
    ended={
        SubscriptionKind.REMINDERS: PageText(
            "Vous ne recevrez plus de rappels", "Une fois connecté, vous pouvez à nouveau choisir des rappels dans vos préférences."
        ),
        SubscriptionKind.DIGEST: PageText(
            "Vous ne recevrez plus de récapitulatif",
            "Une fois connecté, vous pouvez à nouveau choisir le récapitulatif dans vos préférences.",
        ),
    },
    refusals={
        "no_such_unsubscribe_link": PageText("Ce lien est inconnu", "Veuillez utiliser le lien en entier, exactement comme dans l'e-mail."),
        "unavailable": PageText(
            "Veuillez réessayer", "Le système du cabinet ne répond pas pour le moment. Veuillez réessayer dans une minute."
        ),
    },
)
SPANISH = UnsubscribeTexts(
    language="es",
    questions={
        SubscriptionKind.REMINDERS: PageText(
            "¿Dejar de recibir recordatorios?",
            "No recibirá más recordatorios antes de sus citas. Seguirá recibiendo confirmaciones y cambios.",
            "Dejar de recibir recordatorios",
        ),
        SubscriptionKind.DIGEST: PageText(
            "¿Dejar de recibir el resumen?", "No recibirá más correos con las horas del día siguiente.", "Dejar de recibir el resumen"
        ),
    },
    ended={
        SubscriptionKind.REMINDERS: PageText(
            "Ya no recibirá recordatorios", "Cuando inicie sesión, puede volver a elegir recordatorios en sus preferencias."
        ),
        SubscriptionKind.DIGEST: PageText(
            "Ya no recibirá el resumen", "Cuando inicie sesión, puede volver a elegir el resumen en sus preferencias."
        ),
    },
    refusals={
        "no_such_unsubscribe_link": PageText(
            "Este enlace no es conocido", "Utilice el enlace completo, exactamente como está en el correo."
        ),
        "unavailable": PageText(
            "Inténtelo de nuevo", "El sistema de la clínica no responde en este momento. Inténtelo de nuevo dentro de un minuto."
        ),
    },
)
TEXTS = {texts.language: texts for texts in (ENGLISH, GERMAN, FRENCH, SPANISH)}


class UnsubscribeRoute(PageRoute):
    """A route that answers refusals with a page, unless the client wants JSON."""

    def refusal_page(self, request: Request, problem: Response) -> Response:
        texts, code = _texts_for(request, DEFAULT_LANGUAGE), json.loads(bytes(problem.body))["code"]
        if code not in texts.refusals:
            return problem
        page = _page(texts, texts.refusals[code], problem.status_code)
        if "retry-after" in problem.headers:
            page.headers["Retry-After"] = problem.headers["retry-after"]
        return page


def question_response(request: Request, subscription: Subscription, clinic_locale: str) -> Response:
    """Return what a link ends as JSON if `Accept` names it, else as a page with a button that ends it."""
    texts = _texts_for(request, clinic_locale)
    return _json(subscription) if wants_json(request) else _page(texts, texts.questions[subscription.kind])


def ended_response(request: Request, subscription: Subscription, clinic_locale: str) -> Response:
    """Return what has ended as JSON if `Accept` names it, else as a page."""
    texts = _texts_for(request, clinic_locale)
    return _json(subscription) if wants_json(request) else _page(texts, texts.ended[subscription.kind])


def _json(subscription: Subscription) -> Response:
    return JSONResponse(SubscriptionOut.model_validate(subscription).model_dump(mode="json"))


def _page(texts: UnsubscribeTexts, page: PageText, status: int = 200) -> Response:
    content = _templates().get_template("unsubscribe.html").render(texts=texts, page=page, style=STYLE)
    return HTMLResponse(content, status, headers={"Content-Language": texts.language})


def _texts_for(request: Request, clinic_locale: str) -> UnsubscribeTexts:
    """Return the texts in the first language of Accept-Language that there is, else in the clinic's, else in English."""
    wanted = [*accepted_languages(request.headers.get("accept-language", "")), clinic_locale, DEFAULT_LANGUAGE]
    languages = (tag.partition("-")[0].lower() for tag in wanted)
    return next(TEXTS[language] for language in languages if language in TEXTS)


@functools.cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
