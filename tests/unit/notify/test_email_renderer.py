"""Mails: the right language, the right time zone, and nothing about health."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_string, policy
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from notify_svc.clients.email_renderer import JinjaEmailRenderer
from notify_svc.clients.languages import shipped_languages
from notify_svc.domain.mail_content import AppointmentDetails, Clinic, MailContent, PasswordLink, Recipient
from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import CANCELLING_KINDS, KINDS_WITHOUT_APPOINTMENT, KINDS_WITHOUT_CALENDAR, Audience, MessageKind
from notify_svc.ports import InvalidAddress, RenderedMail
from shared.contracts.events import AccountInvited
from shared.contracts.texts import one_line
from tests.running import NOON
from tests.unit.notify.builders import APPOINTMENT, CLINIC, DETAILS, EVENT, PATIENT, SERVICE, a_message, a_recipient, message_for

RENDERER = JinjaEmailRenderer(CLINIC)


def render(
    message: Message, recipient: Recipient, appointment: AppointmentDetails | None = DETAILS, link: PasswordLink | None = None
) -> Any:
    return parsed(RENDERER.render(MailContent(message, recipient, appointment, link), NOON))


def parsed(mail: RenderedMail) -> Any:
    return message_from_string(mail.content.decode(), policy=policy.default)


def text_of(mail: Any) -> str:
    return str(mail.get_body(("plain",)).get_content()).replace("\r\n", "\n")


def calendar_of(mail: Any) -> Any:
    part = next(part for part in mail.iter_attachments() if part.get_filename() == "appointment.ics")
    return Calendar.from_ical(part.get_content())


@pytest.mark.parametrize(
    ("zone", "starts_at", "local_time"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 8, tzinfo=UTC), "Saturday, 28 March 2026, 09:00"),
        ("Europe/Berlin", datetime(2026, 3, 29, 8, tzinfo=UTC), "Sunday, 29 March 2026, 10:00"),
        ("America/New_York", datetime(2026, 3, 9, 2, tzinfo=UTC), "Sunday, 8 March 2026, 22:00"),
        ("Asia/Kathmandu", datetime(2026, 3, 9, 13, tzinfo=UTC), "Monday, 9 March 2026, 18:45"),
    ],
)
def test_times_are_in_the_recipients_time_zone(zone: str, starts_at: datetime, local_time: str) -> None:
    text = text_of(render(a_message(starts_at=starts_at), a_recipient(time_zone=zone)))
    assert f"When: {local_time}" in text
    assert zone in text


def test_mails_are_in_the_recipients_language_or_else_in_english() -> None:
    german = render(a_message(), a_recipient(locale="de-AT"))
    assert german["Subject"] == "Termin bestätigt - Careslot Clinic"
    assert "Wann: Montag, 9. März 2026, 14:00 Uhr" in text_of(german)
    assert render(a_message(), a_recipient(locale="xx"))["Subject"] == "Appointment confirmed - Careslot Clinic"


@pytest.mark.parametrize(
    "kind",
    [kind for kind in MessageKind if kind not in KINDS_WITHOUT_APPOINTMENT | KINDS_WITHOUT_CALENDAR],
)
@pytest.mark.parametrize("audience", [Audience.PATIENT, Audience.DOCTOR])
@pytest.mark.parametrize("language", shipped_languages())
def test_every_kind_can_be_rendered_for_every_audience(kind: MessageKind, audience: Audience, language: str) -> None:
    if (kind, audience) in ((MessageKind.GIVEN_AWAY, Audience.PATIENT), (MessageKind.AMENDED, Audience.DOCTOR)):
        return
    status = "requested" if kind is MessageKind.REQUESTED else "booked"
    mail = render(a_message(kind, audience, status=status, changed=["place"]), a_recipient(locale=language))
    calendar = calendar_of(mail)
    event = calendar.walk("VEVENT")[0]
    assert calendar["METHOD"] == ("CANCEL" if kind in CANCELLING_KINDS else "REQUEST")
    assert event["STATUS"] == ("CANCELLED" if kind in CANCELLING_KINDS else "TENTATIVE" if kind is MessageKind.REQUESTED else "CONFIRMED")
    assert event["UID"] == f"{APPOINTMENT}@careslot"
    assert event["DTSTART"].to_ical() == b"20260309T130000Z"
    assert event["DTEND"].to_ical() == b"20260309T133000Z"


def test_the_uid_never_changes_and_the_sequence_is_the_events() -> None:
    events = [calendar_of(render(a_message(sequence=number), a_recipient())).walk("VEVENT")[0] for number in (0, 3)]
    assert events[0]["UID"] == events[1]["UID"]
    assert [int(event["SEQUENCE"]) for event in events] == [0, 3]


def test_the_same_message_has_the_same_id_and_another_recipient_another() -> None:
    first, again = (render(a_message(), a_recipient())["Message-ID"] for _ in range(2))
    other = render(a_message(audience=Audience.DOCTOR), a_recipient())["Message-ID"]
    assert first == again != other
    assert first.endswith("@careslot.example>")


def test_a_doctors_calendar_names_no_patient() -> None:
    mail = render(a_message(audience=Audience.DOCTOR), a_recipient(name="Ada Brandt"))
    assert "Mina" not in calendar_of(mail).to_ical().decode()
    assert "Patient: Mina Park" in text_of(mail)


def test_a_move_names_the_previous_time() -> None:
    moved = a_message(MessageKind.RESCHEDULED, previous_starts_at=datetime(2026, 3, 8, 13, tzinfo=UTC))
    assert "Before: Sunday, 8 March 2026, 14:00" in text_of(render(moved, a_recipient()))


@pytest.mark.parametrize(
    ("audience", "language", "words"),
    [
        (Audience.PATIENT, "en", "waits for the clinic's approval"),
        (Audience.PATIENT, "de", "bis die Praxis sie bestätigt"),
        (Audience.DOCTOR, "en", "Please approve or decline the new time"),
        (Audience.DOCTOR, "de", "bestätigen Sie die neue Zeit"),
    ],
)
def test_a_moved_request_waits_for_approval_and_is_tentative(audience: Audience, language: str, words: str) -> None:
    moved = render(a_message(MessageKind.RESCHEDULED, audience, status="requested"), a_recipient(locale=language))
    assert words in text_of(moved)
    assert calendar_of(moved).walk("VEVENT")[0]["STATUS"] == "TENTATIVE"
    booked = render(a_message(MessageKind.RESCHEDULED, audience), a_recipient(locale=language))
    assert words not in text_of(booked)
    assert calendar_of(booked).walk("VEVENT")[0]["STATUS"] == "CONFIRMED"


@pytest.mark.parametrize(
    ("changed", "language", "lines"),
    [
        (["place"], "en", ["The place of your appointment has changed.", "With: Dr. Ada Brandt", "Where (new): Room 3"]),
        (["doctor_name"], "en", ["The name of the doctor of", "With (new): Dr. Ada Brandt", "Where: Room 3"]),
        (
            ["place", "doctor_name"],
            "en",
            ["The place of your appointment and the name", "With (new): Dr. Ada Brandt", "Where (new): Room 3"],
        ),
        (["place"], "de", ["Der Ort Ihres Termins hat sich geändert.", "Bei: Dr. Ada Brandt", "Wo (neu): Room 3"]),
        (["place", "doctor_name"], "de", ["Der Ort Ihres Termins und der Name", "Bei (neu): Dr. Ada Brandt", "Wo (neu): Room 3"]),
    ],
)
def test_the_mail_about_an_amendment_says_what_changed(changed: list[str], language: str, lines: list[str]) -> None:
    mail = render(a_message(MessageKind.AMENDED, changed=changed, sequence=4), a_recipient(locale=language))
    html = mail.get_body(("html",)).get_content()
    for line in lines:
        assert line in text_of(mail)
        assert all(part in html for part in line.split(": "))
    event = calendar_of(mail).walk("VEVENT")[0]
    assert (calendar_of(mail)["METHOD"], event["SEQUENCE"], event["LOCATION"]) == ("REQUEST", 4, "Room 3")


def test_a_place_that_was_removed_is_asked_for_at_the_clinic() -> None:
    nowhere = AppointmentDetails("Dr. Ada Brandt", None, "Mina Park")
    assert "Where (new): Please ask the clinic" in text_of(
        render(a_message(MessageKind.AMENDED, changed=["place"]), a_recipient(), nowhere)
    )
    assert "Where" not in text_of(render(a_message(), a_recipient(), nowhere))


@pytest.mark.parametrize("audience", [Audience.PATIENT, Audience.DOCTOR])
@pytest.mark.parametrize(
    ("mode", "language", "row", "summary"),
    [
        ("video", "en", "How: By video", "Video appointment"),
        ("phone", "en", "How: By phone", "Phone appointment"),
        ("video", "de", "Art: Per Video", "Videotermin"),
        ("phone", "de", "Art: Am Telefon", "Telefontermin"),
    ],
)
def test_a_visit_by_video_or_phone_names_no_place_and_says_how_it_takes_place(
    audience: Audience, mode: str, language: str, row: str, summary: str
) -> None:
    mail = render(a_message(audience=audience, mode=mode), a_recipient(locale=language))
    event = calendar_of(mail).walk("VEVENT")[0]
    assert row in text_of(mail)
    assert str(event["SUMMARY"]).startswith(summary)
    assert "LOCATION" not in event
    assert "Room 3" not in mail.as_string() + text_of(mail) + mail.get_body(("html",)).get_content()


def test_a_visit_in_person_says_so_and_names_the_place() -> None:
    text = text_of(render(a_message(), a_recipient()))
    assert "How: In person" in text
    assert "Where: Room 3" in text


def test_the_calendar_is_attached_as_an_alternative_and_as_a_file() -> None:
    mail = render(a_message(MessageKind.CANCELLED), a_recipient())
    alternative = next(part for part in mail.walk() if part.get_content_type() == "multipart/alternative")
    assert [part.get_content_type() for part in alternative.iter_parts()] == ["text/plain", "text/html", "text/calendar"]
    calendar_part = list(alternative.iter_parts())[-1]
    assert calendar_part["Content-Type"].params["method"] == "CANCEL"
    assert Calendar.from_ical(calendar_part.get_content()) == calendar_of(mail)


def test_the_calendar_event_names_organizer_and_attendee_and_is_private() -> None:
    event = calendar_of(render(a_message(), a_recipient())).walk("VEVENT")[0]
    assert (event["ORGANIZER"], event["ATTENDEE"]) == ("mailto:clinic@careslot.example", "mailto:mina@example.com")
    assert (event["SUMMARY"], event["LOCATION"], event["CLASS"]) == ("Appointment with Dr. Ada Brandt", "Room 3", "PRIVATE")
    assert event["DTSTAMP"].dt == NOON


def test_the_declared_language_is_the_one_that_is_used() -> None:
    mail = render(a_message(), a_recipient(locale="fr-CA"))
    assert mail["Content-Language"] == "fr"
    assert '<html lang="fr">' in mail.get_body(("html",)).get_content()


NAME_PARTS = (
    "Mina", "Ünal", "山田", "हिंदी", "x@evil.com", "<x@evil.com>", '"', ",", ";", ":", "(c)", "=?utf-8?q?a?=", "\\", "🙂", " ", "Long" * 20,
)  # fmt: skip
NAMES = st.lists(st.sampled_from(NAME_PARTS), min_size=1, max_size=9).map(lambda parts: "".join(parts)[:200].strip() or "x")


@given(name=NAMES)
def test_no_name_adds_an_address_or_a_header(name: str) -> None:
    read = render(a_message(), a_recipient(name=name))
    assert [address.addr_spec for address in read["To"].addresses] == ["mina@example.com"]
    assert read.keys() == render(a_message(), a_recipient()).keys()
    assert calendar_of(read).walk("VEVENT")[0]["ATTENDEE"] == "mailto:mina@example.com"


@pytest.mark.parametrize(
    ("email", "address"),
    [("mina@müller.de", "mina@xn--mller-kva.de"), ("jürgen@müller.de", "jürgen@xn--mller-kva.de"), ("o'neil+x@a.org",) * 2],
)
def test_addresses_in_all_scripts_are_accepted(email: str, address: str) -> None:
    mail = render(a_message(), a_recipient(email=email))
    assert [parsed.addr_spec for parsed in mail["To"].addresses] == [address]
    attendee = calendar_of(mail).walk("VEVENT")[0]["ATTENDEE"]
    assert (attendee.isascii(), unquote(attendee)) == (True, f"mailto:{address}")


def test_the_address_of_a_clinic_may_be_in_any_script() -> None:
    renderer = JinjaEmailRenderer(Clinic("Praxis\nMüller", "empfang@müller.de", "https://clinic.example"))
    mail = parsed(renderer.render(MailContent(a_message(), a_recipient(), DETAILS), NOON))
    assert (str(mail["From"]), mail["Message-ID"].isascii()) == ("Praxis Müller <empfang@xn--mller-kva.de>", True)
    assert calendar_of(mail).walk("VEVENT")[0]["ORGANIZER"] == "mailto:empfang@xn--mller-kva.de"


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\r", "\t", "\x0b", "\x1c", "\x85", "\u2028", "\u2029", "\u202e", "\ud800"])
def test_a_name_from_old_data_with_a_control_character_gets_its_mail_and_adds_no_header(separator: str) -> None:
    read = render(a_message(), a_recipient(name=f"Mina{separator}Bcc: everyone@example.com"))
    assert str(read["To"]) == "Mina Bcc everyone example com <mina@example.com>"
    assert "Bcc" not in read
    assert text_of(read).splitlines()[0] == "Hello Mina Bcc: everyone@example.com,"


def test_names_and_places_from_old_data_add_no_line_to_the_text() -> None:
    details = AppointmentDetails("Dr.\nWhen: now", "Room 3\r\nBuilding B", "Mina\u2028Park")
    text = text_of(render(a_message(), a_recipient(), details))
    assert "With: Dr. When: now\n" in text
    assert "Where: Room 3 Building B\n" in text
    assert "Patient: Mina Park\n" in text_of(render(a_message(audience=Audience.DOCTOR), a_recipient(), details))


def test_a_name_that_shows_nothing_is_left_out() -> None:
    assert [one_line(name) for name in ("", " \n", "\u200b", "\u2066\u2069")] == [""] * 4
    assert one_line(" Mina \n\t Park\u200d ") == "Mina Park\u200d"
    for language, greeting in (("en", "Hello,"), ("de", "Guten Tag,")):
        mail = render(a_message(), a_recipient(name="", locale=language))
        assert (text_of(mail).splitlines()[0], str(mail["To"])) == (greeting, "mina@example.com")


@pytest.mark.parametrize("email", ["mina@example.com, everyone@example.com", "mina@example.com\nBcc: x@example.com", "<x>"])
def test_an_address_is_one_address(email: str) -> None:
    with pytest.raises(InvalidAddress):
        render(a_message(), a_recipient(email=email))


def test_names_are_escaped_in_html() -> None:
    html = render(a_message(), a_recipient(name="<b>Mina</b>")).get_body(("html",)).get_content()
    assert "&lt;b&gt;Mina" in html
    assert "<b>Mina" not in html


def test_an_invitation_has_the_link_and_the_code_on_a_line_of_its_own() -> None:
    event = AccountInvited(id=EVENT, occurred_at=NOON, account_id=PATIENT, reset_id=SERVICE, expires_at=NOON)
    message = message_for(event, MessageKind.INVITED, Audience.OWNER)
    mail = render(message, a_recipient(time_zone="UTC"), None, PasswordLink("t0ken", NOON))
    assert "https://clinic.example/reset?token=t0ken" in text_of(mail)
    assert "until Monday, 2 March 2026, 12:00 (UTC)" in text_of(mail)
    assert "t0ken" in [line.strip() for line in text_of(mail).splitlines()]
    assert [part.get_filename() for part in mail.iter_attachments()] == []


@pytest.mark.parametrize("kind", [MessageKind.BOOKED, MessageKind.RESCHEDULED])
def test_a_confirmation_marks_for_the_patient_what_the_doctor_has_changed_since(kind: MessageKind) -> None:
    patients, doctors = (
        text_of(render(a_message(kind, audience, changed=["place"]), a_recipient())) for audience in Audience if audience != "owner"
    )
    assert ("Where (new): Room 3" in patients, "With (new)" in patients) == (True, False)
    assert ("Where: Room 3" in doctors, "(new)" in doctors) == (True, False)
