"""A mail server (RFC 5321) through aiosmtplib, with a deadline, and an honest word about what nobody can know."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from notify_svc.ports import Ambiguous, Deferred, Refused

TIMEOUT_SECONDS = 15.0


class _Watched(SMTP):
    """Remembers whether the content was on its way."""

    content_left = False

    async def data(self, *args: Any, **kwargs: Any) -> Any:
        self.content_left = True
        return await super().data(*args, **kwargs)


class SmtpMailbox:
    """`smtp://user:password@host:port?tls=starttls` (default: none on `smtp`, implicit on `smtps`)."""

    repeatable = False

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(url)
        implicit = parts.scheme == "smtps"
        self._options: dict[str, Any] = {
            "hostname": parts.hostname or "localhost",
            "port": parts.port or (465 if implicit else 25),
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "use_tls": implicit,
            "start_tls": parse_qs(parts.query).get("tls") == ["starttls"],
            "timeout": timeout_seconds,
        }

    async def deliver(self, mail: EmailMessage) -> None:
        server = _Watched(**self._options)
        try:
            async with server:
                await server.send_message(mail)
        except (SMTPException, OSError, TimeoutError) as why:
            raise _meaning(why, server.content_left) from why


def _meaning(why: Exception, content_left: bool) -> Exception:
    """A clear answer of the server counts, whenever it came; silence counts only before the content left."""
    if isinstance(why, SMTPRecipientsRefused):
        return Refused(str(why)) if all(refused.code >= 500 for refused in why.recipients) else Deferred(str(why))
    if isinstance(why, SMTPResponseException) and why.code > 0:
        return Refused(str(why)) if why.code >= 500 else Deferred(str(why))
    return Ambiguous(repr(why)) if content_left else Deferred(repr(why))
