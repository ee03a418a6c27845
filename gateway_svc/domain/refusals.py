"""Why the gateway does not forward, or has no answer to bring back."""

from __future__ import annotations

from shared.contracts.refusals import NotFound, Unavailable


class NoSuchPath(NotFound):
    """There is nothing at this address."""

    code = "not_found"
    detail = "There is nothing at this address."


class UpstreamUnavailable(Unavailable):
    """The service that answers this is not there now; nothing was done."""

    code = "upstream_unavailable"
    detail = "The service that answers this is not there now; nothing was done."


class UpstreamBusy(Unavailable):
    """The service that answers this has all it can carry now; nothing was done."""

    code = "upstream_busy"
    detail = "The service that answers this has all it can carry now; nothing was done."


class UpstreamLost(Unavailable):
    """The service went away before it answered; the request may have been done. Repeat it with the same Idempotency-Key."""

    code = "upstream_lost"
    detail = "The service went away before it answered; the request may have been done. Repeat it with the same Idempotency-Key."


class UpstreamTimeout(Unavailable):
    """The service did not answer in time; the request may have been done. Repeat it with the same Idempotency-Key."""

    code = "upstream_timeout"
    detail = "The service did not answer in time; the request may have been done. Repeat it with the same Idempotency-Key."
