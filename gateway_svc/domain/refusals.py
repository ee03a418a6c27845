"""Refusals when a path does not exist, or when the responsible service cannot be reached."""

from __future__ import annotations

from shared.contracts.refusals import NotFound, Unavailable


class NoSuchPath(NotFound):
    """Raised when a path belongs to no service and not to the gateway, or when it is not in its canonical form."""

    code = "not_found"
    detail = "There is no resource at this path."
    remedy = "Check the path. The operations are listed at `/docs`."


class NoSuchProblem(NotFound):
    """Raised when the catalogue of codes is asked for a code that does not exist."""

    code = "no_such_problem"
    detail = "There is no such code."
    remedy = "Choose a code from `/problems`."


class UpstreamUnavailable(Unavailable):
    """Raised when no instance of the service can be reached. Nothing was done. The fact `retry_after` is in seconds."""

    code = "upstream_unavailable"
    detail = "The responsible service is not available. Nothing was done."


class UpstreamBusy(Unavailable):
    """Raised when the service has as many requests in progress as it may have. Nothing was done. The fact `retry_after` is in seconds."""

    code = "upstream_busy"
    detail = "The responsible service has too many requests at the moment. Nothing was done."


class UpstreamLost(Unavailable):
    """Raised when the connection to the service was lost before its response. The fact `retry_after` is in seconds."""

    code = "upstream_lost"
    detail = "The connection to the service was lost. The request may have been carried out: repeat it with the same Idempotency-Key."
    remedy = "Wait for the seconds in `Retry-After` and send the request again. With the same `Idempotency-Key` nothing is done twice."


class UpstreamTimeout(Unavailable):
    """Raised when the service did not respond within the deadline. The fact `retry_after` is in seconds."""

    code = "upstream_timeout"
    detail = "The service did not answer in time. The request may have been carried out: repeat it with the same Idempotency-Key."
    remedy = "Wait for the seconds in `Retry-After` and send the request again. With the same `Idempotency-Key` nothing is done twice."
