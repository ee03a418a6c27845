"""What people read: the right words, the right clock, and nothing about health."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.errors import MessageError
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from notify_svc.domain.letters import Clinic, Letter, Link, Person, Visit
from notify_svc.domain.messages import CALLED_OFF, Kind, Message, Reader
from notify_svc.domain.phrases import LANGUAGES
from shared.contracts.events import TOPICS, AccountInvited, AppointmentEvent
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from tests.running import NOON

IDS = [UUID(int=number) for number in range(1, 7)]
CLINIC = Clinic("Careslot Clinic", "clinic@careslot.example", "https://clinic.example")
VISIT = Visit("Dr. Ada Brandt", "Room 3", "Mina Park")


def an_event(topic: str = "appointment.booked.v1", **changes: Any) -> AppointmentEvent:
    facts: dict[str, Any] = {
        "starts_at": datetime(2026, 3, 9, 13, tzinfo=UTC),
        "version": 2,
        "sequence": 0,
        "status": "booked",
        "time_zone": "Europe/Berlin",
    } | changes
    facts.setdefault("ends_at", facts["starts_at"] + timedelta(minutes=30))
    people = dict(zip(("id", "appointment_id", "service_id", "doctor_id", "patient_id"), IDS, strict=False))
    return AppointmentEvent.for_topic(topic, occurred_at=NOON, actor=Actor(id=IDS[5], role=Role.ADMIN), **people | facts)


def a_message(kind: Kind = Kind.BOOKED, reader: Reader = Reader.PATIENT, **changes: Any) -> Message:
    return Message.of(an_event(**changes), kind, reader, IDS[4], NOON)


def a_person(**changes: Any) -> Person:
    return Person(**{"name": "Mina Park", "email": "mina@example.com", "locale": "en", "time_zone": "Europe/Berlin"} | changes)


def mail_of(letter: Letter) -> Any:
    return letter.mail(NOON)


def text_of(mail: Any) -> str:
    return str(mail.get_body(("plain",)).get_content())


def calendar_of(mail: Any) -> Any:
    part = next(each for each in mail.iter_attachments() if each.get_filename() == "appointment.ics")
    return Calendar.from_ical(part.get_content())


@pytest.mark.parametrize(
    ("zone", "starts_at", "said"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 8, tzinfo=UTC), "Saturday, 28 March 2026, 09:00"),
        ("Europe/Berlin", datetime(2026, 3, 29, 8, tzinfo=UTC), "Sunday, 29 March 2026, 10:00"),
        ("America/New_York", datetime(2026, 3, 9, 2, tzinfo=UTC), "Sunday, 8 March 2026, 22:00"),
        ("Asia/Kathmandu", datetime(2026, 3, 9, 13, tzinfo=UTC), "Monday, 9 March 2026, 18:45"),
    ],
)
def test_times_are_the_recipients_own(zone: str, starts_at: datetime, said: str) -> None:
    text = text_of(mail_of(Letter(a_message(starts_at=starts_at), a_person(time_zone=zone), CLINIC, VISIT)))
    assert f"When: {said}" in text
    assert zone in text


def test_the_recipients_language_is_spoken_and_english_where_there_is_none() -> None:
    german = mail_of(Letter(a_message(), a_person(locale="de-AT"), CLINIC, VISIT))
    assert german["Subject"] == "Termin bestätigt - Careslot Clinic"
    assert "Wann: Montag, 9. März 2026, 14:00 Uhr" in text_of(german)
    assert mail_of(Letter(a_message(), a_person(locale="xx"), CLINIC, VISIT))["Subject"] == "Appointment confirmed - Careslot Clinic"


def test_every_language_has_the_same_words() -> None:
    first, *others = LANGUAGES.values()
    assert all(other.keys() == first.keys() for other in others)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.INVITED, Kind.RESET, Kind.PASSWORD_CHANGED)])
@pytest.mark.parametrize("reader", [Reader.PATIENT, Reader.DOCTOR])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_can_be_written_to_everyone(kind: Kind, reader: Reader, language: str) -> None:
    if (kind, reader) == (Kind.GIVEN_AWAY, Reader.PATIENT):
        return
    status = "requested" if kind is Kind.REQUESTED else "booked"
    mail = mail_of(Letter(a_message(kind, reader, status=status), a_person(locale=language), CLINIC, VISIT))
    calendar = calendar_of(mail)
    event = calendar.walk("VEVENT")[0]
    assert calendar["METHOD"] == ("CANCEL" if kind in CALLED_OFF else "REQUEST")
    assert event["STATUS"] == ("CANCELLED" if kind in CALLED_OFF else "TENTATIVE" if kind is Kind.REQUESTED else "CONFIRMED")
    assert event["UID"] == f"{IDS[1]}@careslot"
    assert event["DTSTART"].to_ical() == b"20260309T130000Z"
    assert event["DTEND"].to_ical() == b"20260309T133000Z"


def test_the_uid_stays_and_the_sequence_is_the_events() -> None:
    events = [calendar_of(mail_of(Letter(a_message(sequence=number), a_person(), CLINIC, VISIT))).walk("VEVENT")[0] for number in (0, 3)]
    assert events[0]["UID"] == events[1]["UID"]
    assert [int(event["SEQUENCE"]) for event in events] == [0, 3]


def test_the_same_message_has_the_same_id_and_another_recipient_another() -> None:
    first, again = (mail_of(Letter(a_message(), a_person(), CLINIC, VISIT))["Message-ID"] for _ in range(2))
    other = mail_of(Letter(a_message(reader=Reader.DOCTOR), a_person(), CLINIC, VISIT))["Message-ID"]
    assert first == again != other
    assert first.endswith("@careslot.example>")


def test_a_doctors_calendar_names_no_patient() -> None:
    mail = mail_of(Letter(a_message(reader=Reader.DOCTOR), a_person(name="Ada Brandt"), CLINIC, VISIT))
    assert "Mina" not in calendar_of(mail).to_ical().decode()
    assert "Patient: Mina Park" in text_of(mail)


def test_a_move_tells_the_time_before() -> None:
    moved = a_message(Kind.RESCHEDULED, previous_starts_at=datetime(2026, 3, 8, 13, tzinfo=UTC))
    assert "Before: Sunday, 8 March 2026, 14:00" in text_of(mail_of(Letter(moved, a_person(), CLINIC, VISIT)))


def test_a_moved_request_is_still_one() -> None:
    moved = a_message(Kind.RESCHEDULED, status="requested")
    assert calendar_of(mail_of(Letter(moved, a_person(), CLINIC, VISIT))).walk("VEVENT")[0]["STATUS"] == "TENTATIVE"


def test_the_calendar_is_offered_as_an_alternative_and_as_a_file() -> None:
    mail = mail_of(Letter(a_message(Kind.CANCELLED), a_person(), CLINIC, VISIT))
    alternative = next(part for part in mail.walk() if part.get_content_type() == "multipart/alternative")
    assert [part.get_content_type() for part in alternative.iter_parts()] == ["text/plain", "text/html", "text/calendar"]
    offered = list(alternative.iter_parts())[-1]
    assert offered["Content-Type"].params["method"] == "CANCEL"
    assert Calendar.from_ical(offered.get_content()) == calendar_of(mail)


def test_a_calendar_says_whom_it_is_from_and_for_and_hides_itself_from_others() -> None:
    event = calendar_of(mail_of(Letter(a_message(), a_person(), CLINIC, VISIT))).walk("VEVENT")[0]
    assert (event["ORGANIZER"], event["ATTENDEE"]) == ("mailto:clinic@careslot.example", "mailto:mina@example.com")
    assert (event["SUMMARY"], event["LOCATION"], event["CLASS"]) == ("Appointment with Dr. Ada Brandt", "Room 3", "PRIVATE")
    assert event["DTSTAMP"].dt == NOON


def test_a_language_that_is_not_spoken_is_not_pretended() -> None:
    mail = mail_of(Letter(a_message(), a_person(locale="fr"), CLINIC, VISIT))
    assert mail["Content-Language"] == "en"
    assert '<html lang="en">' in mail.get_body(("html",)).get_content()


CRUMBS = (
    "Mina", "Ünal", "山田", "हिंदी", "x@evil.com", "<x@evil.com>", '"', ",", ";", ":", "(c)", "=?utf-8?q?a?=", "\\", "🙂", " ", "Long" * 20,
)  # fmt: skip
NAMES = st.lists(st.sampled_from(CRUMBS), min_size=1, max_size=9).map(lambda parts: "".join(parts)[:200].strip() or "x")


@given(name=NAMES)
def test_no_name_adds_an_address_or_a_header(name: str) -> None:
    mail = mail_of(Letter(a_message(), a_person(name=name), CLINIC, VISIT))
    for written in (policy.SMTP, policy.SMTP.clone(cte_type="7bit"), policy.SMTPUTF8):
        read: Any = message_from_bytes(mail.as_bytes(policy=written), policy=policy.default)
        assert [each.addr_spec for each in read["To"].addresses] == ["mina@example.com"]
        assert read.keys() == mail.keys()
        assert calendar_of(read).walk("VEVENT")[0]["ATTENDEE"] == "mailto:mina@example.com"


@pytest.mark.parametrize(
    ("email", "written"),
    [("mina@müller.de", "mina@xn--mller-kva.de"), ("jürgen@müller.de", "jürgen@xn--mller-kva.de"), ("o'neil+x@a.org",) * 2],
)
def test_addresses_of_all_scripts_can_be_written_to(email: str, written: str) -> None:
    to = mail_of(Letter(a_message(), a_person(email=email), CLINIC, VISIT))["To"]
    assert [each.addr_spec for each in to.addresses] == [written]


@pytest.mark.parametrize("name", ["A\r\nBcc: everyone@example.com", "A\nB"])
def test_a_name_cannot_write_headers(name: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        mail_of(Letter(a_message(), a_person(name=name), CLINIC, VISIT))


@pytest.mark.parametrize("email", ["mina@example.com, everyone@example.com", "mina@example.com\nBcc: x@example.com", "<x>"])
def test_an_address_is_one_address(email: str) -> None:
    with pytest.raises((ValueError, MessageError), match=r".+"):
        mail_of(Letter(a_message(), a_person(email=email), CLINIC, VISIT))


def test_names_are_escaped_in_html() -> None:
    html = mail_of(Letter(a_message(), a_person(name="<b>Mina</b>"), CLINIC, VISIT)).get_body(("html",)).get_content()
    assert "&lt;b&gt;Mina" in html
    assert "<b>Mina" not in html


def test_an_invitation_carries_the_link_and_the_code_on_a_line_of_its_own() -> None:
    event = AccountInvited(id=IDS[0], occurred_at=NOON, account_id=IDS[4], reset_id=IDS[2], expires_at=NOON)
    message = Message.of(event, Kind.INVITED, Reader.OWNER, IDS[4], NOON)
    mail = mail_of(Letter(message, a_person(time_zone="UTC"), CLINIC, link=Link("t0ken", NOON)))
    assert "https://clinic.example/reset?token=t0ken" in text_of(mail)
    assert "until Monday, 2 March 2026, 12:00 (UTC)" in text_of(mail)
    assert "t0ken" in [line.strip() for line in text_of(mail).splitlines()]
    assert [part.get_filename() for part in mail.iter_attachments()] == []


def test_topics_without_a_mail_are_those_without_news_for_the_calendar() -> None:
    from notify_svc.domain.messages import about

    told = {topic for topic, kind in TOPICS.items() if issubclass(kind, AppointmentEvent) and list(about(an_event(topic), NOON))}
    silent = {topic for topic, kind in TOPICS.items() if issubclass(kind, AppointmentEvent)} - told
    assert silent == {f"appointment.{what}.v1" for what in ("checked_in", "started", "completed", "missed", "amended")}
