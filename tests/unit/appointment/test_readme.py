"""The page of appointment-service draws the table that the code obeys."""

from __future__ import annotations

import re
from pathlib import Path

import appointment_svc
from appointment_svc.domain.transitions import RESTORABLE, TRANSITIONS, Status


def test_the_diagram_is_the_table() -> None:
    page = (Path(appointment_svc.__file__).parent / "README.md").read_text()
    drawn = set(re.findall(r"^    (\w+) --> (\w+)$", page, re.MULTILINE))
    assert drawn == {(status.value, following.value) for status, all_of_them in TRANSITIONS.items() for following in all_of_them}
    restored = set(re.findall(r"^    (\w+) --> booked: restore$", page, re.MULTILINE))
    assert restored == {status.value for status in RESTORABLE}
    assert re.findall(r"^    \[\*\] --> (\w+)$", page, re.MULTILINE) == [Status.PENDING.value]
