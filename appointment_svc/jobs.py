"""The periodic jobs of appointment-service; each runs on one instance at a time, under a lease."""

from __future__ import annotations

from appointment_svc.usecases.reconcile import Reconciliation
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule(jobs: Jobs, reconciliation: Reconciliation, holder: LeaseHolder, reconcile_every_seconds: int) -> None:
    """Add the jobs that finish and check what requests have left."""
    jobs.add("settle", reconciliation.retry_pending, every_seconds=5, holder=holder)
    jobs.add("expire", reconciliation.expire_requests, every_seconds=30, holder=holder)
    jobs.add("reconcile", reconciliation.reconcile, every_seconds=reconcile_every_seconds, holder=holder)
