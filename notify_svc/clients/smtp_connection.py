"""One connection to a mail server (RFC 5321), through aiosmtplib, over which mails are sent one after another."""

from __future__ import annotations

import re
from asyncio import Transport
from typing import cast

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPDataError, SMTPHeloError, SMTPRecipientRefused, SMTPResponseException, SMTPSenderRefused

from notify_svc.ports import MailUnsupported, RenderedMail

START_INPUT, COMPLETED, WILL_FORWARD, CLOSING = 354, 250, 251, 421
LEADING_PERIOD = re.compile(rb"^\.", re.MULTILINE)


class SmtpConnection(SMTP):
    """A connection that knows how far the current mail has come.

    `is_ready`: it was opened, with the password where there is one. `content_sent`: the server may have the whole mail, so without a reply
    it is unknown whether it was accepted. `mails_sent` is the number of mails that it has accepted over this connection, and `idle_since`
    the time of the event loop at which the last of them ended.
    """

    is_ready = content_sent = False
    mails_sent, idle_since = 0, 0.0
    _transaction_open = False

    async def open(self) -> None:
        """Connect, and authenticate where the URL says so. Raises SMTPException, OSError or TimeoutError."""
        await self.connect()
        if self.is_ehlo_or_helo_needed:
            try:
                await self.ehlo()
            except SMTPHeloError:
                await self.helo()
        self.is_ready = True

    async def send(self, mail: RenderedMail) -> None:
        """Send a mail; return when it is accepted.

        The addresses go to the server as they are: aiosmtplib would parse them again. Raises MailUnsupported, SMTPException, OSError or
        TimeoutError.
        """
        self.content_sent = False
        if mail.needs_smtputf8 and not self.supports_extension("smtputf8"):
            raise MailUnsupported("smtputf8_not_supported")
        if self._transaction_open:
            await self.rset()
        self._transaction_open = True
        await self._send_envelope(mail)
        await self._send_content(mail.content)
        self._transaction_open = False
        self.mails_sent += 1

    async def _send_envelope(self, mail: RenderedMail) -> None:
        options = [b"SMTPUTF8", b"BODY=8BITMIME"] if mail.needs_smtputf8 else []
        reply = await self.execute_command(b"MAIL", b"FROM:<%b>" % mail.sender.encode(), *options)
        if reply.code != COMPLETED:
            raise SMTPSenderRefused(reply.code, reply.message, mail.sender)
        reply = await self.execute_command(b"RCPT", b"TO:<%b>" % mail.recipient.encode())
        if reply.code not in (COMPLETED, WILL_FORWARD):
            raise SMTPRecipientRefused(reply.code, reply.message, mail.recipient)

    async def _send_content(self, content: bytes) -> None:
        reply = await self.execute_command(b"DATA")
        if reply.code != START_INPUT:
            raise SMTPDataError(reply.code, reply.message)
        protocol = self.protocol
        assert protocol is not None
        protocol.write(LEADING_PERIOD.sub(b"..", content) + (b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n"))
        self.content_sent = True
        reply = await protocol.read_response(timeout=self.timeout)
        if reply.code != COMPLETED:
            raise SMTPDataError(reply.code, reply.message)

    def can_be_used_after(self, error: BaseException | None) -> bool:
        """Return whether the next mail can be sent over this connection, after a mail was accepted or `error` was raised."""
        has_reply = isinstance(error, MailUnsupported) or (isinstance(error, SMTPResponseException) and error.code not in (-1, CLOSING))
        return self.is_ready and self.is_connected and (error is None or has_reply)

    def close(self) -> None:
        """Close the connection (TLS sends its `close_notify`) without waiting: a server that never answers would keep the socket open."""
        transport = cast("Transport | None", self.transport)
        super().close()
        if transport is not None:
            transport.abort()


def is_connection_lost(error: BaseException) -> bool:
    """Return whether an error means that the server gave no reply, or that it closes the connection."""
    return not isinstance(error, SMTPResponseException) or error.code in (-1, CLOSING)
