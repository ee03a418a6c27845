"""The events that admin-service consumes."""

from __future__ import annotations

from admin_svc.usecases.audit import AuditTrail
from shared.contracts.events import AuditRecorded
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, trail: AuditTrail) -> None:
    """Handle what services report to the audit trail."""
    await runtime.subscribe({AuditRecorded: trail.append})
