"""Mails: the right language, the right time zone, and nothing about health."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from notify_svc.clients.email_renderer import JinjaEmailRenderer
from notify_svc.clients.translations import TRANSLATIONS
from notify_svc.domain.mail_content import AppointmentDetails, MailContent, PasswordLink, Recipient
from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import CANCELLING_KINDS, KINDS_WITHOUT_LINK, Audience, MessageKind
from notify_svc.ports import InvalidAddress
from shared.contracts.events import AccountInvited
from tests.running import NOON
from tests.unit.notify.builders import APPOINTMENT, CLINIC, DETAILS, EVENT, PATIENT, SERVICE, a_message, a_recipient, message_for

RENDERER = JinjaEmailRenderer(CLINIC)


def render(
    message: Message, recipient: Recipient, appointment: AppointmentDetails | None = DETAILS, link: PasswordLink | None = None
) -> Any:
    return RENDERER.render(MailContent(message, recipient, appointment, link), NOON)


def text_of(mail: Any) -> str:
    return str(mail.get_body(("plain",)).get_content())


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


def test_every_language_has_all_wordings() -> None:
    first, *others = TRANSLATIONS.values()
    assert all(other.wordings.keys() == first.wordings.keys() for other in others)


@pytest.mark.parametrize(
    "kind", [kind for kind in MessageKind if kind not in KINDS_WITHOUT_LINK | {MessageKind.INVITED, MessageKind.RESET}]
)
@pytest.mark.parametrize("audience", [Audience.PATIENT, Audience.DOCTOR])
@pytest.mark.parametrize("language", TRANSLATIONS)
def test_every_kind_can_be_rendered_for_every_audience(kind: MessageKind, audience: Audience, language: str) -> None:
    if (kind, audience) == (MessageKind.GIVEN_AWAY, Audience.PATIENT):
        return
    status = "requested" if kind is MessageKind.REQUESTED else "booked"
    mail = render(a_message(kind, audience, status=status), a_recipient(locale=language))
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


def test_a_moved_request_is_still_tentative() -> None:
    moved = a_message(MessageKind.RESCHEDULED, status="requested")
    assert calendar_of(render(moved, a_recipient())).walk("VEVENT")[0]["STATUS"] == "TENTATIVE"


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
    mail = render(a_message(), a_recipient(locale="fr"))
    assert mail["Content-Language"] == "en"
    assert '<html lang="en">' in mail.get_body(("html",)).get_content()


NAME_PARTS = (
    "Mina", "Ünal", "山田", "हिंदी", "x@evil.com", "<x@evil.com>", '"', ",", ";", ":", "(c)", "=?utf-8?q?a?=", "\\", "🙂", " ", "Long" * 20,
)  # fmt: skip
NAMES = st.lists(st.sampled_from(NAME_PARTS), min_size=1, max_size=9).map(lambda parts: "".join(parts)[:200].strip() or "x")


@given(name=NAMES)
def test_no_name_adds_an_address_or_a_header(name: str) -> None:
    mail = render(a_message(), a_recipient(name=name))
    for mail_policy in (policy.SMTP, policy.SMTP.clone(cte_type="7bit"), policy.SMTPUTF8):
        read: Any = message_from_bytes(mail.as_bytes(policy=mail_policy), policy=policy.default)
        assert [address.addr_spec for address in read["To"].addresses] == ["mina@example.com"]
        assert read.keys() == mail.keys()
        assert calendar_of(read).walk("VEVENT")[0]["ATTENDEE"] == "mailto:mina@example.com"


@pytest.mark.parametrize(
    ("email", "address"),
    [("mina@müller.de", "mina@xn--mller-kva.de"), ("jürgen@müller.de", "jürgen@xn--mller-kva.de"), ("o'neil+x@a.org",) * 2],
)
def test_addresses_in_all_scripts_are_accepted(email: str, address: str) -> None:
    to = render(a_message(), a_recipient(email=email))["To"]
    assert [parsed.addr_spec for parsed in to.addresses] == [address]


@pytest.mark.parametrize("name", ["A\r\nBcc: everyone@example.com", "A\nB"])
def test_a_name_cannot_add_headers(name: str) -> None:
    with pytest.raises(InvalidAddress):
        render(a_message(), a_recipient(name=name))


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
