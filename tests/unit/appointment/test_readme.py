"""README.md shows the tables that the code obeys."""

from __future__ import annotations

import re
from pathlib import Path

import appointment_svc
from appointment_svc.domain.sync_decisions import DECISIONS, AnswerKind, Situation, SyncAction
from appointment_svc.domain.transitions import RESTORABLE, TRANSITIONS, AppointmentStatus

README = (Path(appointment_svc.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_the_diagram_shows_the_transitions() -> None:
    arrows = set(re.findall(r"^    (\w+) --> (\w+)$", README, re.MULTILINE))
    assert arrows == {(status.value, following.value) for status, allowed in TRANSITIONS.items() for following in allowed}
    restored = set(re.findall(r"^    (\w+) --> booked: restore$", README, re.MULTILINE))
    assert restored == {status.value for status in RESTORABLE}
    assert re.findall(r"^    \[\*\] --> (\w+)$", README, re.MULTILINE) == [AppointmentStatus.PENDING.value]


def tables() -> list[list[list[str]]]:
    """The tables of the README, each a list of rows of cells."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", README, re.MULTILINE)
    return [[[cell.strip() for cell in entry.strip("|").split("|")] for entry in block.splitlines()] for block in blocks]


def test_the_decision_table_is_the_one_of_the_code() -> None:
    shown: dict[tuple[str, str], str] = {}
    for header, _rule, *rows in tables():
        if header[0] != "situation" or header[1] == "the appointment":
            continue
        for situation, *actions in rows:
            shown |= {(situation, answer): action for answer, action in zip(header[1:], actions, strict=True) if action}
    assert shown == {(situation.value, answer.value): action.value for (situation, answer), action in DECISIONS.items()}


def test_every_situation_answer_and_action_is_explained() -> None:
    explained = {header[0]: " ".join(row[0] for row in rows) for header, _rule, *rows in tables()}
    for kind in AnswerKind:
        assert re.search(rf"\b{kind.value}\b", explained["answer"]), kind
    for situation in Situation:
        assert re.search(rf"\b{situation.value}\b", explained["situation"]), situation
    combined = {f"{name}{suffix}" for name in re.findall(r"\w+", explained["action"]) for suffix in ("", "_and_release", "_and_reclaim")}
    assert {action.value for action in SyncAction if action is not SyncAction.NOTHING} <= combined
