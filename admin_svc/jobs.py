"""The jobs of admin-service."""

from __future__ import annotations

from admin_svc.usecases.audit import AuditRetention
from admin_svc.usecases.create_user import UserCreation
from shared.kit.batch_deletion import MAX_DELETED
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule_jobs(jobs: Jobs, creation: UserCreation, retention: AuditRetention, holder: LeaseHolder) -> None:
    """Add the jobs; each runs on one instance at a time, the holder of its lease."""
    jobs.add("complete_pending_users", creation.complete_pending, every_seconds=10, holder=holder)
    jobs.add("delete_old_audit_lines", retention.delete_old, every_seconds=3600, holder=holder, batch=MAX_DELETED)
