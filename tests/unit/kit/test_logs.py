"""Log lines: JSON with the instant in UTC, and only events of the configured level."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from shared.kit.logs import JsonLineHandler, configure_logging, format_line, log, log_event


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """The lines that are logged; handlers and level of the log are restored afterwards."""
    stream = io.StringIO()
    before = log.handlers, log.level, log.propagate
    log.handlers, log.propagate = [JsonLineHandler(stream)], False
    yield stream
    log.handlers, log.level, log.propagate = before
    log.setLevel(before[1])


def test_the_instant_of_a_line_is_rfc_3339_in_utc() -> None:
    line = json.loads(format_line(1_772_971_200.25, logging.WARNING, "job_failed", {"job": "send"}))
    assert line == {"at": "2026-03-08T12:00:00.250Z", "level": "warning", "message": "job_failed", "job": "send"}


def test_events_below_the_level_are_not_logged_whoever_installed_the_handler(output: io.StringIO) -> None:
    configure_logging("ERROR")
    log_event("request")
    log_event("job_failed", logging.ERROR)
    assert [json.loads(line)["message"] for line in output.getvalue().splitlines()] == ["job_failed"]
