"""The periodic jobs of patient-service; each runs on one instance at a time, under a lease."""

from __future__ import annotations

from patient_svc.usecases.access_log import AccessRetention
from patient_svc.usecases.rebuilds import HistoryRebuilding
from patient_svc.usecases.search import PatientSearch
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule_jobs(
    jobs: Jobs, holder: LeaseHolder, rebuilding: HistoryRebuilding, retention: AccessRetention, search: PatientSearch
) -> None:
    """Schedule going on with a rebuild of the booking history, deleting old lines of access logs, and indexing patients."""
    jobs.add("rebuild_history", rebuilding.advance, every_seconds=5, holder=holder)
    jobs.add("delete_old_accesses", retention.delete_old, every_seconds=3600, holder=holder)
    jobs.add("index_patients", search.index_outdated, every_seconds=15, holder=holder)
