"""Every mail parses back with all its parts, has the headers of good citizens, and says nothing about health."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_string, policy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from notify_svc.clients import mime
from notify_svc.clients.email_renderer import JinjaEmailRenderer
from notify_svc.clients.languages import shipped_languages
from notify_svc.clients.mail_variables import template_context
from notify_svc.clients.template_engine import render_template
from notify_svc.clients.template_examples import example_content
from notify_svc.domain.mail_content import MailContent, Recipient
from notify_svc.domain.notifications import CANCELLING_KINDS, KINDS_WITHOUT_CALENDAR
from notify_svc.domain.templates import TEMPLATES, MailText, template_name
from tests.running import NOON
from tests.unit.notify.builders import CLINIC, DETAILS, PATIENT, a_message, a_recipient

RENDERER = JinjaEmailRenderer(CLINIC)
TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=400)
LINES = st.lists(TEXTS | st.sampled_from([".", "..", "From x", "--=_", "=", "x" * 1200, "=?utf-8?q?a?=", ""]), max_size=8)
LANGUAGES = st.sampled_from(sorted(shipped_languages()))
CANARIES = ("Psoriasis", "colonoscopy-service", "diagnosis-7", "intake answer")


def parse(data: bytes) -> Any:
    return message_from_string(data.decode(), policy=policy.default)


def render(content: MailContent, **overrides: MailText) -> Any:
    language = content.recipient.locale or "en"
    mail = RENDERER.render(content, NOON, {(kind, language): text for kind, text in overrides.items()})
    return parse(mail.content)


def text_of(mail: Any) -> str:
    return str(mail.get_body(("plain",)).get_content()).replace("\r\n", "\n")


def html_of(mail: Any) -> str:
    return str(mail.get_body(("html",)).get_content()).replace("\r\n", "\n")


@pytest.mark.parametrize("language", shipped_languages())
@pytest.mark.parametrize("kind", TEMPLATES)
def test_every_mail_parses_back_with_all_its_parts(kind: str, language: str) -> None:
    content = example_content(TEMPLATES[kind], CLINIC, language)
    mail, words = render(content), template_context(content, CLINIC, shipped_languages()[language])
    expected = render_template(shipped_languages()[language].templates[kind].content, words.variables)
    assert (str(mail["Subject"]), text_of(mail)) == (expected.subject, expected.text)
    assert mail.defects == []
    assert [part.defects for part in mail.walk() if part.defects] == []
    assert all(row in html_of(mail) for label, value in words.rows for row in (f">{label}</th>", f"<td>{value}</td>"))
    assert [part.get_content_charset() for part in mail.walk() if not part.is_multipart()] == ["utf-8"] * (
        4 if content.appointment and content.message.kind not in KINDS_WITHOUT_CALENDAR else 2
    )
    assert mail["Content-Language"] == language
    assert "None" not in text_of(mail)


@given(lines=LINES)
def test_texts_of_every_kind_arrive_unchanged(lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    data = mime.text_part("plain", text)
    assert parse(data).get_content().replace("\r\n", "\n") == text
    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\r\n.\r\n" not in data or "\n.\n" in f"\n{text}"


@given(text=TEXTS | st.sampled_from(["=?utf-8?q?a?=", "x" * 1500, "ü" * 300, "a =?b?= c", "name " * 300, "x" * 80]))
def test_subjects_of_every_kind_arrive_unchanged(text: str) -> None:
    subject = " ".join(text.split())
    value = mime.header_text("Subject", subject)
    assert value.isascii()
    lines = f"Subject: {value}".split("\r\n")
    assert all(len(line) <= 998 for line in lines)
    assert all(len(line) <= 76 or " " not in line.removeprefix("Subject: ").strip(" ") for line in lines), "folded wherever it can be"
    assert str(parse(f"Subject: {value}\r\n\r\n".encode())["Subject"]) == subject


@pytest.mark.parametrize("language", shipped_languages())
@pytest.mark.parametrize("kind", TEMPLATES)
def test_no_mail_of_any_kind_says_anything_about_health(kind: str, language: str) -> None:
    content = example_content(TEMPLATES[kind], CLINIC, language)
    health = dict(zip(("reason", "service_id", "diagnosis", "intake"), CANARIES, strict=True)) | {"service": {"name": CANARIES[1]}}
    message = replace(content.message, facts=content.message.facts | health)
    mail = RENDERER.render(replace(content, message=message), NOON).content
    parts = [part.get_content() for part in parse(mail).walk() if not part.is_multipart()]
    assert [canary for canary in CANARIES for part in [mail.decode(), *map(str, parts)] if canary.lower() in part.lower()] == []
    forbidden = {"reason", "service", "diagnosis", "intake", "specialty"}
    assert TEMPLATES[kind].variables.isdisjoint(forbidden)


@pytest.mark.parametrize("kind", [kind for kind, rules in TEMPLATES.items() if "doctor_name" in rules.variables])
def test_all_mails_of_one_visit_to_one_recipient_are_one_conversation(kind: str) -> None:
    mail, booked = render(example_content(TEMPLATES[kind], CLINIC, "en")), render(example_content(TEMPLATES["booked"], CLINIC, "de"))
    assert mail["References"] == mail["In-Reply-To"] == booked["References"] != mail["Message-ID"]
    other_visit = example_content(TEMPLATES[kind], CLINIC, "en")
    facts = other_visit.message.facts | {"appointment_id": str(PATIENT)}
    assert render(replace(other_visit, message=replace(other_visit.message, facts=facts)))["References"] != mail["References"]
    other_reader = replace(other_visit.message, recipient_id=other_visit.message.id)
    assert render(replace(other_visit, message=replace(other_reader)))["References"] != mail["References"]


@pytest.mark.parametrize("kind", TEMPLATES)
def test_only_reminders_and_digests_can_be_unsubscribed_with_one_click(kind: str) -> None:
    mail = render(example_content(TEMPLATES[kind], CLINIC, "en"))
    assert mail["Auto-Submitted"] == "auto-generated"
    if kind in ("reminder", "digest"):
        link = f"https://clinic.example/unsubscribe/{'x' * 43}"
        assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (f"<{link}>", "List-Unsubscribe=One-Click")
        assert link in text_of(mail)
        assert f'<a href="{link}">' in html_of(mail)
    else:
        assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (None, None)


@pytest.mark.parametrize("kind", TEMPLATES)
def test_mails_that_can_have_a_link_to_the_visit_show_it_and_read_well_without(kind: str) -> None:
    content = example_content(TEMPLATES[kind], CLINIC, "en")
    link = f"https://clinic.example/visit/{'x' * 43}"
    with_link, without = render(content), render(replace(content, visit_link=None))
    can_have_link = kind in ("booked", "rescheduled", "amended", "reminder")
    assert (link in text_of(with_link), f'<a href="{link}">' in html_of(with_link)) == (can_have_link, can_have_link)
    assert "visit/" not in text_of(without)
    assert ":\n\nTimes" not in text_of(without)


def test_replies_go_to_the_clinics_address_if_it_has_one() -> None:
    content = MailContent(a_message(), a_recipient(), DETAILS)
    assert parse(RENDERER.render(content, NOON).content)["Reply-To"] is None
    assert reply_to("desk@clinic.example") == "Careslot Clinic <desk@clinic.example>"
    assert reply_to(CLINIC.email) is None


def reply_to(address: str) -> str | None:
    renderer = JinjaEmailRenderer(replace(CLINIC, reply_to=address))
    header = parse(renderer.render(MailContent(a_message(), a_recipient(), DETAILS), NOON).content)["Reply-To"]
    return str(header) if header is not None else None


def test_people_without_a_locale_read_the_clinics_language() -> None:
    renderer = JinjaEmailRenderer(replace(CLINIC, locale="fr"))
    mail = parse(renderer.render(MailContent(a_message(), a_recipient(locale=None), DETAILS), NOON).content)
    assert (mail["Content-Language"], "lundi 9 mars 2026 à 14:00" in text_of(mail)) == ("fr", True)


def test_a_guardian_reads_whose_visit_it_is_and_the_patient_does_not() -> None:
    own = MailContent(a_message(), a_recipient(), DETAILS)
    for_guardian = replace(own, message=replace(own.message, recipient_id=own.message.id), recipient=a_recipient(name="Jo Park"))
    assert ("Patient: Mina Park" in text_of(render(own)), "Patient: Mina Park" in text_of(render(for_guardian))) == (False, True)


def test_a_link_in_a_name_stays_text() -> None:
    html = html_of(render(MailContent(a_message(), a_recipient(name="https://evil.example/x"), DETAILS)))
    assert "https://evil.example/x" in html
    assert "<a " not in html


def test_an_override_is_used_and_its_text_is_escaped_in_html() -> None:
    content = MailContent(a_message(), a_recipient(), DETAILS)
    mail = render(content, booked=MailText("<Yes> {{ name }}", "1 < 2 & <b>\n{{ details }}\nBye"))
    assert str(mail["Subject"]) == "<Yes> Mina Park"
    assert text_of(mail).startswith("1 < 2 & <b>\nWhen: Monday")
    assert "<p>1 &lt; 2 &amp; &lt;b&gt;</p>\n<table" in html_of(mail)
    assert "</table>\n<p>Bye</p>" in html_of(mail)
    assert str(render(content, booked_doctor=MailText("No", "No"))["Subject"]) == "Appointment confirmed - Careslot Clinic"


@pytest.mark.parametrize("broken", [MailText("x", "{{ no_such_variable }}"), MailText("x", "{% if %}"), MailText("{{ 1 / 0 }}", "x")])
def test_an_override_that_fails_is_counted_and_the_shipped_text_is_sent(broken: MailText) -> None:
    failures = list[str]()
    renderer = JinjaEmailRenderer(CLINIC, failures.append)
    mail = parse(renderer.render(MailContent(a_message(), a_recipient(), DETAILS), NOON, {("booked", "en"): broken}).content)
    assert (str(mail["Subject"]), failures) == ("Appointment confirmed - Careslot Clinic", ["booked"])


@settings(max_examples=50)
@given(
    name=TEXTS, place=TEXTS, doctor=TEXTS, kind=st.sampled_from(sorted(TEMPLATES)), language=st.sampled_from(sorted(shipped_languages()))
)
def test_any_names_and_places_arrive_in_text_and_html(name: str, place: str, doctor: str, kind: str, language: str) -> None:
    example = example_content(TEMPLATES[kind], CLINIC, language)
    appointment = replace(example.appointment, doctor_name=doctor, location=place) if example.appointment else None
    content = replace(example, appointment=appointment, recipient=Recipient(name, "mina@example.com", language, "Asia/Tokyo"))
    mail, words = render(content), template_context(content, CLINIC, shipped_languages()[language])
    assert mail.defects == []
    assert template_name(content.message) == kind
    assert content.recipient.name in text_of(mail)
    assert all(f"{value}" in text_of(mail) for _, value in words.rows)
    assert [address.addr_spec for address in mail["To"].addresses] == ["mina@example.com"]


REQUIRED = {
    "REQUEST": {"ATTENDEE", "DTSTAMP", "DTSTART", "ORGANIZER", "SEQUENCE", "SUMMARY", "UID"},
    "CANCEL": {"ATTENDEE", "DTSTAMP", "ORGANIZER", "SEQUENCE", "UID"},
}
"""The properties that RFC 5546 requires: section 3.2.2 for REQUEST (SEQUENCE when it is above zero), 3.2.5 for CANCEL."""
FORBIDDEN = {"REQUEST-STATUS", "EXRULE", "DURATION", "RECURRENCE-ID", "RRULE", "RDATE", "EXDATE"}
STATUSES = {"REQUEST": {"TENTATIVE", "CONFIRMED"}, "CANCEL": {"CANCELLED"}}


@pytest.mark.parametrize("mode", ["in_person", "video", "phone"])
@pytest.mark.parametrize("language", shipped_languages())
@pytest.mark.parametrize("kind", TEMPLATES)
def test_calendar_files_have_the_properties_of_rfc_5546_and_none_that_it_forbids(kind: str, language: str, mode: str) -> None:
    content = example_content(TEMPLATES[kind], CLINIC, language)
    content = replace(content, message=replace(content.message, facts=content.message.facts | {"mode": mode}))
    files = [part for part in render(content).walk() if part.get_content_type() == "text/calendar"]
    if content.appointment is None or content.message.kind in KINDS_WITHOUT_CALENDAR:
        assert files == []
        return
    assert len(files) == 2
    method = "CANCEL" if content.message.kind in CANCELLING_KINDS else "REQUEST"
    for file in files:
        calendar = Calendar.from_ical(file.get_content())
        (event,) = calendar.subcomponents
        assert (event.name, calendar["METHOD"], file["Content-Type"].params["method"]) == ("VEVENT", method, method)
        assert event.keys() >= REQUIRED[method]
        assert FORBIDDEN.isdisjoint(event.keys())
        assert event["STATUS"] in STATUSES[method]
        assert event.subcomponents == []
        assert event["SEQUENCE"] == 1
        assert len(event.keys()) == len(set(event.keys()))
