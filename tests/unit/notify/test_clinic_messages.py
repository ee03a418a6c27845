"""What staff write to patients: the text is sent as it is, and no other message replaces it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from notify_svc.domain.clinic_messages import ClinicMessageWritten
from notify_svc.domain.mail_content import MailContent
from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import KINDS_WITHOUT_APPOINTMENT, Audience, MessageKind
from shared.contracts.events import TOPICS
from tests.running import NOON
from tests.unit.notify.builders import PATIENT, a_message, a_recipient, message_for
from tests.unit.notify.test_email_renderer import RENDERER, parsed, text_of

TEXT = "The lift is <b>out of order</b>.\nIt costs {{ 7 * 7 }} {% raw %} EUR & more."


def a_clinic_message(number: int = 7, text: str = TEXT) -> Message:
    written = ClinicMessageWritten(id=UUID(int=number), occurred_at=NOON, message_id=UUID(int=number), patient_id=PATIENT, text=text)
    return message_for(written, MessageKind.CLINIC_MESSAGE, Audience.PATIENT)


@pytest.mark.parametrize(("locale", "subject"), [("en", "A message from your clinic"), ("de", "Eine Nachricht Ihrer Praxis")])
def test_the_text_is_sent_as_it_was_written(locale: str, subject: str) -> None:
    content = MailContent(a_clinic_message(), a_recipient(locale=locale), patient_name="Mina Park")
    mail = parsed(RENDERER.render(content, NOON))
    assert (mail["Subject"], TEXT in text_of(mail), "Mina Park" in text_of(mail)) == (f"{subject} - Careslot Clinic", True, True)
    html = mail.get_body(("html",)).get_content()
    assert "&lt;b&gt;out of order&lt;/b&gt;" in html
    assert "<b>out" not in html
    assert not list(mail.iter_attachments())


def test_messages_of_the_clinic_replace_each_other_as_little_as_messages_about_visits() -> None:
    first, second, booked = a_clinic_message(7), a_clinic_message(8), a_message()
    pairs = [(first, second), (second, first), (first, booked), (booked, first)]
    assert not any(newer.is_related_to(older) for newer, older in pairs)
    assert first.is_copied_to_guardians
    assert first.kind in KINDS_WITHOUT_APPOINTMENT


def test_a_message_without_its_text_is_recognised() -> None:
    message = a_clinic_message()
    assert not message.is_without_text
    assert replace(message, facts=message.facts | {"text": ""}).is_without_text
    assert not a_message().is_without_text


def test_what_staff_write_is_never_an_event_on_the_bus() -> None:
    assert ClinicMessageWritten not in TOPICS.values()
