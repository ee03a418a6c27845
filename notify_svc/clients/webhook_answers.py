"""Reads the answers of receivers: a bounded number of bytes, and whatever is wrong with them, the status counts once it is known."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httptools

from notify_svc.domain.webhook_deliveries import WebhookProblem, WebhookResponse, readable_beginning

MAX_ANSWER_BYTES = 16 * 1024
"""Of the body; what follows is not read."""
MAX_RECEIVED_BYTES = 64 * 1024
"""Of the whole answer with its head, and with all 1xx answers before it, of which a hostile receiver could send any number."""
CHUNK_BYTES = 8 * 1024
MAX_RETRY_AFTER_LENGTH = 100
LONGEST_RETRY_AFTER = timedelta(days=365)
SWITCHING_PROTOCOLS = 101


@dataclass(slots=True)
class HttpAnswer:
    """The answer as far as it has been read. Its methods are called by httptools.

    `status` is None until the status line of the answer is read; 1xx answers before it do not count.
    """

    status: int | None = None
    body: bytearray = field(default_factory=bytearray)
    retry_after: bytes = b""
    is_complete: bool = False
    _parser: httptools.HttpResponseParser = field(init=False)

    def __post_init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)

    async def read_from(self, reader: asyncio.StreamReader) -> None:
        """Read until the answer or the connection ends, or as much as is read at most.

        Raises OSError if the connection breaks, and HttpParserError if what is read is not HTTP.
        """
        received = 0
        while not self.is_complete and received < MAX_RECEIVED_BYTES and (chunk := await reader.read(CHUNK_BYTES)):
            received += len(chunk)
            self._parser.feed_data(chunk)

    def to_response(self, problem: WebhookProblem, now: datetime) -> WebhookResponse:
        """Return the status and the beginning of the answer, or the problem if the status is not known."""
        if self.status is None:
            return WebhookResponse(problem=problem)
        retry_after = parse_retry_after(self.retry_after.decode("latin-1"), now)
        return WebhookResponse(self.status, readable_beginning(bytes(self.body)), retry_after=retry_after)

    def on_status(self, _reason: bytes) -> None:
        status = self._parser.get_status_code()
        if self.status is None and (status >= 200 or status == SWITCHING_PROTOCOLS):
            self.status = status

    def on_header(self, name: bytes, value: bytes) -> None:
        self.on_status(b"")  # a status line without a reason calls no on_status
        if self.status is not None and not self.is_complete and name.lower() == b"retry-after":
            self.retry_after = value

    def on_headers_complete(self) -> None:
        self.on_status(b"")

    def on_body(self, part: bytes) -> None:
        if not self.is_complete:
            self.body += part[: MAX_ANSWER_BYTES - len(self.body)]
            self.is_complete = len(self.body) >= MAX_ANSWER_BYTES

    def on_message_complete(self) -> None:
        self.is_complete = self.status is not None


def parse_retry_after(value: str, now: datetime) -> datetime | None:
    """Return the instant that a Retry-After header names (RFC 9110 section 10.2.3), at most a year ahead; None for other texts."""
    if not value.isascii() or len(value) > MAX_RETRY_AFTER_LENGTH:
        return None
    latest = now + LONGEST_RETRY_AFTER
    if value.isdigit():
        return min(now + timedelta(seconds=int(value[:9])), latest)
    try:
        instant = parsedate_to_datetime(value)
        return min(instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC), latest)
    except (ValueError, OverflowError, TypeError, IndexError, AttributeError):  # the parser of dates lets all of them through
        return None
