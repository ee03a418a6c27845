"""The periodic jobs of appointment-service; each runs on one instance at a time, under a lease."""

from __future__ import annotations

from collections.abc import Callable

from appointment_svc.usecases.doctors import DoctorFollower
from appointment_svc.usecases.merged_patients import MergeFollower
from appointment_svc.usecases.reconcile import Reconciliation
from appointment_svc.usecases.retention import BATCH as TEXTS_AT_ONCE
from appointment_svc.usecases.retention import DELETED_AT_ONCE, AppointmentRetention, TextRetention
from shared.kit.jobs import Jobs, Work
from shared.kit.leases import LeaseHolder


def schedule_outbox_jobs(
    jobs: Jobs, holder: LeaseHolder, *, publish: Work, batch: int, prune_events: Work, prune_keys: Work
) -> Callable[[], None]:
    """Schedule the publishing of events and the pruning of events and idempotency keys; return the function that wakes the publishing.

    A run of `publish` that handles fewer than `batch` events has tried all of them.
    """
    jobs.add("prune", prune_events, every_seconds=3600, holder=holder)
    jobs.add("prune_keys", prune_keys, every_seconds=3600, holder=holder)
    return jobs.add("relay", publish, every_seconds=1, holder=holder, batch=batch)


def schedule_retention(jobs: Jobs, holder: LeaseHolder, texts: TextRetention, appointments: AppointmentRetention) -> None:
    """Schedule the removal of old texts and of old appointments. A run that handles a whole batch is followed by another one at once."""
    jobs.add("erase_old_texts", texts.erase_old_texts, every_seconds=3600, holder=holder, batch=TEXTS_AT_ONCE)
    jobs.add("delete_old_appointments", appointments.delete_old, every_seconds=3600, holder=holder, batch=DELETED_AT_ONCE)


def schedule_jobs(
    jobs: Jobs,
    holder: LeaseHolder,
    reconciliation: Reconciliation,
    doctors: DoctorFollower,
    merges: MergeFollower,
    *,
    reconcile_every_seconds: int,
) -> None:
    """Schedule what finishes and checks the work of requests."""
    jobs.add("retry_pending", reconciliation.retry_pending, every_seconds=5, holder=holder)
    jobs.add("expire_requests", reconciliation.expire_requests, every_seconds=30, holder=holder)
    jobs.add("follow_doctors", doctors.follow_doctors, every_seconds=3, holder=holder)
    jobs.add("follow_merges", merges.follow_merges, every_seconds=3, holder=holder)
    jobs.add("reconcile", reconciliation.reconcile, every_seconds=reconcile_every_seconds, holder=holder)
