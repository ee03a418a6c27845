"""Refusals when a path does not exist, or when the responsible service cannot be reached."""

from __future__ import annotations

from shared.contracts.refusals import NotFound, Unavailable


class NoSuchPath(NotFound):
    """There is no resource at this path."""

    code = "not_found"


class UpstreamUnavailable(Unavailable):
    """The responsible service is not available. Nothing was done."""


class UpstreamBusy(Unavailable):
    """The responsible service has too many requests at the moment. Nothing was done."""


class UpstreamLost(Unavailable):
    """The connection to the service was lost. The request may have been carried out: repeat it with the same Idempotency-Key."""


class UpstreamTimeout(Unavailable):
    """The service did not answer in time. The request may have been carried out: repeat it with the same Idempotency-Key."""
