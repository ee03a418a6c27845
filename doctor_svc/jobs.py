"""The jobs of doctor-service."""

from __future__ import annotations

from doctor_svc.usecases.doctors import Doctors
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule_jobs(jobs: Jobs, doctors: Doctors, holder: LeaseHolder) -> None:
    """Add the jobs; each runs on one instance at a time, the holder of its lease."""
    jobs.add("complete_pending_doctors", doctors.complete_pending, every_seconds=15, holder=holder)
