"""Log records: one JSON object per line on standard error, one per request, event and job run, without any content of requests."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
log = logging.getLogger("careslot")
_encode = json.JSONEncoder(default=str, check_circular=False).encode


class JsonFormatter(logging.Formatter):
    """Format a record as JSON: `at` (RFC 3339, UTC), `level`, `message`, the facts, and the id of the current request."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        facts = record.__dict__.get("facts")
        if facts:
            line.update(facts)
        current_request = request_id.get()
        if current_request:
            line["request_id"] = current_request
        if record.exc_info and record.exc_info[0]:
            line["exception"] = self.formatException(record.exc_info)
        return _encode(line)


def configure_logging(level: str = "INFO") -> None:
    """Send the product's log to standard error as JSON, once per process; a handler that is there already stays."""
    if log.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    log.handlers, log.propagate = [handler], False
    log.setLevel(level)


def log_event(event: str, /, level: int = logging.INFO, *, error: BaseException | None = None, **facts: object) -> None:
    """Log `event` (words joined by underscores) with its facts.

    The record is made here rather than by `Logger.log`, which searches the stack for the caller's file and line on every call; the
    event's name says where it comes from.
    """
    if not log.isEnabledFor(level):
        return
    exc_info = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord(log.name, level, "", 0, event, None, exc_info)
    record.facts = facts
    log.handle(record)
