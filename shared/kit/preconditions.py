"""The If-Match header (RFC 9110 section 13.1.1): changes of a resource are accepted only from callers who saw its current version."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends

from shared.contracts.refusals import Invalid, PreconditionRequired
from shared.kit.requests import RequestDependency, ServiceRequest

ENTITY_TAG = re.compile(r'"[0-9]{1,9}"|[0-9]{1,9}')


class BadIfMatch(Invalid):
    """Raised when If-Match is not one entity tag of this API."""

    code = "bad_if_match"
    detail = 'If-Match takes one entity tag as it was sent, such as "3".'
    remedy = "Send the `ETag` of the last response unchanged, or `*` for any version."


class IfMatchOptional(RequestDependency):
    """A dependency that returns the version in If-Match, or None when the header is absent or `*`. Raises BadIfMatch."""

    def resolve(self, request: ServiceRequest) -> int | None:
        return _parse_if_match(request)


class IfMatchRequired(RequestDependency):
    """A dependency that returns the version in If-Match, or None for `*`. Raises PreconditionRequired when the header is absent."""

    def check(self, request: ServiceRequest) -> None:
        """Raise PreconditionRequired when the header is absent."""
        if not request.headers.get("if-match", "").strip():
            raise PreconditionRequired

    def resolve(self, request: ServiceRequest) -> int | None:
        return _parse_if_match(request)


def _parse_if_match(request: ServiceRequest) -> int | None:
    tag = request.headers.get("if-match", "").strip()
    if tag in {"", "*"}:
        return None
    if not ENTITY_TAG.fullmatch(tag):
        raise BadIfMatch(pointer="/If-Match")
    return int(tag.strip('"'))


IfMatch = Annotated[int | None, Depends(IfMatchOptional())]
RequireIfMatch = Annotated[int | None, Depends(IfMatchRequired())]
