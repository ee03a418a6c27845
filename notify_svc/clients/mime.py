"""Writing mails as bytes (RFC 5322, RFC 2045 to 2047, RFC 6532).

The email package needs about fifteen times the processor time of a whole rendering (`bench/rendering.py`), most of it for folding headers
and choosing encodings that do not differ between two mails of this service. Tests prove that it reads what this module writes.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.header import Header
from functools import lru_cache

NEW_LINE = "\r\n"
MAX_LINE_OCTETS = 900
"""Longer lines are encoded. A line of a mail may have 998 octets."""
MAX_HEADER_LINE, MAX_HEADER_WORD = 76, 900
"""Header lines are folded at spaces, so that they are no longer than the first. Headers with words longer than the second are encoded."""
Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class CalendarPart:
    """A calendar file, and its media type with the method (RFC 6047 section 2.4)."""

    content_type: str
    data: bytes


def header_text(name: str, text: str) -> str:
    """Return the value of a header of free text, folded (RFC 5322 section 2.2.3) if it is long.

    It has encoded words (RFC 2047) where it is not ASCII or could be read as encoded.
    """
    if not text.isascii() or not text.isprintable() or "=?" in text:
        return _encoded_words(name, text)
    if len(name) + 2 + len(text) <= MAX_HEADER_LINE:
        return text
    return _folded(name, text)


def _folded(name: str, text: str) -> str:
    """Return a printable ASCII text on lines that begin with a space, from the second on. Unfolded it is the same text again."""
    words = text.split(" ")
    if "" in words or max(map(len, words)) > MAX_HEADER_WORD:
        return _encoded_words(name, text)
    lines, length = [words[0]], len(name) + 2 + len(words[0])
    for word in words[1:]:
        if length + 1 + len(word) <= MAX_HEADER_LINE:
            lines[-1], length = f"{lines[-1]} {word}", length + 1 + len(word)
        else:
            lines, length = [*lines, word], 1 + len(word)
    return f"{NEW_LINE} ".join(lines)


@lru_cache(maxsize=1024)
def _encoded_words(name: str, text: str) -> str:
    return Header(text, "utf-8", header_name=name).encode(linesep=NEW_LINE)


def text_part(subtype: str, text: str) -> bytes:
    """Return a part with text in UTF-8. Lines end with line feeds in `text`, and with CRLF in the part."""
    data = text.replace("\n", NEW_LINE).encode()
    is_plain = data.isascii() and max(map(len, data.split(b"\r\n"))) <= MAX_LINE_OCTETS
    encoding = "7bit" if is_plain else "quoted-printable"
    body = data if is_plain else binascii.b2a_qp(data, istext=True)
    headers = [("Content-Type", f"text/{subtype}; charset=utf-8"), ("Content-Transfer-Encoding", encoding)]
    return _with_headers(headers, body)


def _file_part(content_type: str, data: bytes, filename: str | None = None) -> bytes:
    """Return a part with a file whose bytes arrive unchanged; with a `filename` it is an attachment."""
    headers = [("Content-Type", content_type), ("Content-Transfer-Encoding", "base64")]
    if filename is not None:
        headers.append(("Content-Disposition", f'attachment; filename="{filename}"'))
    lines = [data[start : start + 57] for start in range(0, len(data), 57)]  # 57 octets are a line of 76 characters
    return _with_headers(headers, b"\r\n".join(binascii.b2a_base64(line, newline=False) for line in lines) + b"\r\n")


def mail_with_parts(key: str, headers: Headers, texts: Sequence[bytes], calendar: CalendarPart | None) -> bytes:
    """Return a mail whose `texts` say the same in several formats. `key` is a text that occurs in none of them.

    A calendar file is in the mail twice: as an alternative, for mail programs with a calendar (RFC 6047 section 2.4), and as an attachment.
    """
    if calendar is None:
        return _multipart("alternative", f"=_{key}", texts, headers)
    alternative = _multipart("alternative", f"=_{key}_a", [*texts, _file_part(calendar.content_type, calendar.data)])
    attachment = _file_part(calendar.content_type, calendar.data, "appointment.ics")
    return _multipart("mixed", f"=_{key}", [alternative, attachment], headers)


def _multipart(subtype: str, boundary: str, parts: Sequence[bytes], headers: Headers = ()) -> bytes:
    content_type = ("Content-Type", f'multipart/{subtype}; boundary="{boundary}"')
    delimiter = f"--{boundary}{NEW_LINE}".encode()
    body = b"".join(delimiter + part + b"\r\n" for part in parts) + f"--{boundary}--{NEW_LINE}".encode()
    return _with_headers([*headers, content_type], body)


def _with_headers(headers: Headers, body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}{NEW_LINE}" for name, value in headers)
    return f"{lines}{NEW_LINE}".encode() + body
