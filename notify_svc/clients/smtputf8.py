"""Internationalized email addresses (RFC 6531 and RFC 6532)."""

from __future__ import annotations

from email.message import EmailMessage


def needs_smtputf8(mail: EmailMessage) -> bool:
    """Return whether an address of the mail has a non-ASCII local part, for which there is no encoding (RFC 2047 section 5)."""
    headers = [header for name in ("From", "To") for header in mail.get_all(name, [])]
    return any(not address.addr_spec.isascii() for header in headers for address in header.addresses)
