"""What notification-service refuses to start with."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from notify_svc.settings import NotifySettings


def settings(**changes: Any) -> NotifySettings:
    return NotifySettings(**{"database_url": "sqlite+aiosqlite://", "mail_url": "file:mail", "client_secret": "x" * 40} | changes)


@pytest.mark.parametrize(
    "url", ["file:/data", "smtp://mailpit:1025", "smtps://a:b%3F@mail.example", "smtp://a:b@mail.example:587?tls=starttls"]
)
def test_mailboxes_are_chosen_by_url(url: str) -> None:
    assert settings(mail_url=url).mail_url == url


@pytest.mark.parametrize("url", ["", "mail.example", "http://a", "smtp://", "file:", "smtp://a?tls=yes", "smtp://a?tls=starttls&x=1"])
def test_a_mailbox_that_would_be_misread_stops_the_start(url: str) -> None:
    with pytest.raises(ValidationError):
        settings(mail_url=url)


@pytest.mark.parametrize("sender", ["", "Clinic <clinic@careslot.example>", "clinic", "a@b.example, c@d.example"])
def test_a_sender_that_no_mail_could_carry_stops_the_start(sender: str) -> None:
    with pytest.raises(ValidationError):
        settings(mail_from=sender)


@pytest.mark.parametrize(("own_name", "sender"), [("", "Lindenstrasse Clinic"), ("Front Desk", "Front Desk")])
def test_the_sender_has_the_name_of_the_clinic_unless_it_has_its_own(monkeypatch: pytest.MonkeyPatch, own_name: str, sender: str) -> None:
    monkeypatch.setenv("CARESLOT_CLINIC_NAME", "Lindenstrasse Clinic")
    monkeypatch.setenv("NOTIFY_CLINIC_NAME", own_name)
    read = settings()
    assert (read.sender_name or read.clinic_name) == sender


@pytest.mark.parametrize(("value", "offsets"), [("1440,60", (1440, 60)), (" 15 , 20160 ", (15, 20160)), ("", ())])
def test_offsets_of_reminders_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch, value: str, offsets: tuple[int, ...]) -> None:
    monkeypatch.setenv("NOTIFY_REMINDER_OFFSETS_MINUTES", value)
    assert settings().reminder_offsets_minutes == offsets


@pytest.mark.parametrize("value", ["14", "20161", "60,soon", "15,30,45,60,75,90"])
def test_an_offset_of_reminders_that_is_out_of_range_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("NOTIFY_REMINDER_OFFSETS_MINUTES", value)
    with pytest.raises(ValidationError):
        settings()


@pytest.mark.parametrize(("value", "address"), [("", None), ("Desk@Clinic.example", "desk@clinic.example")])
def test_replies_go_to_an_address_of_their_own_if_there_is_one(monkeypatch: pytest.MonkeyPatch, value: str, address: str | None) -> None:
    monkeypatch.setenv("NOTIFY_CLINIC_EMAIL", value)
    assert settings().clinic_email == address
