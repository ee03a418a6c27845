"""The words of the pages behind the links in mails, by language. Another language is another VisitTexts in TEXTS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from appointment_svc.domain.transitions import AppointmentStatus
from shared.contracts.http import VisitMode


class RefusalText(NamedTuple):
    """What a page says instead of a problem document."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class VisitTexts:
    """The words of one language. `language` is its BCP 47 tag, `date_locale` the locale of dates and times.

    `refusals` are by the code of the problem document.
    """

    language: str
    date_locale: str
    booked: str
    confirmed: str
    requested: str
    cancelled: str
    date: str
    time: str
    doctor: str
    mode: str
    modes: Mapping[VisitMode, str]
    place: str
    clinic: str
    phone: str
    policy: str
    confirm: str
    cannot_come: str
    cancel_warning: str
    cancel: str
    call_to_cancel: str
    look_again: str
    refusals: Mapping[str, RefusalText]

    def title_of(self, status: AppointmentStatus, *, is_confirmed: bool) -> str:
        """Return the title of the page of a visit."""
        titles = {AppointmentStatus.REQUESTED: self.requested, AppointmentStatus.CANCELLED: self.cancelled}
        return titles.get(status, self.confirmed if is_confirmed else self.booked)


ENGLISH = VisitTexts(
    language="en",
    date_locale="en_GB",
    booked="Your appointment",
    confirmed="Your appointment is confirmed",
    requested="Your appointment is not approved yet",
    cancelled="Your appointment is cancelled",
    date="Date",
    time="Time",
    doctor="Doctor",
    mode="Kind of visit",
    modes={"in_person": "In person", "video": "By video", "phone": "By phone"},
    place="Place",
    clinic="Clinic",
    phone="Phone",
    policy="Cancelling",
    confirm="I will come",
    cannot_come="I cannot come",
    cancel_warning="The time is then given to somebody else. This cannot be undone here.",
    cancel="Cancel the appointment",
    call_to_cancel="It is too late to cancel online. Please call the clinic.",
    look_again="Show the appointment",
    refusals={
        "no_such_link": RefusalText("This link is not known", "Please use the link exactly as it is in the mail, all of it."),
        "link_expired": RefusalText(
            "This link has expired",
            "The appointment has begun, was cancelled or has ended, or the link is no longer yours to use. "
            "Sign in to see your appointments, or call the clinic.",
        ),
        "visit_changed": RefusalText(
            "The appointment has changed", "It has changed since you opened the link. Please look at it again. Nothing was done."
        ),
        "illegal_move": RefusalText("This is not possible now", "The clinic has not approved the appointment yet. Nothing was done."),
        "too_late": RefusalText("It is too late to cancel online", "Please call the clinic. Your appointment was not cancelled."),
        "unavailable": RefusalText("Please try again", "The clinic's system does not answer at the moment. Please try again in a minute."),
    },
)
GERMAN = VisitTexts(
    language="de",
    date_locale="de_DE",
    booked="Ihr Termin",
    confirmed="Ihr Termin ist bestätigt",
    requested="Ihr Termin ist noch nicht genehmigt",
    cancelled="Ihr Termin ist abgesagt",
    date="Datum",
    time="Uhrzeit",
    doctor="Ärztin oder Arzt",
    mode="Art des Termins",
    modes={"in_person": "Vor Ort", "video": "Per Video", "phone": "Per Telefon"},
    place="Ort",
    clinic="Praxis",
    phone="Telefon",
    policy="Absagen",
    confirm="Ich komme",
    cannot_come="Ich kann nicht kommen",
    cancel_warning="Die Zeit wird dann anderweitig vergeben. Das lässt sich hier nicht rückgängig machen.",
    cancel="Termin absagen",
    call_to_cancel="Für eine Absage im Internet ist es zu spät. Bitte rufen Sie in der Praxis an.",
    look_again="Termin anzeigen",
    refusals={
        "no_such_link": RefusalText("Dieser Link ist nicht bekannt", "Bitte verwenden Sie den Link vollständig, genau wie in der E-Mail."),
        "link_expired": RefusalText(
            "Dieser Link ist abgelaufen",
            "Der Termin hat begonnen, wurde abgesagt oder ist beendet, oder der Link gilt nicht mehr für Sie. "
            "Melden Sie sich an, um Ihre Termine zu sehen, oder rufen Sie in der Praxis an.",
        ),
        "visit_changed": RefusalText(
            "Der Termin hat sich geändert",
            "Er hat sich geändert, seit Sie den Link geöffnet haben. Bitte sehen Sie ihn noch einmal an. Es wurde nichts geändert.",
        ),
        "illegal_move": RefusalText(
            "Das ist zurzeit nicht möglich", "Die Praxis hat den Termin noch nicht genehmigt. Es wurde nichts geändert."
        ),
        "too_late": RefusalText(
            "Für eine Absage im Internet ist es zu spät", "Bitte rufen Sie in der Praxis an. Ihr Termin wurde nicht abgesagt."
        ),
        "unavailable": RefusalText(
            "Bitte versuchen Sie es noch einmal",
            "Das System der Praxis antwortet gerade nicht. Bitte versuchen Sie es in einer Minute noch einmal.",
        ),
    },
)
FRENCH = VisitTexts(
    language="fr",
    date_locale="fr_FR",
    booked="Votre rendez-vous",
    confirmed="Votre rendez-vous est confirmé",
    requested="Votre rendez-vous n'est pas encore validé",
    cancelled="Votre rendez-vous est annulé",
    date="Date",
    time="Heure",
    doctor="Médecin",
    mode="Type de rendez-vous",
    modes={"in_person": "Sur place", "video": "Par vidéo", "phone": "Par téléphone"},
    place="Lieu",
    clinic="Cabinet",
    phone="Téléphone",
    policy="Annulation",
    confirm="Je viendrai",
    cannot_come="Je ne peux pas venir",
    cancel_warning="L'horaire sera alors proposé à une autre personne. Cela ne peut pas être annulé ici.",
    cancel="Annuler le rendez-vous",
    call_to_cancel="Il est trop tard pour annuler en ligne. Veuillez appeler le cabinet.",
    look_again="Afficher le rendez-vous",
    refusals={
        "no_such_link": RefusalText("Ce lien est inconnu", "Veuillez utiliser le lien en entier, exactement comme dans l'e-mail."),
        "link_expired": RefusalText(
            "Ce lien a expiré",
            "Le rendez-vous a commencé, a été annulé ou est terminé, ou le lien ne vous est plus destiné. "
            "Connectez-vous pour voir vos rendez-vous, ou appelez le cabinet.",
        ),
        "visit_changed": RefusalText(
            "Le rendez-vous a changé",
            "Il a changé depuis que vous avez ouvert le lien. Veuillez le consulter à nouveau. Rien n'a été modifié.",
        ),
        "illegal_move": RefusalText(
            "Ce n'est pas possible pour le moment", "Le cabinet n'a pas encore validé le rendez-vous. Rien n'a été modifié."
        ),
        "too_late": RefusalText(
            "Il est trop tard pour annuler en ligne", "Veuillez appeler le cabinet. Votre rendez-vous n'a pas été annulé."
        ),
        "unavailable": RefusalText(
            "Veuillez réessayer", "Le système du cabinet ne répond pas pour le moment. Veuillez réessayer dans une minute."
        ),
    },
)
SPANISH = VisitTexts(
    language="es",
    date_locale="es_ES",
    booked="Su cita",
    confirmed="Su cita está confirmada",
    requested="Su cita todavía no está aprobada",
    cancelled="Su cita está cancelada",
    date="Fecha",
    time="Hora",
    doctor="Médico",
    mode="Tipo de cita",
    modes={"in_person": "Presencial", "video": "Por vídeo", "phone": "Por teléfono"},
    place="Lugar",
    clinic="Clínica",
    phone="Teléfono",
    policy="Cancelación",
    confirm="Acudiré",
    cannot_come="No puedo acudir",
    cancel_warning="La hora se dará entonces a otra persona. Aquí no se puede deshacer.",
    cancel="Cancelar la cita",
    call_to_cancel="Es demasiado tarde para cancelar por internet. Llame a la clínica.",
    look_again="Mostrar la cita",
    refusals={
        "no_such_link": RefusalText("Este enlace no es conocido", "Utilice el enlace completo, exactamente como está en el correo."),
        "link_expired": RefusalText(
            "Este enlace ha caducado",
            "La cita ha comenzado, se ha cancelado o ha terminado, o el enlace ya no es para usted. "
            "Inicie sesión para ver sus citas, o llame a la clínica.",
        ),
        "visit_changed": RefusalText(
            "La cita ha cambiado", "Ha cambiado desde que usted abrió el enlace. Mírela de nuevo. No se ha modificado nada."
        ),
        "illegal_move": RefusalText("Ahora no es posible", "La clínica todavía no ha aprobado la cita. No se ha modificado nada."),
        "too_late": RefusalText("Es demasiado tarde para cancelar por internet", "Llame a la clínica. Su cita no se ha cancelado."),
        "unavailable": RefusalText(
            "Inténtelo de nuevo", "El sistema de la clínica no responde en este momento. Inténtelo de nuevo dentro de un minuto."
        ),
    },
)
TEXTS = {texts.language: texts for texts in (ENGLISH, GERMAN, FRENCH, SPANISH)}
