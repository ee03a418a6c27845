"""The clock ticks: what was begun is finished, what nobody answered expires, both sides are compared."""

from __future__ import annotations

from appointment_svc.usecases.keep import Keeping
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule(jobs: Jobs, keeping: Keeping, holder: LeaseHolder, reconcile_every_seconds: int) -> None:
    jobs.add("settle", keeping.settle_stragglers, every_seconds=5, holder=holder)
    jobs.add("expire", keeping.expire_requests, every_seconds=30, holder=holder)
    jobs.add("reconcile", keeping.reconcile, every_seconds=reconcile_every_seconds, holder=holder)
