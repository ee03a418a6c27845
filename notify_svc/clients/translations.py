"""The words of the mails, by language. Another language is another Translation in TRANSLATIONS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import MessageKind
from shared.contracts.http import VisitMode


class Wording(NamedTuple):
    """The title of a mail, which is also its subject, and the sentence that opens it."""

    title: str
    introduction: str


@dataclass(frozen=True, slots=True)
class Translation:
    """The words of one language. `language` is its BCP 47 tag. Words in braces are filled in.

    `wordings` are by kind of message, and where the words differ also by variant (`amended_place`) and audience (`booked_doctor`). A mode
    is how the visit takes place; `appointment_modes` are the titles of calendar entries.
    """

    language: str
    greeting: str
    greeting_without_name: str
    signature: str
    when: str
    previously: str
    doctor: str
    patient: str
    location: str
    unknown_location: str
    changed_label: str
    mode: str
    modes: Mapping[VisitMode, str]
    time_zone_note: str
    calendar_note: str
    code_note: str
    link_validity: str
    ignore_note: str
    appointment_modes: Mapping[VisitMode, str]
    appointment_with: str
    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    date_and_time: str
    wordings: Mapping[str, Wording]

    def wording_of(self, message: Message) -> Wording:
        """Return the title and introduction of a message."""
        key = "_".join((message.kind, *_variant_of(message)))
        return self.wordings.get(f"{key}_{message.audience}") or self.wordings[key]

    def greet(self, name: str) -> str:
        """Return the words that greet the recipient, whose name may be empty."""
        return self.greeting.format(name=name) if name else self.greeting_without_name

    def format_time(self, local_time: datetime) -> str:
        """Return a local time in words: `Monday, 9 March 2026, 14:00`."""
        return self.date_and_time.format(
            weekday=self.weekdays[local_time.weekday()],
            day=local_time.day,
            month=self.months[local_time.month - 1],
            year=local_time.year,
            time=f"{local_time:%H:%M}",
        )


def _variant_of(message: Message) -> list[str]:
    """Return what distinguishes messages of one kind: what was amended, and whether a new time waits for approval."""
    if message.kind is MessageKind.AMENDED:
        return sorted(message.visible_changes)
    is_requested_again = message.kind is MessageKind.RESCHEDULED and message.facts["status"] == "requested"
    return ["requested"] if is_requested_again else []


ENGLISH = Translation(
    language="en",
    greeting="Hello {name},",
    greeting_without_name="Hello,",
    signature="Your {clinic}",
    when="When",
    previously="Before",
    doctor="With",
    patient="Patient",
    location="Where",
    unknown_location="Please ask the clinic",
    changed_label="{label} (new)",
    mode="How",
    modes={"in_person": "In person", "video": "By video", "phone": "By phone"},
    time_zone_note="Times are in {zone}.",
    calendar_note="The attached calendar file keeps your calendar up to date.",
    code_note="If an app asks for a code, it is:",
    link_validity="The link works once, until {until} ({zone}).",
    ignore_note="If you did not expect this mail, you can ignore it.",
    appointment_modes={"in_person": "Appointment", "video": "Video appointment", "phone": "Phone appointment"},
    appointment_with="{appointment} with {name}",
    weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    date_and_time="{weekday}, {day} {month} {year}, {time}",
    wordings={
        "requested": Wording("Appointment requested", "We have received your request. The time is reserved until the clinic answers."),
        "requested_doctor": Wording("Appointment requested", "A patient has requested an appointment. Please approve or decline it."),
        "booked": Wording("Appointment confirmed", "Your appointment is confirmed."),
        "booked_doctor": Wording("New appointment", "A new appointment with you was booked."),
        "rescheduled": Wording("Appointment moved", "Your appointment was moved. These are the new details:"),
        "rescheduled_doctor": Wording("Appointment moved", "An appointment with you was moved."),
        "rescheduled_requested": Wording(
            "Appointment moved", "Your appointment was moved. The new time is reserved for you and waits for the clinic's approval:"
        ),
        "rescheduled_requested_doctor": Wording(
            "Appointment moved", "A patient has moved an appointment with you. Please approve or decline the new time."
        ),
        "amended_place": Wording("Appointment changed", "The place of your appointment has changed. Date and time stay the same:"),
        "amended_doctor_name": Wording(
            "Appointment changed", "The name of the doctor of your appointment has changed. Date and time stay the same:"
        ),
        "amended_doctor_name_place": Wording(
            "Appointment changed", "The place of your appointment and the name of the doctor have changed. Date and time stay the same:"
        ),
        "given_away_doctor": Wording("Appointment handed over", "An appointment was handed over from you to another doctor."),
        "cancelled": Wording("Appointment cancelled", "Your appointment was cancelled."),
        "cancelled_doctor": Wording("Appointment cancelled", "An appointment with you was cancelled."),
        "declined": Wording("Appointment declined", "We are sorry: the clinic could not confirm your request. Please choose another time."),
        "declined_doctor": Wording("Appointment declined", "A request for an appointment with you was declined."),
        "expired": Wording(
            "Appointment request expired", "We are sorry: your request was not confirmed in time. Please choose another time."
        ),
        "expired_doctor": Wording("Appointment request expired", "A request for an appointment with you was not answered in time."),
        "reminder": Wording("Reminder of your appointment", "This is a reminder of your appointment."),
        "digest": Wording("Your appointments tomorrow", "You have appointments tomorrow."),
        "invited": Wording("Your account", "An account was created for you. Choose a password:"),
        "reset": Wording("Choose a new password", "A new password was requested for your account. If you requested it, choose one here:"),
        "password_changed": Wording(
            "Your password was changed", "The password of your account was changed. If you did not do this, request a new one now."
        ),
        "account_locked": Wording(
            "Wrong passwords for your account",
            "A wrong password was entered for your account many times. To protect it, signing in is delayed by up to 15 minutes for now. "
            "If you have forgotten your password, request a new one: then you can sign in at once. "
            "If it was not you, somebody may be guessing your password. A long password that you use nowhere else is safe.",
        ),
    },
)
GERMAN = Translation(
    language="de",
    greeting="Guten Tag {name},",
    greeting_without_name="Guten Tag,",
    signature="Ihre {clinic}",
    when="Wann",
    previously="Bisher",
    doctor="Bei",
    patient="Patient/in",
    location="Wo",
    unknown_location="Bitte fragen Sie die Praxis",
    changed_label="{label} (neu)",
    mode="Art",
    modes={"in_person": "Vor Ort", "video": "Per Video", "phone": "Am Telefon"},
    time_zone_note="Alle Zeiten in {zone}.",
    calendar_note="Die angehängte Kalenderdatei hält Ihren Kalender aktuell.",
    code_note="Falls eine App nach einem Code fragt, lautet er:",
    link_validity="Der Link gilt einmal, bis {until} ({zone}).",
    ignore_note="Wenn Sie diese E-Mail nicht erwartet haben, brauchen Sie nichts zu tun.",
    appointment_modes={"in_person": "Termin", "video": "Videotermin", "phone": "Telefontermin"},
    appointment_with="{appointment} bei {name}",
    weekdays=("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    months=(
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ),
    date_and_time="{weekday}, {day}. {month} {year}, {time} Uhr",
    wordings={
        "requested": Wording("Termin angefragt", "Ihre Anfrage ist eingegangen. Die Zeit ist reserviert, bis die Praxis antwortet."),
        "requested_doctor": Wording(
            "Termin angefragt", "Ein Termin bei Ihnen wurde angefragt. Bitte bestätigen Sie ihn oder lehnen Sie ihn ab."
        ),
        "booked": Wording("Termin bestätigt", "Ihr Termin ist bestätigt."),
        "booked_doctor": Wording("Neuer Termin", "Ein Termin bei Ihnen wurde gebucht."),
        "rescheduled": Wording("Termin verschoben", "Ihr Termin wurde verschoben. Das sind die neuen Angaben:"),
        "rescheduled_doctor": Wording("Termin verschoben", "Ein Termin bei Ihnen wurde verschoben."),
        "rescheduled_requested": Wording(
            "Termin verschoben", "Ihr Termin wurde verschoben. Die neue Zeit ist für Sie reserviert, bis die Praxis sie bestätigt:"
        ),
        "rescheduled_requested_doctor": Wording(
            "Termin verschoben", "Ein Termin bei Ihnen wurde verschoben. Bitte bestätigen Sie die neue Zeit oder lehnen Sie sie ab."
        ),
        "amended_place": Wording("Termin geändert", "Der Ort Ihres Termins hat sich geändert. Datum und Uhrzeit bleiben gleich:"),
        "amended_doctor_name": Wording(
            "Termin geändert", "Der Name der Ärztin oder des Arztes Ihres Termins hat sich geändert. Datum und Uhrzeit bleiben gleich:"
        ),
        "amended_doctor_name_place": Wording(
            "Termin geändert",
            "Der Ort Ihres Termins und der Name der Ärztin oder des Arztes haben sich geändert. Datum und Uhrzeit bleiben gleich:",
        ),
        "given_away_doctor": Wording("Termin abgegeben", "Ein Termin wurde von Ihnen an jemand anderen abgegeben."),
        "cancelled": Wording("Termin abgesagt", "Ihr Termin wurde abgesagt."),
        "cancelled_doctor": Wording("Termin abgesagt", "Ein Termin bei Ihnen wurde abgesagt."),
        "declined": Wording(
            "Termin abgelehnt", "Leider konnte die Praxis Ihre Anfrage nicht bestätigen. Bitte wählen Sie eine andere Zeit."
        ),
        "declined_doctor": Wording("Termin abgelehnt", "Eine Terminanfrage bei Ihnen wurde abgelehnt."),
        "expired": Wording(
            "Terminanfrage verfallen", "Leider wurde Ihre Anfrage nicht rechtzeitig bestätigt. Bitte wählen Sie eine andere Zeit."
        ),
        "expired_doctor": Wording("Terminanfrage verfallen", "Eine Anfrage bei Ihnen wurde nicht rechtzeitig beantwortet."),
        "reminder": Wording("Erinnerung an Ihren Termin", "Wir erinnern Sie an Ihren Termin."),
        "digest": Wording("Ihre Termine morgen", "Sie haben morgen Termine."),
        "invited": Wording("Ihr Zugang", "Für Sie wurde ein Zugang angelegt. Wählen Sie ein Passwort, um sich anzumelden:"),
        "reset": Wording(
            "Neues Passwort wählen", "Für Ihren Zugang wurde ein neues Passwort angefordert. Waren Sie es, wählen Sie hier eines:"
        ),
        "password_changed": Wording(
            "Ihr Passwort wurde geändert", "Das Passwort Ihres Zugangs wurde geändert. Waren Sie es nicht, fordern Sie sofort ein neues an."
        ),
        "account_locked": Wording(
            "Falsche Passwörter für Ihren Zugang",
            "Für Ihren Zugang wurde oft ein falsches Passwort eingegeben. Zu seinem Schutz ist die Anmeldung vorerst um bis zu 15 Minuten "
            "verzögert. Haben Sie Ihr Passwort vergessen, fordern Sie ein neues an: Dann können Sie sich sofort anmelden. "
            "Waren Sie es nicht, versucht vielleicht jemand, Ihr Passwort zu erraten. Ein langes Passwort, das Sie sonst nirgends "
            "verwenden, ist sicher.",
        ),
    },
)
TRANSLATIONS = {translation.language: translation for translation in (ENGLISH, GERMAN)}


def translation_for(locale: str) -> Translation:
    """Return the translation into the language of a BCP 47 locale; English where there is none."""
    return TRANSLATIONS.get(locale.split("-")[0].lower(), ENGLISH)
