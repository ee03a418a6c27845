"""A mailbox at a mail server, over a few connections that are used again."""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib.errors import SMTPDataError, SMTPException, SMTPRecipientRefused, SMTPResponseException, SMTPSenderRefused

from notify_svc.clients.smtp_connection import SmtpConnection
from notify_svc.ports import DeliveryUnknown, MailDeferred, MailRefused, MailUnsupported, RenderedMail

TIMEOUT_SECONDS = 15.0
"""The time limit of one step."""
DEADLINE_SECONDS = 45.0
"""The time limit of a whole delivery."""
MAX_IDLE_SECONDS = 20.0
"""A connection that was not used for so long is closed."""
MAX_MAILS_PER_CONNECTION = 100
QUIT_SECONDS = 1.0
AUTHENTICATION_REQUIRED = 530
ENHANCED_STATUS_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
TLS_OPTIONS = {"": (False, False), "none": (False, False), "starttls": (False, True)}
"""For each value of `tls` in an `smtp` URL: whether TLS is used from the start, and whether STARTTLS is used."""


class SmtpMailbox:
    """Implements Mailbox for `smtp://user:password@host:port?tls=starttls` and `smtps://user:password@host:port`.

    Without `tls`, `smtp` is not encrypted. A mail that is delivered twice arrives twice. Opened with `async with`, which closes the
    connections in the end. A connection carries one mail at a time; there are as many as deliveries at the same time.
    """

    repeatable = False

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS, max_idle_seconds: float = MAX_IDLE_SECONDS) -> None:
        parts = urlsplit(url)
        use_tls, start_tls = (True, False) if parts.scheme == "smtps" else TLS_OPTIONS["".join(parse_qs(parts.query).get("tls", []))]
        self._options: dict[str, Any] = {
            "hostname": parts.hostname or "localhost",
            "port": parts.port or (465 if use_tls else 25),
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "use_tls": use_tls,
            "start_tls": start_tls,
            "timeout": timeout_seconds,
            "tls_context": ssl.create_default_context() if use_tls or start_tls else None,
        }
        self._max_idle_seconds = max_idle_seconds
        self._idle: list[SmtpConnection] = []
        self._closing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._closing is not None:
            self._closing.cancel()
            await asyncio.gather(self._closing, return_exceptions=True)
        while self._idle:
            await _quit(self._idle.pop())

    async def deliver(self, mail: RenderedMail) -> None:
        """Deliver a mail.

        A used connection may have been closed by the server meanwhile, or have carried as many mails as the server wants. If it fails
        before the content was sent, and not because of the recipient, the mail is sent over a new one at once, so that this costs no
        attempt.
        """
        deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS
        if (used := self._take_idle()) is None or not await self._send_over_used(used, mail, deadline):
            await self._send(SmtpConnection(**self._options), mail, deadline)

    async def _send_over_used(self, connection: SmtpConnection, mail: RenderedMail, deadline: float) -> bool:
        """Return False if the connection failed before the content was sent. Raises as `deliver` does."""
        try:
            await self._send(connection, mail, deadline)
        except (MailDeferred, MailRefused) as error:
            if connection.content_sent or connection.is_about_mail(error.__cause__ or error):
                raise
            return False
        return True

    async def _send(self, connection: SmtpConnection, mail: RenderedMail, deadline: float) -> None:
        """Send a mail, and keep the connection for the next one if that is possible. Raises as `deliver` does."""
        failure: BaseException | None = None
        try:
            async with asyncio.timeout_at(deadline):
                if not connection.is_ready:
                    await connection.open()
                await connection.send(mail)
        except (SMTPException, OSError, TimeoutError) as error:
            failure = error
            raise _delivery_error(error, connection.content_sent) from error
        except BaseException as error:
            failure = error
            if connection.content_sent or isinstance(error, MailUnsupported) or not isinstance(error, Exception):
                raise
            raise MailDeferred(type(error).__name__) from error
        finally:
            self._give_back(connection, failure)

    def _take_idle(self) -> SmtpConnection | None:
        """Return the connection that was used last, or None if none is open."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_connected:
                return connection
            connection.close()
        return None

    def _give_back(self, connection: SmtpConnection, failure: BaseException | None) -> None:
        if connection.mails_sent >= MAX_MAILS_PER_CONNECTION or not connection.can_be_used_after(failure):
            connection.close()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)
        if self._closing is None or self._closing.done():
            self._closing = asyncio.create_task(self._close_idle(), name="close idle connections to the mail server")

    async def _close_idle(self) -> None:
        """Close connections that were not used for `max_idle_seconds`, until none is left."""
        while self._idle:
            since = asyncio.get_running_loop().time() - self._max_idle_seconds
            if self._idle[0].idle_since <= since:
                await _quit(self._idle.pop(0))
            else:
                await asyncio.sleep(self._idle[0].idle_since - since)


async def _quit(connection: SmtpConnection) -> None:
    """Say goodbye, and close the connection whatever the server replies."""
    try:
        with suppress(SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(QUIT_SECONDS):
                await connection.quit()
    finally:
        connection.close()


def _delivery_error(error: Exception, content_sent: bool) -> Exception:
    """Return what an error means for the mail.

    A permanent reply to sender, recipient or content refuses the mail. Replies to other commands, such as about a wrong password, are
    about this service and may change. Without a reply that says so the mail is deferred, unless the content was sent: then the server may
    have accepted it.
    """
    if not isinstance(error, SMTPResponseException) or error.code < 100:
        return DeliveryUnknown(type(error).__name__) if content_sent else MailDeferred(type(error).__name__)
    is_about_step = isinstance(error, SMTPSenderRefused | SMTPRecipientRefused | SMTPDataError)
    if error.code >= 500 and is_about_step and error.code != AUTHENTICATION_REQUIRED:
        return MailRefused(_status_codes(error))
    if content_sent and error.code < 400:  # neither accepted nor refused
        return DeliveryUnknown(_status_codes(error))
    return MailDeferred(_status_codes(error))


def _status_codes(error: SMTPResponseException) -> str:
    """Return the codes of a reply (RFC 5321, RFC 3463) without its text, which often names the recipient."""
    return " ".join([str(error.code), *ENHANCED_STATUS_CODE.findall(error.message)[:1]])
