"""Log lines: one JSON object per line on standard error, one per request, event and job run, without any content of requests."""

from __future__ import annotations

import functools
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

from pydantic_core import to_json

from shared.kit.clock import system_timestamp
from shared.kit.error_texts import format_error

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
log = logging.getLogger("careslot")
LEVELS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error", logging.CRITICAL: "critical"}


@functools.lru_cache(maxsize=2)
def _format_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def format_line(timestamp: float, level: int, event: str, facts: dict[str, object], exception: str | None = None) -> str:
    """Return a log line: `at` (RFC 3339, UTC, milliseconds), `level`, `message`, the facts, the request's id and the exception, if any.

    `timestamp` is in seconds since the Unix epoch.
    """
    seconds = int(timestamp)
    line: dict[str, object] = {
        "at": f"{_format_second(seconds)}.{int((timestamp - seconds) * 1000):03}Z",
        "level": LEVELS.get(level, "info"),
        "message": event,
        **facts,
    }
    current_request = request_id.get()
    if current_request:
        line["request_id"] = current_request
    if exception:
        line["exception"] = exception
    return to_json(line, fallback=str).decode()


class JsonFormatter(logging.Formatter):
    """Formats the records of the logging package as log lines. The texts of errors are left out as `describe_error` says."""

    def format(self, record: logging.LogRecord) -> str:
        exception = format_error(record.exc_info[1]) if record.exc_info and record.exc_info[1] else None
        message = record.getMessage().partition("\n")[0]  # asyncio writes the error into the lines below the first
        return format_line(record.created, record.levelno, message, record.__dict__.get("facts", {}), exception)


class JsonLineHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes log lines to a line-buffered stream."""

    def __init__(self, stream: object) -> None:
        super().__init__(stream)
        self.setFormatter(JsonFormatter())

    def write_event(self, level: int, event: str, facts: dict[str, object]) -> None:
        """Write a line without creating a LogRecord, which would cost several times as much as the line."""
        self.stream.write(format_line(system_timestamp(), level, event, facts) + "\n")


def configure_logging(level: str = "INFO") -> None:
    """Log events of `level` and above, to standard error unless the log has a handler already.

    Warnings of libraries are written there, too, in the same format: asyncio's and uvicorn's about exceptions would show their texts.
    """
    log.setLevel(level)
    if not logging.root.handlers:
        logging.root.addHandler(JsonLineHandler(sys.stderr))
    if not log.handlers:
        log.handlers, log.propagate = [JsonLineHandler(sys.stderr)], False


def log_event(event: str, /, level: int = logging.INFO, *, error: BaseException | None = None, **facts: object) -> None:
    """Log `event` (words joined by underscores) with its facts.

    Handlers other than JsonLineHandler get a LogRecord. It is not created by `Logger.log`, because that searches the stack for the caller's
    file and line on every call.
    """
    if not log.isEnabledFor(level):
        return
    if error is None and not log.propagate and len(log.handlers) == 1 and isinstance(handler := log.handlers[0], JsonLineHandler):
        handler.write_event(level, event, facts)
        return
    exc_info = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord(log.name, level, "", 0, event, None, exc_info)
    record.facts = facts
    log.handle(record)
