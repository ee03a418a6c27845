"""The If-Match header (RFC 9110 section 13.1.1): changes of a resource are accepted only from callers who saw its current version."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends

from shared.contracts.refusals import Invalid, PreconditionRequired
from shared.kit.requests import RequestDependency, ServiceRequest

VERSION = re.compile(r'"[0-9]{1,9}"|[0-9]{1,9}')
# RFC 9110 section 8.8.3. A comma is not accepted, because this API has no such tags and the header could be a list.
ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x2b\x2d-\x7e\x80-\xff]*"')
NEVER_A_VERSION = 1_000_000_000  # one more than VERSION can name


class BadIfMatch(Invalid):
    """Raised when If-Match is not one entity tag of this API."""

    code = "bad_if_match"
    detail = 'If-Match takes one entity tag as it was sent, such as "3".'
    remedy = "Send the `ETag` of the last response unchanged, or `*` for any version."
    example_pointers = ("/If-Match",)


class IfMatchOptional(RequestDependency):
    """A dependency that returns the version in If-Match, or None when the header is absent or `*`.

    A weak tag, which never matches (RFC 9110 section 13.1.1), and a tag that is not a version are returned as NEVER_A_VERSION:
    `require_version` then refuses them like a stale version, and as late as one. Raises BadIfMatch for anything else.
    """

    def resolve(self, request: ServiceRequest) -> int | None:
        return _parse_if_match(request)


class IfMatchRequired(RequestDependency):
    """A dependency like IfMatchOptional, for routes that require the header. Raises PreconditionRequired when it is absent."""

    def check(self, request: ServiceRequest) -> None:
        """Raise PreconditionRequired when the header is absent."""
        if not request.headers.get("if-match", "").strip():
            raise PreconditionRequired

    def resolve(self, request: ServiceRequest) -> int | None:
        return _parse_if_match(request)


def _parse_if_match(request: ServiceRequest) -> int | None:
    tag = request.headers.get("if-match", "*").strip()
    if tag == "*":
        return None
    if VERSION.fullmatch(tag):
        return int(tag.strip('"')) or NEVER_A_VERSION  # versions begin with 1
    if ENTITY_TAG.fullmatch(tag):
        return NEVER_A_VERSION
    raise BadIfMatch(pointer="/If-Match")


IfMatch = Annotated[int | None, Depends(IfMatchOptional())]
RequireIfMatch = Annotated[int | None, Depends(IfMatchRequired())]
