"""The words of the mails, by language. Another language is another entry here."""

from __future__ import annotations

from datetime import datetime

ENGLISH = {
    "language": "en",
    "hello": "Hello {name},",
    "clinic": "Your {clinic}",
    "when": "When",
    "where": "Where",
    "with": "With",
    "patient": "Patient",
    "before": "Before",
    "zone": "Times are in {zone}.",
    "file": "The attached calendar file keeps your calendar up to date.",
    "days": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "months": "January February March April May June July August September October November December",
    "date": "{weekday}, {day} {month} {year}, {time}",
    "requested": "Appointment requested|We have your request. The time is kept for you until the clinic has answered.",
    "requested_doctor": "Appointment requested|A patient asks for an appointment. Please approve or decline it.",
    "booked": "Appointment confirmed|Your appointment is confirmed.",
    "booked_doctor": "New appointment|An appointment was booked with you.",
    "rescheduled": "Appointment moved|Your appointment was moved. This is how it stands now:",
    "rescheduled_doctor": "Appointment moved|An appointment with you has a new time.",
    "given_away_doctor": "Appointment handed over|An appointment is no longer with you.",
    "cancelled": "Appointment cancelled|Your appointment was cancelled.",
    "cancelled_doctor": "Appointment cancelled|An appointment with you was cancelled.",
    "declined": "Appointment declined|We are sorry: the clinic could not confirm your request. Please choose another time.",
    "declined_doctor": "Appointment declined|A request for an appointment with you was declined.",
    "expired": "Appointment request expired|We are sorry: your request was not confirmed in time. Please choose another time.",
    "expired_doctor": "Appointment request expired|A request for an appointment with you was not answered in time.",
    "invited_owner": "Your account|An account was made for you. Choose a password:",
    "reset_owner": "Choose a new password|Someone asked for a new password for your account. If it was you, choose one here:",
    "password_changed_owner": "Your password was changed|Your password is a new one. If it was not you, ask for another at once.",
    "code": "If an app asks for a code, it is:",
    "until": "It works once, until {until} ({zone}).",
    "ignore": "If you did not expect this, you can leave it unanswered.",
    "appointment_with": "Appointment with {name}",
    "appointment": "Appointment",
}
GERMAN = {
    "language": "de",
    "hello": "Guten Tag {name},",
    "clinic": "Ihre {clinic}",
    "when": "Wann",
    "where": "Wo",
    "with": "Bei",
    "patient": "Patient/in",
    "before": "Bisher",
    "zone": "Alle Zeiten in {zone}.",
    "file": "Die angehängte Kalenderdatei hält Ihren Kalender aktuell.",
    "days": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "months": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "date": "{weekday}, {day}. {month} {year}, {time} Uhr",
    "requested": "Termin angefragt|Ihre Terminanfrage ist da. Die Zeit ist für Sie reserviert, bis die Praxis geantwortet hat.",
    "requested_doctor": "Termin angefragt|Ein Termin bei Ihnen wurde angefragt. Bitte bestätigen Sie ihn oder lehnen Sie ihn ab.",
    "booked": "Termin bestätigt|Ihr Termin ist bestätigt.",
    "booked_doctor": "Neuer Termin|Ein Termin bei Ihnen wurde gebucht.",
    "rescheduled": "Termin verschoben|Ihr Termin wurde verschoben. So steht er jetzt:",
    "rescheduled_doctor": "Termin verschoben|Ein Termin bei Ihnen hat eine neue Zeit.",
    "given_away_doctor": "Termin abgegeben|Ein Termin ist nicht mehr bei Ihnen.",
    "cancelled": "Termin abgesagt|Ihr Termin wurde abgesagt.",
    "cancelled_doctor": "Termin abgesagt|Ein Termin bei Ihnen wurde abgesagt.",
    "declined": "Termin abgelehnt|Leider konnte die Praxis Ihre Anfrage nicht bestätigen. Bitte wählen Sie eine andere Zeit.",
    "declined_doctor": "Termin abgelehnt|Eine Terminanfrage bei Ihnen wurde abgelehnt.",
    "expired": "Terminanfrage verfallen|Leider wurde Ihre Anfrage nicht rechtzeitig bestätigt. Bitte wählen Sie eine andere Zeit.",
    "expired_doctor": "Terminanfrage verfallen|Eine Anfrage bei Ihnen wurde nicht rechtzeitig beantwortet.",
    "invited_owner": "Ihr Zugang|Für Sie wurde ein Zugang angelegt. Wählen Sie ein Passwort, um sich anzumelden:",
    "reset_owner": "Neues Passwort wählen|Jemand hat für Ihren Zugang ein neues Passwort angefordert. Waren Sie es, wählen Sie hier eines:",
    "password_changed_owner": "Ihr Passwort wurde geändert|Ihr Passwort ist neu. Waren Sie es nicht, fordern Sie sofort ein anderes an.",
    "code": "Falls eine App nach einem Code fragt, lautet er:",
    "until": "Er gilt einmal, bis {until} ({zone}).",
    "ignore": "Wenn Sie das nicht erwartet haben, brauchen Sie nichts zu tun.",
    "appointment_with": "Termin bei {name}",
    "appointment": "Termin",
}
LANGUAGES = {"en": ENGLISH, "de": GERMAN}


def phrases_of(locale: str) -> dict[str, str]:
    """The words of a BCP 47 locale's language; English where there are none."""
    return LANGUAGES.get(locale.split("-")[0].lower(), ENGLISH)


def spoken(at: datetime, words: dict[str, str]) -> str:
    """A local time as one would say it."""
    weekday, month = words["days"].split()[at.weekday()], words["months"].split()[at.month - 1]
    return words["date"].format(weekday=weekday, day=at.day, month=month, year=at.year, time=f"{at:%H:%M}")
