"""The jobs of patient-service."""

from __future__ import annotations

from patient_svc.usecases.accesses import AccessRetention
from patient_svc.usecases.search import PatientSearch
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule_jobs(jobs: Jobs, retention: AccessRetention, search: PatientSearch, holder: LeaseHolder) -> None:
    """Add the jobs; each runs on one instance at a time, the holder of its lease."""
    jobs.add("delete_old_accesses", retention.delete_old, every_seconds=3600, holder=holder)
    jobs.add("index_patients", search.index_outdated, every_seconds=15, holder=holder)
