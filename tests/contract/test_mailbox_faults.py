"""Every fault of a mail server at every step, over a new connection and over one that has been used before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from notify_svc.clients.smtp import SmtpMailbox
from notify_svc.ports import DeliveryUnknown, MailDeferred, MailRefused
from tests.contract.mailservers import UNKNOWN_RECIPIENT, Fault, faulty_server
from tests.contract.test_mailbox import a_mail

TIMEOUT_SECONDS = 0.5
FAULTS: dict[tuple[str, str], type[Exception]] = {
    ("connect", "421 closing"): MailDeferred,
    ("connect", "554 no service"): MailDeferred,
    ("connect", "drop"): MailDeferred,
    ("connect", "hang"): MailDeferred,
    ("ehlo", "421 closing"): MailDeferred,
    ("ehlo", "drop"): MailDeferred,
    ("ehlo", "hang"): MailDeferred,
    ("mail", "421 closing"): MailDeferred,
    ("mail", "451 later"): MailDeferred,
    ("mail", "452 4.5.3 too many mails"): MailDeferred,
    ("mail", "530 5.7.0 authentication required"): MailDeferred,
    ("mail", "550 not from you"): MailRefused,
    ("mail", "552 5.3.4 too large"): MailRefused,
    ("mail", "354 what"): MailDeferred,
    ("mail", "drop"): MailDeferred,
    ("mail", "hang"): MailDeferred,
    ("rcpt", "421 closing"): MailDeferred,
    ("rcpt", "450 greylisted"): MailDeferred,
    ("rcpt", "452 4.5.3 too many recipients"): MailDeferred,
    ("rcpt", "503 5.5.1 MAIL first"): MailRefused,
    ("rcpt", "550 5.1.1 unknown"): MailRefused,
    ("rcpt", "drop"): MailDeferred,
    ("rcpt", "hang"): MailDeferred,
    ("data", "421 closing"): MailDeferred,
    ("data", "451 later"): MailDeferred,
    ("data", "554 not like this"): MailRefused,
    ("data", "drop"): MailDeferred,
    ("data", "hang"): MailDeferred,
    ("content", "421 closing"): MailDeferred,
    ("content", "451 later"): MailDeferred,
    ("content", "554 not like this"): MailRefused,
    ("content", "nonsense"): DeliveryUnknown,
    ("content", "354 go on"): DeliveryUnknown,
    ("content", "drop"): DeliveryUnknown,
    ("content", "hang"): DeliveryUnknown,
}
ABOUT_RECIPIENT = [("rcpt", "450 greylisted"), ("rcpt", "550 5.1.1 unknown")]
USED = {
    (step, action): outcome if step == "content" or (step, action) in ABOUT_RECIPIENT else None
    for (step, action), outcome in FAULTS.items()
    if step not in ("connect", "ehlo")
}
"""Over a used connection: what fails before the content, and not because of the recipient, costs nothing: a new connection has the mail."""
ACCEPTED = [("mail", "251 fine"), ("rcpt", "252 will try"), ("data", "355 go on"), ("content", "251 fine"), ("content", "252 fine")]
REFUSING_CONNECTIONS = [
    Fault("mail", "452 4.5.3 too many mails in this session", 3, in_every_connection=True),
    Fault("mail", "550 5.7.0 enough for this session", 3, in_every_connection=True),
    Fault("rcpt", "452 4.5.3 too many recipients in this session", 3, in_every_connection=True),
    Fault("data", "554 5.5.1 not again", 2, in_every_connection=True),
    Fault("rcpt", "421 closing", 2, in_every_connection=True),
]
"""A connection that has carried some mails refuses all further ones."""


@pytest.mark.parametrize(("step", "action"), FAULTS)
async def test_a_fault_of_the_server_decides_what_becomes_of_the_mail(step: str, action: str) -> None:
    async with faulty_server(Fault(step, action)) as server, SmtpMailbox(f"smtp://127.0.0.1:{server.port}", TIMEOUT_SECONDS) as mailbox:
        with pytest.raises(FAULTS[step, action]) as raised:
            await mailbox.deliver(a_mail(1))
        assert type(raised.value) is FAULTS[step, action]
        assert "mina" not in str(raised.value)
        assert server.accepted == 0
        await mailbox.deliver(a_mail(2))
        assert server.accepted == 1, "the next mail is delivered"


@pytest.mark.parametrize(("step", "action"), USED)
async def test_a_used_connection_that_is_lost_before_the_content_costs_no_attempt(step: str, action: str) -> None:
    outcome = USED[step, action]
    async with faulty_server(Fault(step, action, 2)) as server, SmtpMailbox(f"smtp://127.0.0.1:{server.port}", TIMEOUT_SECONDS) as mailbox:
        await mailbox.deliver(a_mail(1))
        if outcome is None:
            await mailbox.deliver(a_mail(2))
            assert (server.connections, server.accepted) == (2, 2)
        else:
            with pytest.raises(outcome):
                await mailbox.deliver(a_mail(2))
            assert (server.connections, server.accepted) == (1, 1)
        await mailbox.deliver(a_mail(3))
        ids = [content.split(b"Message-ID: <")[1][:1] for content in server.contents]
        assert len(ids) == len(set(ids)), "no content is sent twice"


@pytest.mark.parametrize(("step", "action"), ACCEPTED)
async def test_the_first_digit_of_a_reply_accepts_a_mail(step: str, action: str) -> None:
    async with faulty_server(Fault(step, action)) as server, SmtpMailbox(f"smtp://127.0.0.1:{server.port}", TIMEOUT_SECONDS) as mailbox:
        for number in range(2):
            await mailbox.deliver(a_mail(number))
        assert (server.connections, server.accepted) == (1, 2)


@pytest.mark.parametrize("fault", REFUSING_CONNECTIONS, ids=lambda fault: f"{fault.step} {fault.action}")
async def test_a_connection_that_refuses_further_mails_is_replaced_and_costs_no_attempt(fault: Fault) -> None:
    mails = 7
    async with faulty_server(fault) as server, SmtpMailbox(f"smtp://127.0.0.1:{server.port}", TIMEOUT_SECONDS) as mailbox:
        for number in range(mails):
            await mailbox.deliver(a_mail(number))
        assert server.accepted == len(set(server.contents)) == mails
        assert server.connections == -(-mails // (fault.number - 1))


@pytest.mark.parametrize("action", ["502 what", "421 closing", "451 later", "drop", "hang"])
async def test_a_connection_that_cannot_forget_a_refused_mail_is_replaced(action: str) -> None:
    async with faulty_server(Fault("rset", action, in_every_connection=True)) as server:
        async with SmtpMailbox(f"smtp://127.0.0.1:{server.port}", TIMEOUT_SECONDS) as mailbox:
            for number in range(3):
                with pytest.raises(MailRefused):
                    await mailbox.deliver(replace(a_mail(number), recipient=UNKNOWN_RECIPIENT))
                await mailbox.deliver(a_mail(number))
        assert server.accepted == 3


async def test_mails_use_one_connection_one_after_another() -> None:
    async with faulty_server() as server:
        async with SmtpMailbox(f"smtp://127.0.0.1:{server.port}") as mailbox:
            for number in range(5):
                await mailbox.deliver(a_mail(number))
        assert (server.connections, server.accepted) == (1, 5)
        assert server.commands[-1] == "QUIT"
        assert sum(command.startswith("EHLO") for command in server.commands) == 1


async def test_a_connection_that_the_server_has_ended_is_opened_again() -> None:
    async with faulty_server() as server, SmtpMailbox(f"smtp://127.0.0.1:{server.port}") as mailbox:
        for number in range(3):
            await mailbox.deliver(a_mail(number))
            server.end_connections()
        assert (server.connections, server.accepted) == (3, 3)


async def test_a_refused_mail_leaves_nothing_to_the_next_one_over_the_same_connection() -> None:
    fault = Fault("rcpt", "550 5.1.1 unknown")
    async with faulty_server(fault) as server, SmtpMailbox(f"smtp://127.0.0.1:{server.port}") as mailbox:
        with pytest.raises(MailRefused):
            await mailbox.deliver(a_mail(1))
        await mailbox.deliver(a_mail(2))
        assert (server.connections, server.accepted) == (1, 1)
        assert [command.split()[0] for command in server.commands] == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]


async def test_an_idle_connection_is_closed() -> None:
    async with faulty_server() as server:
        async with SmtpMailbox(f"smtp://127.0.0.1:{server.port}", max_idle_seconds=0.05) as mailbox:
            await mailbox.deliver(a_mail(1))
            await server.wait_closed()
            assert server.commands[-1] == "QUIT"
            await mailbox.deliver(a_mail(2))
        assert server.connections == 2


async def test_lines_with_a_leading_period_arrive_as_they_are() -> None:
    mail = a_mail(1)
    content = mail.content.replace(b"\r\n\r\n", b"\r\n\r\n.hidden\r\n..\r\n.\r\n", 1)
    async with faulty_server() as server, SmtpMailbox(f"smtp://127.0.0.1:{server.port}") as mailbox:
        await mailbox.deliver(replace(mail, content=content))
        assert server.contents[0].removesuffix(b".\r\n") == content.replace(b"\r\n.", b"\r\n..")
