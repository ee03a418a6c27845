"""The words of the pages behind the links that end reminders and digests. Another language is another UnsubscribeTexts in TEXTS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from notify_svc.domain.unsubscribe_links import SubscriptionKind


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
