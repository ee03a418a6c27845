"""README.md shows what the code does: the statuses, the problems and the jobs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import notify_svc
from notify_svc.domain.messages import TRANSITIONS, MessageStatus
from notify_svc.domain.problems import PROBLEMS
from notify_svc.domain.reminders import ReminderStatus
from notify_svc.domain.webhook_deliveries import DeliveryStatus

FOLDER = Path(notify_svc.__file__).parent
README = (FOLDER / "README.md").read_text(encoding="utf-8")

GUIDE = (FOLDER.parent / "gateway_svc" / "static" / "guides" / "messages.md").read_text(encoding="utf-8")


def first_cells(title: str) -> list[str]:
    """Return the first cells of the table whose first column has a title, without the header and without backticks."""
    table = re.search(rf"^\| {re.escape(title)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    assert table, title
    return [line.split("|")[1].strip().replace("`", "") for line in table[1].splitlines()]


def test_the_diagram_shows_the_transitions() -> None:
    arrows = set(re.findall(r"^    (\w+) --> (\w+): ", README, re.MULTILINE))
    assert arrows == {(status.value, following.value) for status, allowed in TRANSITIONS.items() for following in allowed}
    assert re.findall(r"^    \[\*\] --> (\w+)$", README, re.MULTILINE) == [MessageStatus.QUEUED.value]


@pytest.mark.parametrize("text", [README, GUIDE], ids=["README", "guide"])
def test_the_table_of_problems_is_that_of_the_code(text: str) -> None:
    table = "".join(f"| `{code}` | {meaning} |\n" for code, meaning in PROBLEMS.items())
    assert f"| code | meaning |\n|---|---|\n{table}" in text


@pytest.mark.parametrize(
    ("title", "statuses"),
    [("status of the reminder", ReminderStatus), ("status of the delivery", DeliveryStatus)],
    ids=["reminder", "delivery"],
)
def test_every_status_of_a_reminder_and_of_a_delivery_is_explained(title: str, statuses: type[ReminderStatus | DeliveryStatus]) -> None:
    assert first_cells(title) == [status.value for status in statuses]


def test_sending_again_is_explained_for_every_status() -> None:
    section = README[README.index("## Sending a message again") : README.index("## Problems")]
    explained = {word for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)}
    assert explained == {status.value for status in MessageStatus}


def test_the_guide_explains_every_status() -> None:
    table = GUIDE[GUIDE.index("| status | meaning |") : GUIDE.index("Patients see")]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [status.value for status in MessageStatus]


def test_every_job_is_listed() -> None:
    jobs = re.findall(r"jobs\.add\(\s*\"(\w+)\"(.*)\)", (FOLDER / "jobs.py").read_text(encoding="utf-8"))
    assert sorted(first_cells("job")) == sorted(name for name, _arguments in jobs)
    for name, arguments in jobs:
        assert f"| `{name}` | {'one' if 'holder=' in arguments else 'all'} |" in README, name
