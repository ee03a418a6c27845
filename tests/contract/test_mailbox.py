"""Mailboxes: what every one promises, and what a mail server may do to one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from notify_svc.clients.files import FileMailbox
from notify_svc.clients.smtp import SmtpMailbox
from notify_svc.ports import Ambiguous, Deferred, Mailbox, Refused
from tests.platform.houses import Inbox, free_port


def a_mail(number: int = 1) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "clinic@careslot.example", "Mina Park <mina@example.com>", "Appointment confirmed"
    mail["Message-ID"] = f"<{number}@careslot.example>"
    mail.set_content("Grüße\n")
    mail.add_attachment(b"BEGIN:VCALENDAR", maintype="text", subtype="calendar", filename="appointment.ics")
    return mail


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    server = Inbox()
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


class Stubborn:
    """A server that answers as it is told."""

    def __init__(self, rcpt: str | None = None, data: str | None = None) -> None:
        self._rcpt, self._data = rcpt, data

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        envelope.rcpt_tos.append(address)
        return self._rcpt or "250 fine"

    async def handle_DATA(self, _server: Any, _session: Any, _envelope: Any) -> str:
        return self._data or "250 fine"


@pytest.mark.parametrize(
    ("answers", "meaning"),
    [
        ({"rcpt": "550 no such person"}, Refused),
        ({"rcpt": "450 greylisted"}, Deferred),
        ({"data": "554 not like this"}, Refused),
        ({"data": "451 later"}, Deferred),
    ],
)
async def test_a_servers_clear_word_counts(answers: dict[str, str], meaning: type[Exception]) -> None:
    controller = Controller(Stubborn(**answers), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        with pytest.raises(meaning):
            await SmtpMailbox(f"smtp://127.0.0.1:{controller.port}").deliver(a_mail())
    finally:
        controller.stop()


async def test_a_server_that_is_not_there_is_tried_later() -> None:
    with pytest.raises(Deferred):
        await SmtpMailbox(f"smtp://127.0.0.1:{free_port()}").deliver(a_mail())


@asynccontextmanager
async def a_server_that(goes: str) -> AsyncIterator[int]:
    """Speaks SMTP as far as DATA; then it hangs up, or says nothing more."""

    talks = set[asyncio.Task[None]]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        writer.write(b"220 hello\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            writer.write(b"354 go on\r\n" if verb == b"DATA" else b"250 fine\r\n")
            if verb == b"DATA":
                await reader.readuntil(b"\r\n.\r\n")
                if goes == "mute after data":
                    await reader.read()
                break
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.wait_for(asyncio.gather(*talks, return_exceptions=True), 10)


@pytest.mark.parametrize("goes", ["away after data", "mute after data"])
async def test_silence_after_the_content_is_unknown(goes: str) -> None:
    async with a_server_that(goes) as port:
        with pytest.raises(Ambiguous):
            await SmtpMailbox(f"smtp://127.0.0.1:{port}", timeout_seconds=0.5).deliver(a_mail())
