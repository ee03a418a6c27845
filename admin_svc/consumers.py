"""The events that admin-service consumes."""

from __future__ import annotations

from admin_svc.usecases.audit import AuditTrail
from admin_svc.usecases.erasure import UserErasure
from shared.contracts.events import AuditRecorded, PatientErased, PatientMerged
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, trail: AuditTrail, erasure: UserErasure) -> None:
    """Handle what services report to the audit trail, and patients who are erased or merged."""
    await runtime.subscribe({AuditRecorded: trail.append, PatientErased: erasure.erase, PatientMerged: trail.record_merge})
