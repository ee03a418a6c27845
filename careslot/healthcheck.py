"""`careslot healthcheck`: whether a server runs and is ready.

Containers run `deploy/healthcheck.sh` instead, which costs a thirtieth and also ends a server that hangs.
"""

from __future__ import annotations

from enum import IntEnum
from urllib.error import HTTPError
from urllib.request import urlopen

TIMEOUT_SECONDS = 3


class Health(IntEnum):
    """The state of a server, and the exit code of the command for it."""

    READY = 0
    NOT_READY = 1
    NO_ANSWER = 2


DESCRIPTIONS = {
    Health.READY: "ready",
    Health.NOT_READY: "runs, but is not ready: its database or the event bus does not answer",
    Health.NO_ANSWER: "does not answer",
}


def check_health(url: str) -> Health:
    """Ask the server at `url` whether it is ready and, if that gets no answer, whether it runs at all."""
    try:
        return Health.READY if _status(f"{url}/readyz") == 200 else Health.NOT_READY
    except OSError:
        pass
    try:
        _status(f"{url}/livez")
    except OSError:
        return Health.NO_ANSWER
    return Health.NOT_READY


def _status(url: str) -> int:
    """Return the status of the response. Raises OSError when there is none within TIMEOUT_SECONDS."""
    try:
        with urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            return int(response.status)
    except HTTPError as error:
        with error:
            return error.code
