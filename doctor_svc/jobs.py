"""The jobs of doctor-service."""

from __future__ import annotations

from doctor_svc.usecases.doctors import Doctors
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule_jobs(jobs: Jobs, doctors: Doctors, holder: LeaseHolder) -> None:
    """Schedule the completion of doctors whose account could not be created at once."""
    jobs.add("complete_pending_doctors", doctors.complete_pending, every_seconds=15, holder=holder)
