"""The jobs of admin-service."""

from __future__ import annotations

from admin_svc.usecases.audit import DELETED_AT_ONCE, MAX_DELETIONS, AuditRetention
from admin_svc.usecases.audit_heads import AuditHeads
from admin_svc.usecases.create_user import UserCreation
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule_jobs(jobs: Jobs, creation: UserCreation, heads: AuditHeads, retention: AuditRetention | None, holder: LeaseHolder) -> None:
    """Add the jobs; each runs on one instance at a time, the holder of its lease."""
    jobs.add("complete_pending_users", creation.complete_pending, every_seconds=10, holder=holder)
    jobs.add("sign_audit_heads", heads.close_and_sign, every_seconds=60, holder=holder)
    if retention is not None:
        jobs.add("delete_old_audit_lines", retention.delete_old, every_seconds=3600, holder=holder, batch=DELETED_AT_ONCE * MAX_DELETIONS)
