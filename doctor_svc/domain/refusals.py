"""Why doctor-service refuses."""

from __future__ import annotations

from shared.contracts.refusals import NoSuch


class NoSuchService(NoSuch):
    """There is no such service."""


class NoSuchDoctor(NoSuch):
    """There is no such doctor."""
