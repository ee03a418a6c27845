"""Refusals: the reasons why an operation was not carried out, grouped into families.

The families know no HTTP status; `shared.kit.problems` maps each family to one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


def facts(**values: Any) -> Mapping[str, Any]:
    """Return the example facts of a refusal, as JSON."""
    return values


class Refusal(Exception):
    """An operation was refused.

    `code` is public and stable, `detail` is a sentence for people, and `facts` are members of the problem document. Subclasses declare
    `code` and `detail`; both can be replaced per instance, which is how the refusal of another service is passed on. `remedy` says what
    the caller can do; the catalogue at `/problems` shows it, and a subclass inherits it from its family unless it declares its own.
    `example_facts` are the facts of the example in the OpenAPI document, as JSON; `example_pointers` are fields that the fact `pointer` can
    name, of which the document shows the first that the operation has.
    """

    code: str = "refused"
    detail: str = "The request was refused."
    remedy: str = "Correct the request. The same request is refused again."
    example_facts: ClassVar[Mapping[str, Any]] = facts()
    example_pointers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, detail: str | None = None, *, code: str | None = None, **facts: Any) -> None:
        if code is not None:
            self.code = code
        if detail:
            self.detail = detail
        self.facts = facts
        super().__init__(self.detail)

    @property
    def title(self) -> str:
        """The words of the code: `slot_taken` reads "Slot taken"."""
        return self.code.replace("_", " ").capitalize()


class Invalid(Refusal):
    """A value in the request is wrong. The fact `errors` lists `{pointer, code, detail}`; the fact `pointer` names one field."""

    code = "invalid"
    detail = "A value in the request is wrong."
    remedy = "Correct the values that `errors` names and send the request again."


class Unauthenticated(Refusal):
    """The request carries no valid access token."""

    code = "unauthenticated"
    detail = "This request needs a valid access token."
    remedy = "Sign in, or get a new access token with your refresh token, and send the request again."


class Forbidden(Refusal):
    """The caller may not do this."""

    code = "forbidden"
    detail = "Your role may not do this."
    remedy = "Sign in with an account that may do this. The same request by the same caller is refused again."


class NotFound(Refusal):
    """The resource does not exist, or the caller may not know that it does."""

    code = "not_found"
    detail = "The resource does not exist, or it is not yours."
    remedy = "Check the id. What belongs to somebody else is answered as if it did not exist."


class Conflict(Refusal):
    """The current state does not allow the operation."""

    code = "conflict"
    detail = "The current state does not allow this operation."
    remedy = "Read the resource again and decide by its current state."


class Gone(Refusal):
    """The resource existed, and no longer does."""

    code = "gone"
    detail = "The resource does not exist any more."
    remedy = "Do not send the request again: the resource does not come back by itself."


class Stale(Refusal):
    """The caller's version of the resource is not the current one. The fact `version` is the current version."""

    code = "stale_version"
    detail = "The resource has changed since you read it."
    remedy = "Read the resource again, and repeat the change with the new `ETag` in `If-Match`."
    example_facts = facts(version=4)


class PreconditionRequired(Refusal):
    """The If-Match header is missing."""

    code = "precondition_required"
    detail = "Send If-Match with the version that you read."
    remedy = "Read the resource, and send its `ETag` in `If-Match`."


class TooMany(Refusal):
    """The caller sent too many requests. The fact `retry_after` is in seconds."""

    code = "too_many"
    detail = "Too many requests; retry after the time in Retry-After."
    remedy = "Wait for the seconds in `Retry-After` and send the request again."
    example_facts = facts(retry_after=30)


class Unavailable(Refusal):
    """A dependency does not answer. The fact `retry_after` is in seconds."""

    code = "unavailable"
    detail = "Something that this request needs does not answer now; retry after the time in Retry-After."
    remedy = "Wait for the seconds in `Retry-After` and send the request again; a POST with the same `Idempotency-Key`."
    example_facts = facts(retry_after=2)


# The families by the name under which a stored refusal remembers its family. The names are stored: they never change.
FAMILY_BY_NAME: dict[str, type[Refusal]] = {
    "Invalid": Invalid,
    "Unauthenticated": Unauthenticated,
    "Forbidden": Forbidden,
    "NotFound": NotFound,
    "Conflict": Conflict,
    "Gone": Gone,
    "Stale": Stale,
    "PreconditionRequired": PreconditionRequired,
    "TooMany": TooMany,
    "Unavailable": Unavailable,
}
FAMILIES: tuple[type[Refusal], ...] = tuple(FAMILY_BY_NAME.values())
FINAL_REFUSALS = (Conflict, Invalid, Stale)
"""The families of refusals that a repetition does not change: a stored request that another service refuses in this way is given up.

After any other refusal, and when no response arrives, the request stays pending and is sent again later."""


def require_version(current: int, expected: int | None) -> None:
    """Raise Stale unless `expected`, the version that the caller read, is `current`. None stands for any version."""
    if expected is not None and expected != current:
        raise Stale(version=current)
