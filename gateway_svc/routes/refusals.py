"""Refusals of requests that do not keep to the gateway's limits."""

from __future__ import annotations

from shared.kit.problems import Malformed


class UrlTooLong(Malformed):
    """A path with its query is at most 4 KiB."""

    code = "url_too_long"
    status = 414


class HeadersTooLarge(Malformed):
    """At most 64 headers, and at most 16 KiB of them."""

    code = "headers_too_large"
    status = 431


class MalformedRequest(Malformed):
    """The request is not valid HTTP/1.1."""

    code = "malformed_request"


class MethodNotAllowed(Malformed):
    """This API supports GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS."""

    code = "method_not_allowed"
    status = 405


class BodyTooSlow(Malformed):
    """The request body did not arrive in time."""

    code = "body_too_slow"
    status = 408
