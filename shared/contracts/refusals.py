"""Refusals: why something was not done, by family; the families know no status number."""

from __future__ import annotations

import re
from typing import Any, ClassVar


class Refusal(Exception):
    """A fact that stands against a wish. `code` is stable and public; `facts` travel to the client as they are."""

    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "Refused"

    def __init_subclass__(cls) -> None:
        words = re.findall(r"[A-Z][a-z0-9]*", cls.__name__)
        cls.code = cls.__dict__.get("code", "_".join(words).lower())
        cls.title = " ".join(words).capitalize()

    def __init__(self, detail: str | None = None, **facts: Any) -> None:
        self.detail = detail or " ".join((type(self).__doc__ or self.title).split())
        self.facts = facts
        super().__init__(self.detail)


class Invalid(Refusal):
    """A value is wrong. `errors` is a list of `{pointer, code, detail}`."""


class Unauthenticated(Refusal):
    """This needs a valid access token."""


class Forbidden(Refusal):
    """Your role may not do this."""


class NotFound(Refusal):
    """It does not exist, or it is not yours."""


class Conflict(Refusal):
    """The state of things stands against it."""


class Stale(Refusal):
    """It has changed since you read it."""

    code = "stale_version"


class PreconditionRequired(Refusal):
    """Send If-Match with the version that you read."""


class TooMany(Refusal):
    """Too many requests; `retry_after` seconds from now it may work."""


class Unavailable(Refusal):
    """Something this needs does not answer now; `retry_after` seconds from now it may."""


FAMILIES: tuple[type[Refusal], ...] = (
    Invalid,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    Stale,
    PreconditionRequired,
    TooMany,
    Unavailable,
)


class ResourceNotFound(NotFound):
    """It does not exist, or it is not yours."""

    code = "not_found"


def require_version(current: int, expected: int | None) -> None:
    """Refuses with `stale_version` when the caller saw another version; None means the caller did not say."""
    if expected is not None and expected != current:
        raise Stale(version=current)
