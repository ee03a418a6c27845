"""What scheduling-service does when the clock ticks."""

from __future__ import annotations

from scheduling_svc.usecases.rulebook import Rulebook
from shared.kit.jobs import Jobs
from shared.kit.leases import Holder
from shared.kit.outbox import Relay


def plan(jobs: Jobs, rulebook: Rulebook, relay: Relay, holder: Holder) -> None:
    """Nothing is published from here, so that of the relay only its tidying is needed."""
    jobs.add("learn rules", rulebook.learn_all, every_seconds=3, holder=holder)
    jobs.add("prune", relay.prune, every_seconds=3600, holder=holder)
