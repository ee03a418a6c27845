"""Mailboxes: what every one promises, and what a mail server may do to one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from notify_svc.clients.files import FileMailbox
from notify_svc.clients.smtp import SmtpMailbox
from notify_svc.ports import Ambiguous, Deferred, Mailbox, Refused
from tests.contract.mailservers import a_server_that, stubborn
from tests.platform.houses import SmtpServer, free_port


def a_mail(number: int = 1) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "clinic@careslot.example", "Mina Park <mina@example.com>", "Appointment confirmed"
    mail["Message-ID"] = f"<{number}@careslot.example>"
    mail.set_content("Grüße\n")
    mail.add_attachment(b"BEGIN:VCALENDAR", maintype="text", subtype="calendar", filename="appointment.ics")
    return mail


@pytest.fixture
def inbox() -> Iterator[SmtpServer]:
    server = SmtpServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["file", "smtp"])
def mailbox(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Mailbox, Any]:
    if request.param == "file":
        files = FileMailbox(tmp_path / "mail")
        return files, lambda: [message["message_id"] for message in files.messages()]
    server = request.getfixturevalue("inbox")
    return SmtpMailbox(f"smtp://127.0.0.1:{server.port}"), lambda: [str(message["message-id"]) for message in server.messages]


async def test_a_delivered_mail_is_there_whole(mailbox: tuple[Mailbox, Any]) -> None:
    box, arrived = mailbox
    await box.deliver(a_mail(1))
    await box.deliver(a_mail(2))
    assert arrived() == ["<1@careslot.example>", "<2@careslot.example>"]


async def test_the_same_mail_twice_is_one_where_the_mailbox_says_so(mailbox: tuple[Mailbox, Any]) -> None:
    box, arrived = mailbox
    await box.deliver(a_mail())
    await box.deliver(a_mail())
    assert len(arrived()) == (1 if box.repeatable else 2)


def test_a_folder_shows_what_was_sent_and_can_be_emptied(tmp_path: Path) -> None:
    box = FileMailbox(tmp_path / "mail")
    asyncio.run(box.deliver(a_mail()))
    shown = box.messages()[0]
    assert (shown["to"], shown["subject"], shown["text"]) == ("Mina Park <mina@example.com>", "Appointment confirmed", "Grüße\n")
    assert shown["attachments"] == [{"filename": "appointment.ics", "content_type": "text/calendar", "content": "BEGIN:VCALENDAR"}]
    box.clear()
    assert box.messages() == []


def test_a_message_id_cannot_leave_the_folder(tmp_path: Path) -> None:
    box, mail = FileMailbox(tmp_path / "mail"), a_mail()
    mail.replace_header("Message-ID", "<../../evil@x>")
    asyncio.run(box.deliver(mail))
    assert len(list((tmp_path / "mail").glob("*.eml"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mail"]


@pytest.mark.parametrize(
    ("answers", "meaning"),
    [
        ({"mail": "550 not from you"}, Deferred),
        ({"rcpt": "550 5.1.1 no such person as mina@example.com"}, Refused),
        ({"rcpt": "450 greylisted"}, Deferred),
        ({"data": "554 not like this"}, Refused),
        ({"data": "451 later"}, Deferred),
    ],
)
async def test_a_servers_clear_word_counts_and_is_kept_without_names(answers: dict[str, str], meaning: type[Exception]) -> None:
    with stubborn(**answers) as port, pytest.raises(meaning) as why:
        await SmtpMailbox(f"smtp://127.0.0.1:{port}").deliver(a_mail())
    assert "mina" not in str(why.value)
    assert next(iter(answers.values())).startswith(str(why.value))


async def test_a_wrong_password_is_our_fault_and_not_the_recipients() -> None:
    with stubborn() as port, pytest.raises(Deferred, match=r"^535"):
        await SmtpMailbox(f"smtp://careslot:wrong@127.0.0.1:{port}").deliver(a_mail())


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:{}?tls=starttls", "smtps://127.0.0.1:{}"])
async def test_where_encryption_was_asked_for_nothing_goes_without(inbox: SmtpServer, url: str) -> None:
    with pytest.raises(Deferred):
        await SmtpMailbox(url.format(inbox.port), timeout_seconds=2).deliver(a_mail())
    assert inbox.messages == []


async def test_a_server_that_is_not_there_is_tried_later() -> None:
    with pytest.raises(Deferred):
        await SmtpMailbox(f"smtp://127.0.0.1:{free_port()}").deliver(a_mail())


@pytest.mark.parametrize(("goes", "meaning"), [("mute at once", Deferred), ("away after data", Ambiguous), ("mute after data", Ambiguous)])
async def test_silence_is_a_later_try_before_the_content_and_unknown_after_it(goes: str, meaning: type[Exception]) -> None:
    async with a_server_that(goes) as server:
        with pytest.raises(meaning):
            await SmtpMailbox(f"smtp://127.0.0.1:{server.port}", timeout_seconds=0.5).deliver(a_mail())


async def test_a_server_that_took_it_and_left_without_goodbye_took_it() -> None:
    async with a_server_that("away before the goodbye") as server:
        await SmtpMailbox(f"smtp://127.0.0.1:{server.port}", timeout_seconds=2).deliver(a_mail())


async def test_a_folder_that_cannot_be_written_is_tried_later(tmp_path: Path) -> None:
    box = FileMailbox(tmp_path / "mail")
    (tmp_path / "mail").rmdir()
    with pytest.raises(Deferred):
        await box.deliver(a_mail())


async def test_half_a_mail_is_none(tmp_path: Path) -> None:
    box = FileMailbox(tmp_path / "mail")
    (tmp_path / "mail" / "1@careslot.example.draft").write_bytes(b"From: clin")
    assert box.messages() == []
    await box.deliver(a_mail(1))
    assert [message["message_id"] for message in box.messages()] == ["<1@careslot.example>"]
