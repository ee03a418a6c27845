"""The dead letters of all services in one list."""

from __future__ import annotations

from shared.contracts.dead_letters import DeadLetterSummary
from shared.contracts.identity import Service
from shared.contracts.pages import Page


class DeadLetterOut(DeadLetterSummary):
    """A dead letter, with the service that gave the event up."""

    service: Service


class DeadLetterPage(Page[DeadLetterOut]):
    """A page of dead letters. `unavailable` names the services that did not answer, whose letters are missing."""

    unavailable: list[Service]


def newest_first(letters: list[DeadLetterOut]) -> list[DeadLetterOut]:
    """Return the letters in the order of each service's own list, so that one cursor fits all lists."""
    return sorted(letters, key=lambda letter: (letter.died_at, letter.id), reverse=True)
