"""What scheduling-service does when the clock ticks."""

from __future__ import annotations

from scheduling_svc.usecases.closures import Closures
from scheduling_svc.usecases.rulebook import Rulebook
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def plan(jobs: Jobs, rulebook: Rulebook, closures: Closures, holder: LeaseHolder) -> None:
    jobs.add("learn rules", rulebook.learn_all, every_seconds=3, holder=holder)
    jobs.add("closures", closures.settle, every_seconds=5, holder=holder)
