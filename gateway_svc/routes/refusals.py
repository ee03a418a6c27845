"""Refusals of requests that exceed the gateway's limits or are not valid. Only the gateway uses their HTTP statuses."""

from __future__ import annotations

from shared.kit.problems import HttpRefusal


class UrlTooLong(HttpRefusal):
    """Raised when the path and the query are longer than 8 KiB together."""

    code = "url_too_long"
    detail = "A path with its query is at most 8 KiB."
    remedy = "Send fewer or shorter query parameters."
    status = 414


class HeadersTooLarge(HttpRefusal):
    """Raised when a request has more than 64 headers, or more than 16 KiB of them."""

    code = "headers_too_large"
    detail = "At most 64 headers, and at most 16 KiB of them."
    remedy = "Send fewer or smaller headers."
    status = 431


class MalformedRequest(HttpRefusal):
    """Raised when a request is not valid HTTP/1.1, or when two parsers could read it differently."""

    code = "malformed_request"
    detail = "The request is not valid HTTP/1.1."
    status = 400


class BodyTooSlow(HttpRefusal):
    """Raised when the request body does not arrive in time."""

    code = "body_too_slow"
    detail = "The request body did not arrive in time."
    remedy = "Send the request again over a better connection."
    status = 408


class HeadTooSlow(HttpRefusal):
    """Raised when the request line and the headers do not arrive in time."""

    code = "head_too_slow"
    detail = "The headers of the request did not arrive in time."
    remedy = "Send the request again over a better connection."
    status = 408
