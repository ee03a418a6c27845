"""Mailboxes: what all of them promise, and what the replies of a mail server mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from notify_svc.clients.files import FileMailbox
from notify_svc.clients.smtp import SmtpMailbox
from notify_svc.ports import DeliveryUnknown, Mailbox, MailDeferred, MailRefused, MailUnsupported, RenderedMail
from tests.contract.mailservers import replying_server, unreliable_server
from tests.platform.houses import SmtpServer, free_port

MINA = Address("Mina Park", "mina", "example.com")
JUERGEN = Address("Jürgen Müller", "jürgen", "xn--mller-kva.de")


def a_mail(number: int = 1, to: Address = MINA, message_id: str = "") -> RenderedMail:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "clinic@careslot.example", to, "Appointment confirmed"
    mail["Message-ID"] = message_id or f"<{number}@careslot.example>"
    mail.set_content("Grüße\n")
    mail.add_attachment(b"BEGIN:VCALENDAR", maintype="text", subtype="calendar", filename="appointment.ics")
    needs_smtputf8 = not to.addr_spec.isascii()
    content = mail.as_bytes(policy=policy.SMTPUTF8 if needs_smtputf8 else policy.SMTP)
    return RenderedMail(mail["Message-ID"], "clinic@careslot.example", to.addr_spec, content, needs_smtputf8)


async def deliver_once(url: str, *, mail: RenderedMail, **options: Any) -> None:
    """Deliver a mail over a connection that is closed after it."""
    async with SmtpMailbox(url, **options) as mailbox:
        await mailbox.deliver(mail)


@pytest.fixture
def inbox() -> Iterator[SmtpServer]:
    server = SmtpServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["file", "smtp"])
async def mailbox(request: pytest.FixtureRequest, tmp_path: Path, inbox: SmtpServer) -> AsyncIterator[tuple[Mailbox, Any]]:
    if request.param == "file":
        files = FileMailbox(tmp_path / "mail")
        yield files, lambda: [message["message_id"] for message in files.messages()]
        return
    async with SmtpMailbox(f"smtp://127.0.0.1:{inbox.port}") as smtp:
        yield smtp, lambda: [str(message["message-id"]) for message in inbox.messages]


async def test_delivered_mails_arrive(mailbox: tuple[Mailbox, Any]) -> None:
    under_test, arrived = mailbox
    await under_test.deliver(a_mail(1))
    await under_test.deliver(a_mail(2))
    assert arrived() == ["<1@careslot.example>", "<2@careslot.example>"]


async def test_a_mail_that_is_delivered_twice_arrives_once_in_a_repeatable_mailbox(mailbox: tuple[Mailbox, Any]) -> None:
    under_test, arrived = mailbox
    await under_test.deliver(a_mail())
    await under_test.deliver(a_mail())
    assert len(arrived()) == (1 if under_test.repeatable else 2)


def test_a_file_has_an_encoded_word_in_no_address(tmp_path: Path) -> None:
    """RFC 2047 section 5 forbids it; a non-ASCII local part can only be written in UTF-8 (RFC 6532), and other mails stay ASCII."""
    mailbox = FileMailbox(tmp_path)
    asyncio.run(mailbox.deliver(a_mail(1, JUERGEN)))
    asyncio.run(mailbox.deliver(a_mail(2, Address("Jürgen", "mina", "example.com"))))
    headers = [path.read_bytes().split(b"\r\n\r\n")[0] for path in sorted(tmp_path.glob("*.eml"))]
    assert "To: Jürgen Müller <jürgen@xn--mller-kva.de>\r\n".encode() in headers[0]
    assert headers[1].isascii()
    assert b"To: =?utf-8?q?J=C3=BCrgen?= <mina@example.com>\r\n" in headers[1]
    assert {mail["to"] for mail in mailbox.messages()} == {str(JUERGEN), "Jürgen <mina@example.com>"}
    assert {mail["text"] for mail in mailbox.messages()} == {"Grüße\n"}


async def test_a_mail_to_a_non_ascii_address_is_sent_in_utf8(inbox: SmtpServer) -> None:
    await deliver_once(f"smtp://127.0.0.1:{inbox.port}", mail=a_mail(1, JUERGEN))
    await deliver_once(f"smtp://127.0.0.1:{inbox.port}", mail=a_mail(2))
    assert [(envelope.rcpt_tos, envelope.smtp_utf8) for envelope in inbox.envelopes] == [
        (["jürgen@xn--mller-kva.de"], True),
        (["mina@example.com"], False),
    ]
    assert str(inbox.messages[0]["to"]) == "Jürgen Müller <jürgen@xn--mller-kva.de>"


async def test_a_server_without_smtputf8_refuses_only_mails_to_non_ascii_addresses() -> None:
    with replying_server(False) as port:
        with pytest.raises(MailUnsupported, match=r"^smtputf8_not_supported$"):
            await deliver_once(f"smtp://127.0.0.1:{port}", mail=a_mail(1, JUERGEN))
        await deliver_once(f"smtp://127.0.0.1:{port}", mail=a_mail(2))


def test_a_folder_lists_its_mails_and_can_be_emptied(tmp_path: Path) -> None:
    mailbox = FileMailbox(tmp_path / "mail")
    asyncio.run(mailbox.deliver(a_mail()))
    mail = mailbox.messages()[0]
    assert (mail["to"], mail["subject"], mail["text"]) == ("Mina Park <mina@example.com>", "Appointment confirmed", "Grüße\n")
    assert mail["attachments"] == [{"filename": "appointment.ics", "content_type": "text/calendar", "content": "BEGIN:VCALENDAR"}]
    mailbox.clear()
    assert mailbox.messages() == []


def test_a_message_id_cannot_leave_the_folder(tmp_path: Path) -> None:
    mailbox, mail = FileMailbox(tmp_path / "mail"), a_mail(message_id="<../../evil@x>")
    asyncio.run(mailbox.deliver(mail))
    assert len(list((tmp_path / "mail").glob("*.eml"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mail"]


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ({"mail": "550 not from you"}, MailRefused),
        ({"rcpt": "550 5.1.1 no such person as mina@example.com"}, MailRefused),
        ({"rcpt": "450 greylisted"}, MailDeferred),
        ({"data": "554 not like this"}, MailRefused),
        ({"data": "451 later"}, MailDeferred),
    ],
)
async def test_a_reply_of_the_server_decides_and_is_stored_without_names(replies: dict[str, str], error: type[Exception]) -> None:
    with replying_server(**replies) as port, pytest.raises(error) as raised:
        await deliver_once(f"smtp://127.0.0.1:{port}", mail=a_mail())
    assert "mina" not in str(raised.value)
    assert next(iter(replies.values())).startswith(str(raised.value))


async def test_a_wrong_password_defers_the_mail() -> None:
    with replying_server() as port, pytest.raises(MailDeferred, match=r"^535"):
        await deliver_once(f"smtp://careslot:wrong@127.0.0.1:{port}", mail=a_mail())


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:{}?tls=starttls", "smtps://127.0.0.1:{}"])
async def test_a_server_without_the_required_encryption_gets_no_mail(inbox: SmtpServer, url: str) -> None:
    with pytest.raises(MailDeferred):
        await deliver_once(url.format(inbox.port), timeout_seconds=2, mail=a_mail())
    assert inbox.messages == []


async def test_a_server_that_cannot_be_reached_defers_the_mail() -> None:
    with pytest.raises(MailDeferred):
        await deliver_once(f"smtp://127.0.0.1:{free_port()}", mail=a_mail())


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [("hang at once", MailDeferred), ("disconnect after data", DeliveryUnknown), ("hang after data", DeliveryUnknown)],
)
async def test_a_missing_reply_defers_the_mail_before_the_content_and_is_unknown_after_it(behaviour: str, error: type[Exception]) -> None:
    async with unreliable_server(behaviour) as server:
        with pytest.raises(error):
            await deliver_once(f"smtp://127.0.0.1:{server.port}", timeout_seconds=0.5, mail=a_mail())


async def test_a_server_that_disconnects_after_accepting_has_accepted() -> None:
    async with unreliable_server("disconnect before quit") as server:
        await deliver_once(f"smtp://127.0.0.1:{server.port}", timeout_seconds=2, mail=a_mail())


async def test_a_folder_that_cannot_be_written_defers_the_mail(tmp_path: Path) -> None:
    mailbox = FileMailbox(tmp_path / "mail")
    (tmp_path / "mail").rmdir()
    with pytest.raises(MailDeferred):
        await mailbox.deliver(a_mail())


async def test_a_partly_written_mail_is_not_listed(tmp_path: Path) -> None:
    mailbox = FileMailbox(tmp_path / "mail")
    (tmp_path / "mail" / "1@careslot.example.draft").write_bytes(b"From: clin")
    assert mailbox.messages() == []
    await mailbox.deliver(a_mail(1))
    assert [message["message_id"] for message in mailbox.messages()] == ["<1@careslot.example>"]
