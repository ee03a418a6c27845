"""A mailbox at a mail server (RFC 5321), through aiosmtplib."""

from __future__ import annotations

import asyncio
import re
from asyncio import Transport
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException

from notify_svc.ports import DeliveryUnknown, MailDeferred, MailRefused, MailUnsupported, RenderedMail

TIMEOUT_SECONDS = 15.0
"""The time limit of one step."""
DEADLINE_SECONDS = 45.0
"""The time limit of a whole delivery."""
ENHANCED_STATUS_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
SMTPUTF8_OPTIONS = ("SMTPUTF8", "BODY=8BITMIME")
TLS_OPTIONS = {"": (False, False), "none": (False, False), "starttls": (False, True)}
"""For each value of `tls` in an `smtp` URL: whether TLS is used from the start, and whether STARTTLS is used."""


class _TrackedSmtp(SMTP):
    """Tracks whether the content of the mail was sent, and whether the server accepted it."""

    content_sent = accepted = False

    async def data(self, *args: Any, **kwargs: Any) -> Any:
        self.content_sent = True
        response = await super().data(*args, **kwargs)
        self.accepted = True
        return response

    def close(self) -> None:
        """Close the connection (TLS sends its `close_notify`) without waiting: a server that never answers would keep the socket open."""
        transport = cast("Transport | None", self.transport)
        super().close()
        if transport is not None:
            transport.abort()


class SmtpMailbox:
    """Implements Mailbox for `smtp://user:password@host:port?tls=starttls` and `smtps://user:password@host:port`.

    Without `tls`, `smtp` is not encrypted. A mail that is delivered twice arrives twice.
    """

    repeatable = False

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
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
        }

    async def deliver(self, mail: RenderedMail) -> None:
        """Deliver a mail. Errors after the server has accepted the mail, while the connection is being closed, are ignored."""
        server = _TrackedSmtp(**self._options)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), server:
                await _require_smtputf8(server, mail)
                options = SMTPUTF8_OPTIONS if mail.needs_smtputf8 else ()
                await server.sendmail(mail.sender, [mail.recipient], mail.content, mail_options=options)
        except (SMTPException, OSError, TimeoutError) as error:
            if not server.accepted:
                raise _delivery_error(error, server.content_sent) from error


async def _require_smtputf8(server: SMTP, mail: RenderedMail) -> None:
    """Raise MailUnsupported if the mail needs the extension SMTPUTF8 (RFC 6531) and the server does not offer it."""
    if not mail.needs_smtputf8:
        return
    if server.last_ehlo_response is None:
        await server.ehlo()
    if not server.supports_extension("smtputf8"):
        raise MailUnsupported("smtputf8_not_supported")


def _delivery_error(error: Exception, content_sent: bool) -> Exception:
    """Return what an error means for the mail.

    A permanent reply to recipient or content refuses the mail. Other replies are about this service, such as a wrong password, and may
    change. Without a reply the mail is deferred, unless the content was sent: then the server may have accepted it.
    """
    if isinstance(error, SMTPRecipientsRefused):
        codes = " ".join(_status_codes(refused) for refused in error.recipients)
        return MailRefused(codes) if all(refused.code >= 500 for refused in error.recipients) else MailDeferred(codes)
    if isinstance(error, SMTPDataError):
        return MailRefused(_status_codes(error)) if error.code >= 500 else MailDeferred(_status_codes(error))
    if isinstance(error, SMTPResponseException) and error.code > 0:
        return MailDeferred(_status_codes(error))
    return DeliveryUnknown(type(error).__name__) if content_sent else MailDeferred(type(error).__name__)


def _status_codes(error: SMTPResponseException) -> str:
    """Return the codes of a reply (RFC 5321, RFC 3463) without its text, which often names the recipient."""
    return " ".join([str(error.code), *ENHANCED_STATUS_CODE.findall(error.message)[:1]])
