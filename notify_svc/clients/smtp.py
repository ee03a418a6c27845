"""A mail server (RFC 5321) through aiosmtplib, with a deadline, and an honest word about what nobody can know."""

from __future__ import annotations

import asyncio
import re
from asyncio import Transport
from email.message import EmailMessage
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException

from notify_svc.ports import Ambiguous, Deferred, Refused

TIMEOUT_SECONDS = 15.0
DEADLINE_SECONDS = 45.0
ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
TLS = {"": (False, False), "none": (False, False), "starttls": (False, True)}


class _Watched(SMTP):
    """Remembers whether the content was on its way, and whether the server took it; its end does not wait for the server's goodbye."""

    content_left = taken = False

    async def data(self, *args: Any, **kwargs: Any) -> Any:
        self.content_left = True
        answer = await super().data(*args, **kwargs)
        self.taken = True
        return answer

    def close(self) -> None:
        """Says goodbye (TLS sends its `close_notify`) and lets go, or a server that never answers it would keep the socket open."""
        transport = cast("Transport | None", self.transport)
        super().close()
        if transport is not None:
            transport.abort()


class SmtpMailbox:
    """`smtp://user:password@host:port?tls=starttls` (default: none on `smtp`, implicit on `smtps`); all steps have one deadline."""

    repeatable = False

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(url)
        implicit, start = (True, False) if parts.scheme == "smtps" else TLS["".join(parse_qs(parts.query).get("tls", []))]
        self._options: dict[str, Any] = {
            "hostname": parts.hostname or "localhost",
            "port": parts.port or (465 if implicit else 25),
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "use_tls": implicit,
            "start_tls": start,
            "timeout": timeout_seconds,
        }

    async def deliver(self, mail: EmailMessage) -> None:
        """A server that took it and then stumbles over the goodbye has taken it."""
        server = _Watched(**self._options)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), server:
                await server.send_message(mail)
        except (SMTPException, OSError, TimeoutError) as why:
            if not server.taken:
                raise _meaning(why, server.content_left) from why


def _meaning(why: Exception, content_left: bool) -> Exception:
    """A clear answer of the server counts, whenever it came; silence counts only before the content left. What it says before it is told
    of recipient and content (a wrong password, say) is about us, and may be mended."""
    if isinstance(why, SMTPRecipientsRefused):
        said = " ".join(_said(refused) for refused in why.recipients)
        return Refused(said) if all(refused.code >= 500 for refused in why.recipients) else Deferred(said)
    if isinstance(why, SMTPDataError):
        return Refused(_said(why)) if why.code >= 500 else Deferred(_said(why))
    if isinstance(why, SMTPResponseException) and why.code > 0:
        return Deferred(_said(why))
    return Ambiguous(type(why).__name__) if content_left else Deferred(type(why).__name__)


def _said(why: SMTPResponseException) -> str:
    """The codes (RFC 5321, RFC 3463) without the words: these tend to name the recipient."""
    return " ".join([str(why.code), *ENHANCED.findall(why.message)[:1]])
