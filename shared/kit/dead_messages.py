"""Messages that the bus gave up, as its adapters hand them to their service, and what is recorded about the error."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType

from shared.contracts.refusals import Refusal

MAX_ERROR_LENGTH = 500
UNKNOWN_ERROR = "unknown"
REPR_OF_ERROR = re.compile(r"\w+(?=\()")  # how earlier releases recorded an error, with its text
THIRD_PARTY = ("site-packages", "importlib", "/asyncio/", "/contextlib.py")


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that its consumer could not handle after the last retry, or that cannot be read.

    `attempts` counts the attempts since it was published or replayed; `replay` is the number of the replay that delivered it, 0 for the
    first delivery. `died_at` is None where the bus does not know it.
    """

    message_id: str
    body: bytes = field(repr=False)
    error: str
    attempts: int
    replay: int = 0
    died_at: datetime | None = None


KeepDeadMessage = Callable[[DeadMessage], Awaitable[None]]
"""Stores a dead message. The bus deletes its own copy after this has returned, and repeats the call when it raises."""


def error_summary(error: BaseException) -> str:
    """Return the type of an error and where our code raised it; for a refusal also its code.

    The text of the error is left out, because it may have personal data.
    """
    cause = f" from {type(error.__cause__).__name__}" if error.__cause__ is not None else ""
    code = f" {error.code}" if isinstance(error, Refusal) else ""
    return f"{type(error).__name__}{code}{cause}{_place(error.__traceback__)}"[:MAX_ERROR_LENGTH]


def without_text(summary: str) -> str:
    """Return an error as `error_summary` records it, also one that an earlier release recorded with its text."""
    old = REPR_OF_ERROR.match(summary)
    return old.group() if old else summary[:MAX_ERROR_LENGTH]


def _place(traceback: TracebackType | None) -> str:
    """Return the innermost place of our own code in a traceback, or an empty text."""
    place = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not any(name in code.co_filename for name in THIRD_PARTY):
            place = f" at {traceback.tb_frame.f_globals.get('__name__')}:{code.co_name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place
