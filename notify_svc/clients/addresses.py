"""The addresses in the headers of mails."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from email_validator import validate_email

from notify_svc.clients import mime
from shared.contracts.texts import one_line

HEADER_SPECIALS = re.compile(r'[ ()<>\[\]:;@\\,."=?]+')
MAX_NAME_LENGTH = 60


@dataclass(frozen=True, slots=True)
class MailAddress:
    """An address of a mail. `name` has no character that is special in a header, and the domain of `address` is in ASCII."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """The part after the @."""
        return self.address.rpartition("@")[2]

    @property
    def header(self) -> str:
        """The name and the address as in a header."""
        return f"{mime.header_text('To', self.name)} <{self.address}>" if self.name else self.address


@lru_cache(maxsize=1024)
def mail_address(name: str, email: str) -> MailAddress:
    """Return an address for a header. Raises EmailNotValidError for an invalid one.

    The name is brought to one line, shortened and stripped of the characters that are special in RFC 5322, so that it can be written
    without quotation marks.
    """
    parts = validate_email(email, check_deliverability=False)
    plain_name = HEADER_SPECIALS.sub(" ", one_line(name)).strip(" ")[:MAX_NAME_LENGTH].strip(" ")
    return MailAddress(plain_name, f"{parts.local_part}@{parts.ascii_domain}")
