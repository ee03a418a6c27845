"""The periodic jobs of patient-service; each runs on one instance at a time, under a lease."""

from __future__ import annotations

from patient_svc.usecases.rebuilds import HistoryRebuilding
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule_jobs(jobs: Jobs, holder: LeaseHolder, rebuilding: HistoryRebuilding) -> None:
    """Schedule going on with a rebuild of the booking history, one page at a time."""
    jobs.add("rebuild_history", rebuilding.advance, every_seconds=5, holder=holder)
